"""What Python says of the C++ library is what the C++ compiler says: sizes, places of fields, arguments."""

import ctypes
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cpm_kernels import host
from cpm_kernels.cuda_module import SOURCES
from cpm_kernels.exact import convolution, gemm, pooling, random, solvers
from cpm_kernels.exact.profiles import FAMILIES, Profile
from cpm_kernels.fft import convolution as fft_convolution
from cpm_kernels.samples import sample

Field = tuple[str, int, int]
"""Name, offset and size in bytes."""


def fields(mirror: np.dtype | type[ctypes.Structure]) -> list[Field]:
    """Of Python's mirror of a struct."""
    if isinstance(mirror, np.dtype):
        return [(name, offset, kind.itemsize) for name, (kind, offset, *_) in mirror.fields.items()]
    return [(name, getattr(mirror, name).offset, getattr(mirror, name).size) for name, _ in mirror._fields_]


def size(mirror: np.dtype | type[ctypes.Structure]) -> int:
    return mirror.itemsize if isinstance(mirror, np.dtype) else ctypes.sizeof(mirror)


MIRRORS: dict[str, tuple[str, np.dtype | type[ctypes.Structure]]] = {
    # by the struct's name: its header, Python's mirror
    "Sample": ("samples/sample.h", sample.SAMPLE),
    "SampleShape": ("samples/sample.h", sample._Shape),
    "SolverBlob": ("exact/solvers.h", solvers.SOLVER_BLOB),
    "SolverStep": ("exact/solvers.h", solvers.SOLVER_BLOB["step"]),
    "Pooling": ("exact/pooling.h", pooling.PoolingSizes),
    "Convolution": ("exact/convolution.h", convolution.ConvolutionSizes),
    "FftConvolution": ("fft/fft_convolution.h", fft_convolution._Sizes),
    "OutputPooling": ("fft/output_pooling.h", fft_convolution._OutputPooling),
    "MersenneTwister": ("exact/random.h", np.dtype([("word", np.uint32, 624), ("next", np.uint32)])),
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """By struct what the compiler says: its size, then offset and size of each field that Python's mirror has."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    folder = tmp_path_factory.mktemp("structs")
    lines = ["#include <stddef.h>", "#include <stdio.h>"]
    lines += [f'#include "{header}"' for header in dict.fromkeys(header for header, _ in MIRRORS.values())]
    lines.append("int main() {")
    for name, (_, mirror) in MIRRORS.items():
        bound = ", ".join(f"field{i}" for i, _ in enumerate(fields(mirror)))
        lines.append(f"{{ auto [{bound}] = {name}{{}}; }}  // does not compile if there are more fields, or fewer")
        lines.append(f'printf("{name} %zu", sizeof({name}));')
        lines += [
            f'printf(" %zu %zu", offsetof({name}, {field}), sizeof((({name}*)0)->{field}));'
            for field, *_ in fields(mirror)
        ]
        lines.append(r'printf("\n");')
    (folder / "structs.cpp").write_text("\n".join([*lines, "}"]))
    command = [compiler, "-std=c++17", f"-I{SOURCES}", str(folder / "structs.cpp"), "-o", str(folder / "structs")]
    subprocess.run(command, check=True)
    printed = subprocess.run([folder / "structs"], capture_output=True, text=True, check=True).stdout
    return {name: [int(number) for number in numbers] for name, *numbers in map(str.split, printed.splitlines())}


@pytest.mark.parametrize("name", MIRRORS)
def test_a_struct_is_the_same_on_both_sides(compiled: dict[str, list[int]], name: str) -> None:
    whole, *places = compiled[name]
    mirror = MIRRORS[name][1]
    assert size(mirror) == whole
    assert [(offset, length) for _, offset, length in fields(mirror)] == list(zip(*[iter(places)] * 2, strict=True))


def test_the_step_of_a_blob_is_the_step() -> None:
    names = [name for name, *_ in fields(solvers.SOLVER_BLOB["step"])]
    assert list(solvers.SolverStep.__dataclass_fields__) == names
    step = solvers.SolverStep("Adam", rate=3.0, absolute=True, profile=Profile("haswell", 2))
    assert step.row() == (5, 1.0, 1.0, 0.0, True, 3.0, 0.0, 0.0, 0.0, (2, 2))
    assert random._STATE_WORDS == 625


def test_enumerations_have_the_same_numbers() -> None:
    """What is passed as an int: the CPU's versions, a product's form, a solver, an OpenCV's profile."""
    assert enumeration("common/cpu_version.h", "CpuVersion") == [f"CPU_{name.upper()}" for name in gemm.TILE_VERSIONS]
    assert list(gemm.TILE_VERSIONS.values()) == [0, 1, 2]
    assert enumeration("exact/gemm.h", "GemmForm") == ["GEMM_NN", "GEMM_TN", "GEMM_NT"]
    assert [gemm._form(False, False), gemm._form(True, False), gemm._form(False, True)] == [0, 1, 2]
    families = [{"haswell-0.3.7": "OLD_HASWELL"}.get(name, name.upper()) for name in FAMILIES]
    assert families == enumeration("exact/family.h", "Family")
    assert list(FAMILIES.values()) == list(range(len(families)))
    assert [name.upper() for name in solvers.SOLVER_TYPES] == enumeration("exact/solvers.h", "SolverType")
    assert list(solvers.SOLVER_TYPES.values()) == [0, 1, 2, 3, 4, 5]
    assert [name.lower() for name in enumeration("samples/profile.h", "Profile")] == list(host.PROFILES)
    assert list(host.PROFILES.values()) == [0, 1]


def enumeration(header: str, name: str) -> list[str]:
    """The names of an enum whose numbers count from 0."""
    text = (SOURCES / header).read_text(encoding="utf-8")
    found = re.search(rf"enum {name}\s*(?::\s*int\s*)?{{([^}}]*)}}", text)
    assert found, f"{header} has no enum {name}"
    return [part.partition("=")[0].strip() for part in found[1].split(",") if part.strip()]


KINDS = {
    "int": ctypes.c_int,
    "unsigned": ctypes.c_uint,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "long long": ctypes.c_longlong,
    "Index": ctypes.c_longlong,
    "void": None,
}
_DEFINITION = re.compile(r"^(?:extern \"C\" )?(?:CPM_\w+ )?(\w[\w ]*?) (cpm_\w+)\(([^)]*)\)\s*\{", re.MULTILINE)


def definitions() -> Iterator[tuple[str, type | None, list[type]]]:
    """Name, result and arguments of every function that the library exports, as its sources have them."""
    for path in sorted(SOURCES.glob("*/*.cpp")):
        for result, name, arguments in _DEFINITION.findall(path.read_text(encoding="utf-8")):
            listed = [argument.strip() for argument in arguments.split(",") if argument.strip()]
            yield name, KINDS[result], [kind(argument) for argument in listed]


def kind(argument: str) -> type:
    """What ctypes calls an argument such as `const float* x`."""
    if "*" in argument or "[" in argument:
        return ctypes.c_void_p
    return KINDS[argument.removeprefix("const ").rpartition(" ")[0]]


def exported(library: Path) -> set[str]:
    """The names that the compiled library exports."""
    if shutil.which("nm") is None:
        pytest.skip("nm is not installed")
    listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1] for line in listed.splitlines()}
    return {name for name in names if name.startswith("cpm_") and "." not in name}


def test_signatures_are_those_of_the_sources() -> None:
    found = {name: (arguments, result) for name, result, arguments in definitions()}
    assert found == {name: (arguments, result) for name, (arguments, result) in host._SIGNATURES.items()}


def test_signatures_name_all_that_the_library_exports() -> None:
    assert exported(Path(host.library()._name)) == {*host._SIGNATURES, "cpm_sources"}


@pytest.mark.parametrize("older", [False, True])
def test_a_library_of_other_sources_is_refused(tmp_path: Path, older: bool) -> None:
    loaded = ctypes.CDLL(None) if older else host.library()  # the first has no checksum
    (tmp_path / "common").mkdir()
    (tmp_path / "common/sources.cpp").write_text("// another version\n")
    with pytest.raises(ImportError, match=r"expected a library of the sources in .*`make test`") as refused:
        host._check_sources(loaded, tmp_path)
    assert refused.value.name == host.LIBRARY
    host._check_sources(loaded, tmp_path / "nothing is beside the library")
