import pytest


@pytest.fixture(autouse=True)
def small_nets(one_thread):
    """All studies here are of tiny nets."""
