import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """The nets are so small that threads wait for each other most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
