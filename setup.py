"""Installs cpm_repro, prototxt_import, data_lmdb and cpm_kernels (the folder kernels/) with its compiled library."""

from glob import glob

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


# Fused multiply-adds and reordering would change bits; the two -fno- flags only let rounding be vectorised.
host_library = Extension(
    "cpm_kernels._host",
    sorted(glob("kernels/src/*/*.cpp")),
    depends=sorted(glob("kernels/src/*/*.h")),
    include_dirs=["kernels/src"],
    language="c++",
    extra_compile_args=["-O3", "-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"],
)

setup(
    name="cpm-repro",
    version="0.1.0",
    description="Convolutional Pose Machines (CVPR 2016), reproduced with the original's own bits",
    license="MIT",
    python_requires=">=3.10",
    packages=[
        *find_packages(include=["cpm_repro*", "data_lmdb*", "prototxt_import*"]),
        "cpm_kernels",
        *(f"cpm_kernels.{story}" for story in find_packages("kernels")),
    ],
    package_dir={"cpm_kernels": "kernels"},
    package_data={"cpm_kernels": ["src/*/*"], "prototxt_import.formats": ["*.proto"]},
    ext_modules=[host_library],
    cmdclass={"build_ext": BuildHostLibrary},
    install_requires=[
        "torch>=2.6",
        "numpy",
        "scipy",
        "lmdb",
        "protobuf>=4.21",
        "matplotlib",
        "Pillow",
        "h5py",
        "tqdm",
    ],
    extras_require={
        "cuda": ["cupy-cuda13x"],
        "opencv": ["opencv-python-headless<5"],
        "bench": ["opencv-python-headless<5", "onnx", "onnxruntime"],
        "convert": ["safetensors", "onnx", "onnxruntime"],
        "test": [
            "pytest",
            "ruff",
            "opencv-python-headless<5",
            "nvidia-cuda-nvrtc",
            "safetensors",
            "onnx",
            "onnxruntime",
        ],
    },
)
