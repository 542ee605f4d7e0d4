"""Held-out people whom a net is shown while it trains: where it believes their joints to be, and its PCK.

Each person is looked at once, at the size and with the centre map that the net is trained with.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cpm_repro.inference.crops import Person
from cpm_repro.inference.protocol import Protocol, net_boxsize
from cpm_repro.network.stages import stage_blobs
from data_lmdb.records.reader import LmdbReader
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.net import load_net
from prototxt_import.operations import Operations

from .ground_truth import GroundTruth, read_people
from .pck import PAPER_THRESHOLD, pck
from .predictions import estimate_people

SCORE = f"PCK@{PAPER_THRESHOLD:g}"


class Look(NamedTuple):
    """Some people: their pictures uint8 (H, W, 3) BGR, annotation, and the joints (P, 2) that the last stage found."""

    pictures: list[NDArray[np.uint8]]
    truths: list[GroundTruth]
    joints: NDArray[np.float64]


class HeldOut:
    """The first `count` people (default: all) of an LMDB and the deploy net of the net that trains.

    target_dist, sigma: of its data layer (`sigma_center`). InputError if the net is none for poses of 9 or 14 parts,
    or if the LMDB's people cannot be read.
    """

    def __init__(
        self,
        lmdb: Path,
        deploy: Path,
        engine: str | Operations,
        device: str,
        target_dist: float,
        sigma: float,
        count: int | None = None,
    ) -> None:
        self._deploy, self._reader = deploy, LmdbReader(lmdb)
        self._net = load_net(deploy, engine=engine, seed=0).to(device)
        self._protocol = Protocol(net_boxsize(self._net, str(deploy)), target_dist, sigma, (1.0,))
        self._stage = len(stage_blobs(self._net))
        self._parts = self._net.blob_shapes[stage_blobs(self._net)[-1]][1] - 1
        if self._parts not in (9, 14):
            raise InputError(f"{deploy}: expected belief maps of 9 or 14 parts and the background, found {self._parts}")
        self._count = len(self._reader) if count is None else min(count, len(self._reader))
        next(read_people(self._reader, 1, self._parts))

    def score(self, weights: schema.NetParameter) -> dict[str, float]:
        """PCK at the papers' threshold, percent, of a net with these weights."""
        _, truths, joints = self.look(weights)
        result = pck(list(joints), truths)
        return {SCORE: float(result.percent()[result.at(PAPER_THRESHOLD)])}

    def look(self, weights: schema.NetParameter, count: int | None = None, pictures: bool = False) -> Look:
        """The first people, what a net with these weights finds, and with `pictures` their pictures."""
        self._net.load_weights(weights, str(self._deploy))
        kept: list[NDArray[np.uint8]] = []

        def asked() -> Iterator[tuple[Person, GroundTruth]]:
            for person, truth in read_people(self._reader, min(count or self._count, self._count), self._parts):
                if pictures:
                    kept.append(person.image.copy())
                yield person, truth

        truths, found = estimate_people(asked(), self._net, [self._stage], self._protocol)
        return Look(kept, truths, found[self._stage].joints)
