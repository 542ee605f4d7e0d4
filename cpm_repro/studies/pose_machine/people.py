"""The people that a pose machine learns from and is judged by: crops of the project's own, as the CPM sees them.

Training crops are made by the transformer of the CPM's data layer, with its augmentation; held-out people are cropped
by the testing protocol.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.evaluation.ground_truth import GroundTruth, read_people
from cpm_repro.evaluation.scoring import Progress
from cpm_repro.inference.crops import Crop, person_crops
from cpm_repro.inference.protocol import Protocol
from cpm_repro.samples.placement import CROPPED_AWAY
from cpm_repro.samples.transformer import Augmentation, CPMTransformer
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import Record, decode
from prototxt_import.formats import schema

from .features import image_cells


@dataclass(frozen=True)
class TrainingPeople:
    """cells float32 (n, rows, columns, channels) of n crops, `features.image_cells`; parts float32 (n, P, 2), x and y
    in px of the crop, NaN where a part is not in the picture; pictures (n,) int: crops of one picture share a number;
    stride, sigma: px of the belief maps' places and of the labels' Gaussians."""

    cells: NDArray[np.float32]
    parts: NDArray[np.float32]
    pictures: NDArray[np.int64]
    stride: int
    sigma: float


@dataclass(frozen=True)
class HeldOutPeople:
    """truths: as annotated; crops: with the way back to each picture; cells: as of those who train."""

    truths: list[GroundTruth]
    crops: list[Crop]
    cells: NDArray[np.float32]


def training_people(
    lmdb: Path, param: schema.TransformationParameter, copies: int, seed: int, progress: Progress
) -> TrainingPeople:
    """`copies` crops of every record of an LMDB, made as a data layer with that `transform_param` makes them; the dice
    are from `seed`."""
    transformer, random = CPMTransformer(param), GlibcRand(seed)
    stride = transformer.shape.stride
    cells, parts, pictures = [], [], []
    with LmdbReader(lmdb) as reader:
        for index in progress(range(copies * len(reader)), total=copies * len(reader)):
            where = reader.where(index % len(reader))
            record = decode(reader.read(index % len(reader)), param.np_in_lmdb, where)
            augmentation = transformer.draw(random)
            data, _ = transformer.apply(record, augmentation, where)
            cells.append(image_cells(data, stride))
            parts.append(_parts(transformer, record, augmentation, where))
            pictures.append(int(record.annolist_index))
    return TrainingPeople(np.stack(cells), np.stack(parts), np.array(pictures), stride, float(param.sigma))


def _parts(transformer: CPMTransformer, record: Record, augmentation: Augmentation, where: str) -> NDArray[np.float32]:
    joints = transformer.place(record, augmentation, where).pose.joints[0]
    parts: NDArray[np.float32] = np.where(joints[:, 2:] == CROPPED_AWAY, np.float32(np.nan), joints[:, :2])
    return parts


def held_out_people(
    lmdb: Path, protocol: Protocol, stride: int, number_of_parts: int, limit: int | None = None
) -> HeldOutPeople:
    """The first `limit` people of an LMDB (default: all), each cropped once, as the protocol of one scale says."""
    truths, crops, cells = [], [], []
    with LmdbReader(lmdb) as reader:
        for person, truth in read_people(reader, limit, number_of_parts):
            (crop,) = person_crops(person, protocol)
            cells.append(image_cells(crop.data, stride))
            truths.append(truth)
            crops.append(crop)
    return HeldOutPeople(truths, crops, np.stack(cells))


def folds_of(pictures: Iterable[int], folds: int, seed: int) -> NDArray[np.int64]:
    """(n,) int: each crop's fold, 0 to `folds` - 1; those of one picture are together, or a person would be known to
    predictors by a neighbour's crop."""
    numbers, places = np.unique(np.asarray(list(pictures)), return_inverse=True)
    of_picture = np.random.default_rng(seed).permutation(len(numbers)) % folds
    chosen: NDArray[np.int64] = of_picture[places].astype(np.int64)
    return chosen
