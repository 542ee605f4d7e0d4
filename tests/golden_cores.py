"""What the original computed on the kernels of each CPU family: ../shared/golden2/cores, one array at a time."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.bits import assert_same_bits

NETS = {
    "zoo": "golden/net/layer_zoo.npz",
    "zoo2": "golden2/net/layer_zoo2.npz",
    "small": "golden2/net/small_shapes.npz",
}
"""Files of single-layer nets by the prefix of their arrays' names; each was computed with cooperlake, one thread."""


def _json(arrays: dict[str, np.ndarray], name: str) -> list[str]:
    return list(json.loads(str(arrays.pop(name)))) if name in arrays else []


class CoreRecord:
    """The arrays of one core, such as "haswell_threads2", by names such as "small/<net>/<blob>"."""

    def __init__(self, shared: Path, core: str) -> None:
        self._shared = shared
        self._arrays = dict(np.load(shared / f"golden2/cores/{core}.npz").items())
        base = str(self._arrays.pop("base", ""))
        self._base = CoreRecord(shared, base) if base else None
        self._equal_to_base = set(_json(self._arrays, "equal_to_base"))
        self._equal = set(_json(self._arrays, "equal"))
        self._hashes: dict[str, str] = {}
        for name in [name for name in self._arrays if name.endswith("/sha256")]:
            prefix = name.removesuffix("sha256")
            for key, value in json.loads(str(self._arrays.pop(name))).items():
                self._hashes[key if key.startswith(tuple(f"{net}/" for net in NETS)) else prefix + key] = value
        self._nets: dict[str, np.lib.npyio.NpzFile] = {}

    def net_file(self, prefix: str) -> np.lib.npyio.NpzFile:
        """One of NETS."""
        if prefix not in self._nets:
            self._nets[prefix] = np.load(self._shared / NETS[prefix])
        return self._nets[prefix]

    def array(self, name: str) -> np.ndarray:
        """One that lies in the record itself, or in what it is based on."""
        if name in self._arrays or self._base is None:
            return self._arrays[name]
        return self._base.array(name)

    def names(self, prefix: str) -> Iterator[str]:
        """Every array's name that begins so."""
        known = {*self._arrays, *self._hashes, *self._equal, *self._equal_to_base}
        return (name for name in sorted(known) if name.startswith(prefix))

    def compare(self, name: str, found: np.ndarray) -> None:
        """Fails unless the array has the bits recorded; KeyError if there is none of that name."""
        if name in self._arrays:
            assert_same_bits(found, self._arrays[name], name)
        elif name in self._hashes:
            assert hashlib.sha256(np.ascontiguousarray(found).tobytes()).hexdigest() == self._hashes[name], name
        elif name in self._equal:
            prefix, _, key = name.partition("/")
            assert_same_bits(found, self.net_file(prefix)[key], name)
        elif name in self._equal_to_base and self._base is not None:
            self._base.compare(name, found)
        else:
            raise KeyError(name)

    def wrong(self, found: dict[str, np.ndarray]) -> list[str]:
        """What is wrong with each of these arrays that differs."""
        said = []
        for name, array in found.items():
            try:
                self.compare(name, array)
            except AssertionError as error:
                said.append(str(error).splitlines()[0])
        return said
