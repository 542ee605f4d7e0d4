"""The package's front door: three functions, a version, and no torch before it is used."""

import subprocess
import sys

import cpm_repro
from cpm_repro.convert.weights import load
from cpm_repro.inference.beliefs import estimate_pose
from cpm_repro.inference.everybody import estimate_all_poses

MOST_SECONDS = 0.3
PROGRAM = """
import sys, time
started = time.process_time()
import cpm_repro
print(time.process_time() - started, *({"torch", "numpy", "scipy", "matplotlib"} & set(sys.modules)))
"""


def test_import_is_quick_and_brings_no_torch():
    shown = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    seconds, *heavy = shown.split()
    assert float(seconds) < MOST_SECONDS and heavy == []


def test_the_functions_are_those_of_their_modules():
    assert cpm_repro.load is load
    assert cpm_repro.estimate_pose is estimate_pose
    assert cpm_repro.estimate_all_poses is estimate_all_poses
    assert {*cpm_repro.__all__, "__version__"} <= set(dir(cpm_repro))
    assert not hasattr(cpm_repro, "estimate_poses")
