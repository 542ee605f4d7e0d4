"""Where the packages lie and how the C++ is compiled; everything else about the project stands in pyproject.toml.

kernels/ is installed as `cpm_kernels` and tools/ as `cpm_repro.tools`, where the command `cpm` finds them.
"""

import ctypes
import os
import runpy
from glob import glob
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, PlatformError


class BuildHostLibrary(build_ext):
    """build_ext whose failure is one sentence: the library is plain C++17 and needs nothing but a compiler.

    A library of other sources is compiled again, whatever the files' times say: the clock may have been set back.
    """

    def run(self) -> None:
        libraries = [*glob("kernels/_host*.so"), *glob(f"{self.build_lib}/cpm_kernels/_host*.so")]
        if any(_compiled_from(library) != CHECKSUM for library in libraries):
            self.force = True
        super().run()

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except (CompileError, PlatformError) as error:
            raise SystemExit(
                "cpm-repro: kernels/src could not be compiled: a C++17 compiler is needed "
                f"(g++ or clang++, or the one named by CXX): {error}"
            ) from None


def _compiled_from(library: str) -> int | None:
    """The checksum of the sources that a library is of."""
    try:
        return ctypes.c_uint32.in_dll(ctypes.CDLL(os.path.abspath(library)), "cpm_sources").value
    except (OSError, ValueError):
        return None


CHECKSUM = runpy.run_path("kernels/sources.py")["checksum"](Path("kernels/src"))

# Fused multiply-adds and reordering would change bits; the two -fno- flags only let rounding be vectorised.
host_library = Extension(
    "cpm_kernels._host",
    sorted(glob("kernels/src/*/*.cpp")),
    depends=sorted(glob("kernels/src/*/*.h")),
    include_dirs=["kernels/src"],
    define_macros=[("CPM_SOURCES", f"{CHECKSUM}u")],
    language="c++",
    extra_compile_args=["-O3", "-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"],
)

setup(
    packages=[
        *find_packages(include=["cpm_repro*", "data_lmdb*", "prototxt_import*"]),
        "cpm_repro.tools",
        "cpm_kernels",
        *(f"cpm_kernels.{story}" for story in find_packages("kernels")),
    ],
    package_dir={"cpm_kernels": "kernels", "cpm_repro.tools": "tools"},
    package_data={
        "": ["py.typed", "*.pyi"],
        "cpm_kernels": ["src/*/*"],
        "cpm_repro.compare": ["*.jinja"],
        "cpm_repro.figures": ["*.html"],
        "cpm_repro.models": ["*/*"],
        "prototxt_import.formats": ["*.proto"],
    },
    ext_modules=[host_library],
    cmdclass={"build_ext": BuildHostLibrary},
)
