"""Whose order of axes a `.mat` has: MATLAB's W×H×C×N, in which matcaffe gives blobs, or N×C×H×W, in which scipy writes
what Python has. The file does not say; shapes that are known do."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np

from prototxt_import.layers.layer import Shape

from .dump_files import Dump

_LOOKED_AT = 8  # arrays that tell, at most


def in_caffes_axes(a: Dump, b: Dump | None, known: Mapping[str, Shape]) -> tuple[Dump, Dump | None]:
    """Both dumps with the axes of blobs, those of one image and one channel too, which MATLAB leaves out; `where` says
    what was assumed. known: the net's shapes; without them each side's tell the other's."""
    others = known or ({} if b is None or b.of_matlab else _shapes(b, a.names))
    a = _told(a, others)
    return a, b and _told(b, known or _shapes(a, b.names))


def _shapes(dump: Dump, names: Collection[str]) -> Mapping[str, Shape]:
    """Of arrays that both have, read when they are asked for."""
    return _Shapes(dump, [name for name in dump.names if name in set(names)])


class _Shapes(Mapping[str, Shape]):
    def __init__(self, dump: Dump, names: Collection[str]) -> None:
        self._dump, self._names = dump, dict.fromkeys(names)

    def __getitem__(self, name: str) -> Shape:
        if name not in self._names:
            raise KeyError(name)
        return self._dump.read(name).shape

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _told(dump: Dump, wanted: Mapping[str, Shape]) -> Dump:
    if not dump.of_matlab:
        return dump
    votes = list(islice(_votes(dump, wanted), _LOOKED_AT))
    as_python = 2 * sum(as_python for _, as_python in votes) > len(votes)
    agree = ", ".join([name for name, vote in votes if vote == as_python][:3])
    by = f"so fit the shapes of {agree}" if votes else "no shape tells"
    order = "N×C×H×W, as scipy writes what Python has" if as_python else "W×H×C×N, as MATLAB has them"

    def read(name: str) -> np.ndarray:
        found = dump.read(name).transpose() if as_python else dump.read(name)
        shape = wanted.get(name) or wanted.get(name.removesuffix(".diff"))
        whole = shape is not None and _without_ones(found.shape) == _without_ones(shape)
        return found.reshape(shape) if whole and shape is not None else found

    return replace(dump, where=f"{dump.where} (axes taken for {order}: {by})", read=read)


def _votes(dump: Dump, wanted: Mapping[str, Shape]) -> Iterator[tuple[str, bool]]:
    """Names of arrays whose shape fits one of the two orders alone, and whether that is Python's."""
    for name in dump.names:
        if name in wanted:
            shape, known = dump.read(name).shape, wanted[name]
            as_matlab, as_python = _fits(shape, known), _fits(shape[::-1], known)
            if as_matlab != as_python:
                yield name, as_python


def _fits(shape: Shape, known: Shape) -> bool:
    """Whether they are the same but for the number of images and axes of 1 in front."""
    images = len(shape) == len(known) > 1 and shape[1:] == known[1:]
    return images or _without_ones(shape) == _without_ones(known)


def _without_ones(shape: Shape) -> Shape:
    """Without the axes of 1 in front, which are those that MATLAB leaves out behind."""
    first = next((axis for axis, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]
