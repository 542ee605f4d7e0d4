"""Without the extra `study` there is a sentence, before anything is trained."""

import sys
from unittest import mock

import numpy as np
import pytest

from cpm_repro.studies import STUDIES
from cpm_repro.studies.pose_machine.features import image_cells
from cpm_repro.studies.pose_machine.forest import fit_forest
from cpm_repro.studies.pose_machine.needing import check_packages
from prototxt_import.files import InputError
from tests.cpm_repro.studies.tiny import setting


@pytest.mark.parametrize(
    "module, package, asks",
    [
        ("sklearn", "scikit-learn", lambda: fit_forest(np.zeros((2, 1), np.float32), np.arange(2), 1, 1, 0, 1)),
        ("skimage", "scikit-image", lambda: image_cells(np.zeros((4, 32, 32), np.float32), 8)),
    ],
)
def test_a_missing_package_is_named(module, package, asks):
    hidden = {name: None for name in sys.modules if name.split(".")[0] == module} | {module: None}
    with mock.patch.dict(sys.modules, hidden), pytest.raises(InputError, match=rf"{package} \(pip install .*\[study\]"):
        check_packages()
    with mock.patch.dict(sys.modules, hidden), pytest.raises(InputError, match=rf"{package} \(pip install .*\[study\]"):
        asks()


@pytest.mark.parametrize("name", ["pose_machine", "viewpoint"])
def test_the_studies_ask_first(tmp_path, name):
    asked = setting(tmp_path)
    with mock.patch.dict(sys.modules, {"sklearn": None, "sklearn.ensemble": None}), pytest.raises(InputError):
        STUDIES[name].recipes(asked)
