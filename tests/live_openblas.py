"""The live oracle: an OpenBLAS library as one CPU family and number of threads run it, in a process of its own.

NumPy's and SciPy's wheels bundle one. Which kernels it takes is decided once, when it is loaded, by OPENBLAS_CORETYPE;
hence the process. The environment variable CPM_OPENBLAS names another library, such as Debian's `libopenblas.so.0`.
"""

import ctypes
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

ROW_MAJOR, NO_TRANS, TRANS = 101, 111, 112


def bundled_library() -> Path | None:
    """The OpenBLAS to ask: CPM_OPENBLAS, or what NumPy or SciPy brought; None if there is none."""
    if "CPM_OPENBLAS" in os.environ:
        return Path(os.environ["CPM_OPENBLAS"])
    for package in ("numpy", "scipy"):
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent.with_name(f"{package}.libs")
            for path in sorted(folder.glob("*openblas*.so*")):
                return path
    return None


class Library:
    """Those functions of an OpenBLAS library that Caffe calls, over C-contiguous float32 arrays."""

    def __init__(self, path: str, threads: int) -> None:
        self._library = ctypes.CDLL(path)
        self._names = [(prefix, suffix) for prefix in ("", "scipy_") for suffix in ("", "64_")]
        wide = any(hasattr(self._library, f"{prefix}cblas_sgemm64_") for prefix in ("", "scipy_"))
        self._integer = ctypes.c_longlong if wide else ctypes.c_int
        # The environment variable gives no more than there are cores.
        self._function("openblas_set_num_threads")(threads)

    def _function(self, name: str, result: Any = None) -> Callable[..., Any]:
        for prefix, suffix in self._names:
            if hasattr(self._library, f"{prefix}{name}{suffix}"):
                function: Any = getattr(self._library, f"{prefix}{name}{suffix}")
                function.restype = result
                return lambda *arguments: function(*map(self._argument, arguments))
        raise AttributeError(name)

    def _argument(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return ctypes.c_void_p(value.ctypes.data)
        return ctypes.c_float(value) if isinstance(value, float) else self._integer(value)

    def core(self) -> str:
        """The name of the kernels that it took."""
        return bytes(self._function("openblas_get_corename", ctypes.c_char_p)()).decode()

    def config(self) -> str:
        """Version and options of the build."""
        return bytes(self._function("openblas_get_config", ctypes.c_char_p)()).decode()

    def gemm(self, a: np.ndarray, b: np.ndarray, c: np.ndarray | None, ta: bool, tb: bool) -> np.ndarray:
        """As `cpm_kernels.exact.gemm.gemm`, but c stays as it is."""
        (k, m), n = (a.shape if ta else a.shape[::-1]), b.shape[0 if tb else 1]
        out = np.full((m, n), np.nan, np.float32) if c is None else c.copy()
        self._function("cblas_sgemm")(
            ROW_MAJOR, TRANS if ta else NO_TRANS, TRANS if tb else NO_TRANS, m, n, k, 1.0, a, a.shape[1], b, b.shape[1],
            0.0 if c is None else 1.0, out, n,
        )  # fmt: skip
        return out

    def gemv(self, a: np.ndarray, x: np.ndarray, y: np.ndarray, transposed: bool, scale: float) -> np.ndarray:
        """y + scale · A x (or Aᵀ x) as a new array."""
        out = y.copy()
        kind = TRANS if transposed else NO_TRANS
        self._function("cblas_sgemv")(ROW_MAJOR, kind, *a.shape, scale, a, a.shape[1], x, 1, 1.0, out, 1)
        return out

    def dot(self, x: np.ndarray, y: np.ndarray) -> np.float32:
        return np.float32(self._function("cblas_sdot", ctypes.c_float)(x.size, x, 1, y, 1))

    def asum(self, x: np.ndarray, offset: int = 0) -> np.float32:
        """Of x, `offset` floats beyond a cache line's boundary."""
        memory = np.empty(x.size + 32, np.float32)
        start = -(memory.ctypes.data // 4) % 16 + offset
        there = memory[start : start + x.size]
        there[:] = x
        return np.float32(self._function("cblas_sasum", ctypes.c_float)(x.size, there, 1))

    def axpy(self, factor: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        out = y.copy()
        self._function("cblas_saxpy")(x.size, factor, x, 1, out, 1)
        return out

    def axpby(self, factor: float, x: np.ndarray, other: float, y: np.ndarray) -> np.ndarray:
        out = y.copy()
        self._function("cblas_saxpby")(x.size, factor, x, 1, other, out, 1)
        return out


class LiveOpenBlas:
    """A `Library` in a process of its own; `ask` sends calls there. To be used in a `with` statement."""

    def __init__(self, core: str, threads: int = 1, path: Path | None = None) -> None:
        path = path or bundled_library()
        if path is None:
            raise FileNotFoundError("neither NumPy nor SciPy brings an OpenBLAS")
        environment = {**os.environ, "OPENBLAS_CORETYPE": core, "OPENBLAS_NUM_THREADS": str(threads)}
        command = [sys.executable, str(Path(__file__)), str(path), str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def __enter__(self) -> "LiveOpenBlas":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def ask(self, calls: list[tuple[Any, ...]]) -> list[Any]:
        """The results of calls (name of a method of Library, arguments …), in order."""
        assert self._process.stdin is not None and self._process.stdout is not None
        pickle.dump(calls, self._process.stdin)
        self._process.stdin.flush()
        results: list[Any] = pickle.load(self._process.stdout)
        return results


def serve(path: str, threads: int) -> None:
    """Answers calls until standard input ends."""
    library = Library(path, threads)
    while True:
        try:
            calls = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        results = [getattr(library, name)(*arguments) for name, *arguments in calls]
        pickle.dump(results, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
