"""Where the packages lie and how the C++ is compiled; everything else about the project stands in pyproject.toml.

kernels/ is installed as `cpm_kernels` and tools/ as `cpm_repro.tools`, where the command `cpm` finds them.
"""

import runpy
from glob import glob
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, PlatformError


class BuildHostLibrary(build_ext):
    """build_ext whose failure is one sentence: the library is plain C++17 and needs nothing but a compiler."""

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except (CompileError, PlatformError) as error:
            raise SystemExit(
                "cpm-repro: kernels/src could not be compiled: a C++17 compiler is needed "
                f"(g++ or clang++, or the one named by CXX): {error}"
            ) from None


checksum = runpy.run_path("kernels/sources.py")["checksum"]

# Fused multiply-adds and reordering would change bits; the two -fno- flags only let rounding be vectorised.
host_library = Extension(
    "cpm_kernels._host",
    sorted(glob("kernels/src/*/*.cpp")),
    depends=sorted(glob("kernels/src/*/*.h")),
    include_dirs=["kernels/src"],
    define_macros=[("CPM_SOURCES", f"{checksum(Path('kernels/src'))}u")],
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
