"""A MATLAB file that unpacks to far more than it is, its variables together, is refused while it unpacks."""

import io

import numpy as np
import pytest
import scipy.io

from data_lmdb.datasets.matlab_elements import BrokenMatlab, check_elements
from prototxt_import import files


def test_all_variables_share_one_limit(monkeypatch):
    monkeypatch.setattr(files, "_UNPACKED", 1 << 20)
    content = io.BytesIO()
    scipy.io.savemat(content, {f"x{k}": np.zeros(1 << 16) for k in range(4)}, do_compression=True)
    with pytest.raises(BrokenMatlab, match="expected at most 1048576 bytes once unpacked, found more"):
        check_elements(content.getvalue(), ["x0"])
    content = io.BytesIO()
    scipy.io.savemat(content, {"x0": np.zeros(1 << 16)}, do_compression=True)
    check_elements(content.getvalue(), ["x0"])
