"""What is in an LMDB of records: one line for each, and all of them together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from data_lmdb.counts import how_many

from .reader import LmdbReader
from .record import decode, decode_annotations, storage


@dataclass(frozen=True)
class Entry:
    """One record: width and height of the original image in px, people in it, the primary person's scale
    (height / 200 px), how the image is stored, and the value's size in bytes."""

    key: str
    dataset: str
    width: int
    height: int
    people: int
    scale: float
    is_validation: bool
    storage: str
    bytes: int


def entry(reader: LmdbReader, index: int, number_of_joints: int, with_image: bool = False) -> Entry:
    """The index-th record; with_image: a stored file is decoded too. InputError, naming the key, for a broken one."""
    value, where = reader.value(index), reader.where(index)
    record = (decode if with_image else decode_annotations)(value, number_of_joints, where)
    return Entry(
        key=reader.key(index),
        dataset=record.dataset,
        width=int(record.img_width),
        height=int(record.img_height),
        people=1 + len(record.others),
        scale=record.self_person.scale_provided,
        is_validation=record.is_validation,
        storage=storage(value, where),
        bytes=len(value),
    )


class Summary:
    """All records together, added one by one."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str | int]] = {name: Counter() for name in ("dataset", "storage", "people")}
        self.records = self.validation = self.bytes = 0
        self.ranges: dict[str, tuple[float, float]] = {}

    def add(self, one: Entry) -> None:
        self.records += 1
        self.validation += one.is_validation
        self.bytes += one.bytes
        for name, counter in self.counts.items():
            counter[getattr(one, name)] += 1
        for name in ("width", "height", "scale"):
            value = getattr(one, name)
            low, high = self.ranges.get(name, (value, value))
            self.ranges[name] = (min(low, value), max(high, value))

    def as_json(self) -> dict[str, object]:
        """For json.dump: counts by data set, storage and people in the image; ranges as [lowest, highest]."""
        counts = {name: {str(key): counter[key] for key in sorted(counter)} for name, counter in self.counts.items()}
        whole = {"records": self.records, "validation": self.validation, "bytes": self.bytes}
        return whole | counts | {name: list(limits) for name, limits in self.ranges.items()}

    def lines(self) -> Iterable[str]:
        """For people."""
        yield f"{how_many(self.records, 'record')}, {self.validation} of them for validation, {self.bytes / 1e6:.1f} MB"
        for name, counter in self.counts.items():
            yield f"{name}: " + ", ".join(f"{key} ({counter[key]})" for key in sorted(counter))
        for name, (low, high) in self.ranges.items():
            yield f"{name}: {low:g} to {high:g}"
