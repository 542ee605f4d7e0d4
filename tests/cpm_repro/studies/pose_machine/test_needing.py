"""Without the extra `study` there is a sentence, before anything is trained."""

import sys
from unittest import mock

import pytest

from cpm_repro.studies import STUDIES
from cpm_repro.studies.pose_machine.needing import check_packages
from prototxt_import.files import InputError
from tests.cpm_repro.studies.tiny import setting


@pytest.mark.parametrize("module, package", [("sklearn", "scikit-learn"), ("skimage", "scikit-image")])
def test_a_missing_package_is_named(module, package):
    hidden = {name: None for name in sys.modules if name.split(".")[0] == module} | {module: None}
    with mock.patch.dict(sys.modules, hidden), pytest.raises(InputError, match=rf"{package} \(pip install"):
        check_packages()


@pytest.mark.parametrize("name", ["pose_machine", "viewpoint"])
def test_the_studies_ask_first(tmp_path, name):
    asked = setting(tmp_path)
    with mock.patch.dict(sys.modules, {"sklearn": None, "sklearn.ensemble": None}), pytest.raises(InputError):
        STUDIES[name].recipes(asked)
