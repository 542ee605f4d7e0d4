"""What the machine of a card run has: card, driver, compilers, packages; what is missing, and what needs it.

A process of its own (`python -m cpm_repro.benchmarks.card.machine cuda OUT.json`): a library that cannot be loaded
must not end the run.
"""

import importlib
import json
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

NEEDED = {
    "torch": ("torch", "everything"),
    "numpy": ("numpy", "everything"),
    "scipy": ("scipy", "everything"),
    "google.protobuf": ("protobuf", "everything"),
    "pytest": ("pytest", "the tests"),
    "setuptools": ("setuptools", "building the CPU's library"),
    "matplotlib": ("matplotlib", "pictures"),
    "PIL": ("pillow", "images"),
    "h5py": ("h5py", "weights"),
    "tqdm": ("tqdm", "training"),
    "lmdb": ("lmdb", "writing records: the benchmark of the data, and tests that make records"),
    "cv2": ("opencv-python-headless", "OpenCV beside this project in the benchmarks"),
    "onnx": ("onnx", "tests of the export"),
    "onnxruntime": ("onnxruntime", "tests of the export"),
    "safetensors": ("safetensors", "tests of the conversion"),
}
"""Package and what needs it, by module."""
ON_A_CARD = {"cupy": ("cupy-cuda13x", "every kernel of this project on the card")}


def described(device: str) -> dict[str, Any]:
    """{"python", "platform", "compiler", "nvcc", "packages", "missing", and for a card "card", "driver", …}."""
    needed = {**NEEDED, **(ON_A_CARD if device == "cuda" else {})}
    versions = {name: version_of(name, package) for name, (package, _) in needed.items()}
    missing = [{"package": needed[name][0], "needed by": needed[name][1]} for name, v in versions.items() if v is None]
    about: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "compiler": first_line(["g++", "--version"]) or first_line(["c++", "--version"]),
        "nvcc": first_line(["nvcc", "--version"], which=-1),
        "packages": {name: version for name, version in versions.items() if version},
        "missing": missing,
    }
    return {**about, **(described_card() if device == "cuda" else {})}


def version_of(module: str, package: str) -> str | None:
    """The version of a module that can be imported, else None."""
    try:
        found = importlib.import_module(module)
    except Exception as error:  # whatever a broken library raises
        print(f"{module}: {type(error).__name__}: {error}")
        return None
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return str(getattr(found, "__version__", "unknown"))


def first_line(command: Sequence[str], which: int = 0) -> str | None:
    """A line of what a command prints, or None if there is no such command."""
    if shutil.which(command[0]) is None:
        return None
    lines = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.split("\n")
    written = [line.strip() for line in lines if line.strip()]
    return written[which] if written else None


def described_card() -> dict[str, Any]:
    """{"card", "memory GiB", "multiprocessors", "capability", "cuda", "cudnn", "driver"}."""
    import torch

    card = torch.cuda.get_device_properties(0)
    return {
        "card": card.name,
        "memory GiB": round(card.total_memory / 2**30, 1),
        "multiprocessors": card.multi_processor_count,
        "capability": f"{card.major}.{card.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": first_line(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]),
    }


def compile_kernels() -> None:
    """Compiles all kernels for this machine's card and keeps them, so that no test waits for it."""
    import torch

    from cpm_kernels.cuda_module import SOURCES, cubin_file

    for source in sorted(path.relative_to(SOURCES).as_posix() for path in SOURCES.glob("*/*.cu")):
        started = time.monotonic()
        path = cubin_file(source, torch.cuda.get_device_capability())
        print(f"{source}: {path.stat().st_size} bytes in {time.monotonic() - started:.1f} s")


def main() -> None:
    if sys.argv[1:] == ["--compile"]:
        return compile_kernels()
    device, out = sys.argv[1:]
    text = json.dumps(described(device), indent=1)
    print(text)
    Path(out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
