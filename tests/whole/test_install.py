"""An install that leaves the checkout behind: sdist, wheel, an environment of its own, the command and the example.

The compiler is not asked again: the wheel takes the library that these tests run on, made from the same sources.
`make slow` compiles it as pip would.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import cpm_repro
from tests.tool import ROOT, TOOLS
from tests.tools.tiny_cpm import write_detector, write_net

NOT_OF_THE_SOURCE = (".git", ".venv", "build", "dist", "*.egg-info", "*.so", "__pycache__", ".*_cache")
PREAMBLE = """
import numpy as np, torch
from PIL import Image
from prototxt_import.net import load_net
crop = torch.rand(1, 4, 64, 64) - 0.5
Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 240, 3)).astype(np.uint8)).save("photograph.jpg")
person_net = load_net("person.prototxt", "person.caffemodel")
"""
"""What the README's example takes as given."""


def run(*command: object, cwd: Path, **settings) -> str:
    """A command's output; it must end well."""
    ended = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False, **settings)
    assert ended.returncode == 0, f"{command}\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, unpacked: nothing of the checkout is beside it."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(*NOT_OF_THE_SOURCE))
    backend = "from setuptools import build_meta; print(build_meta.build_sdist('..'))"
    name = run(sys.executable, "-c", backend, cwd=folder / "copy").splitlines()[-1]
    with tarfile.open(folder / name) as archive:
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    return folder / name.removesuffix(".tar.gz")


def build_wheel(source: Path, to: Path) -> Path:
    run(
        *(sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"),
        *("--wheel-dir", to, source),
        cwd=to,
    )
    (wheel,) = to.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, with the library compiled for the checkout."""
    (compiled,) = (ROOT / "kernels").glob(f"_host{sysconfig.get_config_var('EXT_SUFFIX')}")
    interpreter = f"{sysconfig.get_platform()}-{sys.implementation.cache_tag}"
    place = source / "build" / f"lib.{interpreter}" / "cpm_kernels" / compiled.name
    place.parent.mkdir(parents=True)
    shutil.copyfile(compiled, place)  # newer than its sources: not compiled again
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it; it sees the packages of these tests, but not the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv/bin/python"
    ours = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (ours / "packages_of_the_tests.pth").write_text("\n".join(packages) + "\n")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    where = run(python, "-c", "import cpm_repro, cpm_kernels; print(cpm_repro.__file__, cpm_kernels.__file__)", cwd="/")
    assert str(ROOT) not in where and where.count(str(ours)) == 2
    return folder / "venv/bin"


def test_the_source_has_everything(source):
    ours = {path.relative_to(ROOT) for folder in ("kernels/src", "tools", "tests") for path in named(ROOT / folder)}
    missing = {path for path in ours if not (source / path).is_file()}
    assert not missing
    assert all((source / name).is_file() for name in ("README.md", "LICENSE", "Makefile", "constraints.txt"))


def named(folder: Path) -> list[Path]:
    kept = (".py", ".cpp", ".h", ".cu", ".cuh", ".proto", ".pyi", ".typed")
    return [path for path in folder.rglob("*") if path.suffix in kept or path.name == "py.typed"]


def test_the_wheel_has_everything_and_nothing_else(wheel):
    homes = {"cpm_repro": "cpm_repro", "data_lmdb": "data_lmdb", "prototxt_import": "prototxt_import"}
    homes |= {"kernels": "cpm_kernels", "tools": "cpm_repro/tools"}
    expected = {f"{home}/{path.relative_to(ROOT / f)}" for f, home in homes.items() for path in named(ROOT / f)}
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert not expected - packed
    assert {name.partition("/")[0] for name in packed} == {
        *("cpm_repro", "data_lmdb", "prototxt_import", "cpm_kernels"),
        f"cpm_repro-{cpm_repro.__version__}.dist-info",
    }


def test_the_command_and_its_jobs(environment, tmp_path):
    assert run(environment / "cpm", "--version", cwd=tmp_path) == f"cpm {cpm_repro.__version__}\n"
    shown = run(environment / "cpm", "--help", cwd=tmp_path)
    assert all(f"\n  {tool} " in shown for tool in TOOLS)
    prototxt, weights = write_net(tmp_path)
    convert = ("convert", "--prototxt", prototxt, "--weights", weights, "--out", tmp_path / "cpm.pt", "--check")
    assert "cpm.pt" in run(environment / "cpm", *convert, cwd=tmp_path)
    assert Path(run(environment / "cpm", "caffe_dump", cwd=tmp_path).strip()).is_file()


def test_the_readmes_example(environment, tmp_path):
    prototxt, weights = write_net(tmp_path)
    write_detector(tmp_path)
    convert = ("convert", "--prototxt", prototxt, "--weights", weights, "--out", tmp_path / "cpm.pt")
    run(environment / "cpm", *convert, cwd=tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example.py").write_text(PREAMBLE + example, encoding="utf-8")
    run(environment / "python", "example.py", cwd=tmp_path)


def test_no_top_level_name_is_taken(environment, tmp_path):
    look = "import importlib.util as u; print([n for n in ('tools', 'kernels', 'tests') if u.find_spec(n)])"
    assert run(environment / "python", "-c", look, cwd=tmp_path) == "[]\n"


@pytest.mark.slow
def test_the_source_compiles(source, wheel, tmp_path):
    shutil.copytree(source, tmp_path / "source", ignore=shutil.ignore_patterns("build", "*.egg-info", "*.so"))
    compiled = zipfile.ZipFile(build_wheel(tmp_path / "source", tmp_path)).namelist()
    assert sorted(compiled) == sorted(zipfile.ZipFile(wheel).namelist())
