"""How many people are found where nobody says where they are: what `cpm demo photo.jpg` does before there are poses.

An annotated person is found if someone is found whose middle is near; each that is found counts for one person. The
LMDB's records say who is in a picture: the person of the record and the others. In Leeds Sports Pose only one person of
a picture is annotated, so who is found besides may be there all the same.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from data_lmdb.counts import how_many
from data_lmdb.records.reader import LmdbReader

from .ground_truth import GroundTruth, person_truth, read_records, record_picture

NEAR = 0.2
"""Of a person's height: how far the middle of who is found may be from the annotated one."""


class Detection(NamedTuple):
    """Counts over pictures: annotated people, those that were found, and who was found besides."""

    pictures: int
    people: int
    found: int
    besides: int

    def plus(self, people: int, found: int, besides: int) -> "Detection":
        """With one more picture."""
        return Detection(self.pictures + 1, self.people + people, self.found + found, self.besides + besides)

    def __str__(self) -> str:
        share = 100 * self.found / max(self.people, 1)
        return (
            f"{how_many(self.pictures, 'picture')}, {how_many(self.people, 'person', 'people')} annotated: "
            f"{self.found} found ({share:.1f} %), {self.besides} besides"
        )


def read_pictures(
    reader: LmdbReader, limit: int | None = None, number_of_parts: int = 14
) -> Iterator[tuple[np.ndarray, list[GroundTruth]]]:
    """The picture, uint8 (H, W, 3) BGR, and everybody annotated in it, of the first `limit` records (default: all).

    A picture has a record for each of its people, perhaps not for the first, and not always one after the other: it
    comes with the person whose record is met first. (annolist_index alone is no name: LSP's and LSPET's both begin at
    1.) Errors as of `read_records`.
    """
    first_met: dict[tuple[str, float], int] = {}
    for _, record in read_records(reader, limit, number_of_parts):
        person = first_met.setdefault((record.dataset, record.annolist_index), record.people_index)
        if record.people_index == person:
            people = [record.self_person, *record.others]
            yield record_picture(record), [person_truth(person, number_of_parts) for person in people]


def matched(centers: Sequence[tuple[float, float]], truths: Sequence[GroundTruth]) -> int:
    """How many of the people are found, at most one by each centre (x, y in 0-based pixels)."""
    if not centers or not truths:
        return 0
    apart = np.array([[np.hypot(*np.subtract(center, truth.center)) for truth in truths] for center in centers])
    near = apart <= NEAR * 200 * np.array([truth.scale for truth in truths])
    rows, columns = linear_sum_assignment(~near)
    return int(near[rows, columns].sum())
