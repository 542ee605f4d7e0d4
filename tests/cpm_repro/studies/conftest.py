import pytest

from tests.cpm_repro.studies.tiny import setting


@pytest.fixture(autouse=True)
def small_nets(one_thread):
    """All studies here are of tiny nets."""


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """The tiny setting's data: LMDBs of drawn people, which a test leaves as they are."""
    return setting(tmp_path_factory.mktemp("drawn")).data
