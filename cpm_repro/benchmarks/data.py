"""How fast the data path makes training samples: beside what else makes them, from records of raw pixels and of image
files, over threads, image and crop sizes, and on a card.

The transform is the release's. Whatever is compared makes the same samples: same records, same dice. Where one thread
does all the work, a second is one of that thread's CPU time.
"""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from time import thread_time
from typing import Any

import numpy as np
import torch
from PIL import Image

from cpm_kernels.samples.image import resize_cubic
from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.evaluation.ground_truth import read_records
from cpm_repro.network.specification import release_transform
from cpm_repro.samples.data_layer import CPMData, DataOptions
from cpm_repro.samples.transformer import CPMTransformer
from cpm_repro.synthetic.pictures import SyntheticPerson, draw_picture
from data_lmdb.joints import STORED_TO_14
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import Person, Record, decode, encode, encode_file, storage
from data_lmdb.records.writer import write_lmdb
from prototxt_import.files import scratch_folder
from prototxt_import.formats import schema

from . import tables
from .measure import alternate, counts, peak_memory
from .samples.makers import FILE_PEERS, JOINTS, OURS, PEERS, Maker, Peer, opened

DRAWN_PICTURES = 24
LEAST_SAMPLES = 48  # of a round: shorter ones measure the clock
MOST_RECORDS = 256
SWEPT_RECORDS = 8  # looked at in other sizes
MOST_MEGAPIXELS = 8.0  # of an enlarged image
SWEPT_PEERS = ("OpenCV",)
JPEG_QUALITY = 95
BATCH_SIZE = 16  # the release's
IMAGE_FACTORS = (1, 2, 4)
CROP_SIZES = (184, 368, 552, 736)
CARD_BATCH = 256

Values = Sequence[bytes]
Pipeline = Callable[[], int]


@contextmanager
def lmdb_of(path: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The folder `path`, or for None a temporary LMDB of drawn people, in pictures of about 560 x 460 px."""
    if path is not None:
        yield Path(path)
        return
    with scratch_folder() as folder:
        write_lmdb(folder / "lmdb", [encode(drawn_record(index)) for index in range(DRAWN_PICTURES)])
        yield folder / "lmdb"


def drawn_record(index: int) -> Record:
    """The record of a drawn picture, at twice the size that it is drawn in."""
    picture = draw_picture(seed=0, index=index)
    first, *others = (_person(person) for person in picture.people)
    image = np.ascontiguousarray(picture.image[..., ::-1])
    height, width = image.shape[:2]
    return enlarged(Record("DRAWN", False, image, float(width), float(height), first, others), 2)


def _person(drawn: SyntheticPerson) -> Person:
    joints = np.zeros((JOINTS, 3), np.float32)
    joints[list(STORED_TO_14)] = drawn.joints
    joints[list(STORED_TO_14), :2] += 1
    return Person((drawn.objpos + 1).astype(np.float32), drawn.scale_provided, joints)


def enlarged(record: Record, factor: float) -> Record:
    """The same picture with `factor` times the pixels along both axes."""

    def person(of: Person) -> Person:
        joints = of.joints.copy()
        joints[:, :2] *= np.float32(factor)
        return Person(of.objpos * np.float32(factor), of.scale_provided * factor, joints)

    image = resize_cubic(np.ascontiguousarray(record.image), factor)
    return replace(
        record,
        image=image,
        img_width=float(image.shape[1]),
        img_height=float(image.shape[0]),
        self_person=person(record.self_person),
        others=[person(other) for other in record.others],
    )


def read_values(lmdb: Path) -> list[bytes]:
    """The first records as stored. InputError if they are not what the release's transform reads."""
    with LmdbReader(lmdb) as reader:
        for _ in read_records(reader, MOST_RECORDS):
            pass
        return [reader.read(index) for index in range(min(len(reader), MOST_RECORDS))]


def transformer_for(crop: int = 368) -> CPMTransformer:
    """The release's transformer, the crop and the people in it larger or smaller in proportion."""
    param = release_transform()
    param.target_dist *= crop / 368
    param.crop_size_x = param.crop_size_y = crop
    return CPMTransformer(param)


def measure(
    path: str | os.PathLike[str] | None, threads: int, rounds: int, device: str = "cpu", short: bool = False
) -> dict[str, Any]:
    """All numbers, Rates in samples/s. path: as of `lmdb_of`; with the device "cuda" a card's part, "card"; `short`:
    nothing over threads and sizes."""
    with lmdb_of(path) as lmdb:
        values = read_values(lmdb)
        files = [as_jpeg(value) for value in values]
        report: dict[str, Any] = {
            "lmdb": "drawn people" if path is None else str(path),
            **one_thread(values, rounds, PEERS),
            "bytes_per_sample": bytes_per_sample(values),
            "files": {**one_thread(files, rounds, FILE_PEERS), "bytes_per_sample": bytes_per_sample(files)},
        }
        if not short:
            report["threads"] = over_threads(lmdb, counts(threads), rounds, BATCH_SIZE)
            report["image_sizes"] = over_image_sizes(values, IMAGE_FACTORS, rounds)
            report["crop_sizes"] = over_crop_sizes(values, CROP_SIZES, rounds)
        if device == "cuda":
            report["card"] = on_card(lmdb, values, threads, rounds)
    return report


def on_card(lmdb: Path, values: Values, threads: int, rounds: int) -> dict[str, Any]:
    """What `card.samples.measure_card` reports, with the data layer's rate on the card."""
    from cpm_kernels.samples.cuda import CudaSamples

    from .card.samples import measure_card

    transformer = transformer_for()
    (layer,) = over_threads(lmdb, [threads], rounds, CARD_BATCH, "cuda")
    pipeline = layer["rates"][OURS].median
    return measure_card(transformer, values, CudaSamples(transformer.shape), pipeline, threads, CARD_BATCH)


def as_jpeg(value: bytes) -> bytes:
    """The record as one that holds an image file: its own, or a JPEG of its pixels."""
    if storage(value, "record") == "file":
        return value
    record = decode(value, JOINTS, "record")
    unpadded = record.image[: int(record.img_height), : int(record.img_width)]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(unpadded[..., ::-1])).save(file, "JPEG", quality=JPEG_QUALITY)
    return encode_file(record, file.getvalue())


def pipeline(maker: Maker, transformer: CPMTransformer, values: Values, samples: int) -> Pipeline:
    """Makes the same `samples` of the records as any other maker, decoding included, in this thread."""

    def run() -> int:
        random = GlibcRand()
        for number in range(samples):
            record = maker.decode(values[number % len(values)])
            maker.make(record, transformer.draw(random))
        return samples

    return run


@contextmanager
def pipelines(
    transformer: CPMTransformer, values: Values, samples: int, peers: dict[str, Peer]
) -> Iterator[tuple[dict[str, Pipeline], dict[str, str]]]:
    """This project's pipeline and those of the peers that are there; for the others why not."""
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        makers, missing = opened(transformer, peers, stack)
        yield {name: pipeline(maker, transformer, values, samples) for name, maker in makers.items()}, missing


def one_thread(values: Values, rounds: int, peers: dict[str, Peer]) -> dict[str, Any]:
    """ "one_thread": rates of the pipelines; "memory": what each needs beyond what was there before, in bytes;
    "missing": peers, and why."""
    with pipelines(transformer_for(), values, max(LEAST_SAMPLES, len(values)), peers) as (made, missing):
        memory = {name: peak_memory(run) for name, run in made.items()}
        return {"one_thread": alternate(made, rounds, thread_time), "memory": memory, "missing": missing}


def swept_peers() -> dict[str, Peer]:
    """Those that are measured in all sizes."""
    return {name: PEERS[name] for name in SWEPT_PEERS}


def over_image_sizes(values: Values, factors: Sequence[float], rounds: int) -> list[dict[str, Any]]:
    """{"megapixels": of an image on average, "rates"} of the same pictures, enlarged, up to `MOST_MEGAPIXELS`."""
    results: list[dict[str, Any]] = []
    originals = [decode(value, JOINTS, "record") for value in values[:SWEPT_RECORDS]]
    for factor in factors:
        size = factor**2 * float(np.mean([record.image.size / 3e6 for record in originals]))
        if results and size > MOST_MEGAPIXELS:
            break
        records = [enlarged(record, factor) for record in originals]
        encoded = [encode(record) for record in records]
        with pipelines(transformer_for(), encoded, len(records), swept_peers()) as (made, _):
            results.append({"megapixels": size, "rates": alternate(made, rounds, thread_time)})
    return results


def over_crop_sizes(values: Values, crops: Sequence[int], rounds: int) -> list[dict[str, Any]]:
    """{"crop": pixels of its side, "rates"} of crops that show the same, larger or smaller."""
    results = []
    for crop in crops:
        with pipelines(transformer_for(crop), values, min(SWEPT_RECORDS, len(values)), swept_peers()) as (made, _):
            results.append({"crop": crop, "rates": alternate(made, rounds, thread_time)})
    return results


def over_threads(
    lmdb: Path, threads: Sequence[int], rounds: int, batch_size: int, device: str = "cpu"
) -> list[dict[str, Any]]:
    """{"threads", "rates", "memory"} of the data layer itself: reading, prefetching, batches on the device."""
    layer, batches = data_layer(lmdb, batch_size), max(2, 2 * LEAST_SAMPLES // batch_size)
    results = []
    for count in threads:
        with CPMData(layer, Path(), GlibcRand(), options=DataOptions(threads=count, device=device)) as data:

            def run(data: CPMData = data) -> int:
                for _ in range(batches):
                    data.next_batch()
                if device == "cuda":
                    torch.cuda.synchronize()
                return batches * batch_size

            memory = peak_memory(run)
            results.append({"threads": count, "rates": alternate({OURS: run}, rounds), "memory": memory})
    return results


def data_layer(lmdb: Path, batch_size: int) -> schema.LayerParameter:
    """A CPMData layer with the release's transform."""
    layer = schema.LayerParameter(name="data", type="CPMData", top=["data", "label"])
    layer.transform_param.CopyFrom(release_transform())
    layer.cpmdata_param.source = str(Path(lmdb).resolve())
    layer.cpmdata_param.batch_size = batch_size
    layer.cpmdata_param.backend = 1  # LMDB
    return layer


def bytes_per_sample(values: Values) -> dict[str, float]:
    """Mean bytes of a record, and bytes of the float32 sample made of it."""
    shape = transformer_for().shape
    elements = int(np.prod(shape.data_shape) + np.prod(shape.label_shape))
    return {"record": float(np.mean([len(value) for value in values])), "sample": 4.0 * elements}


LABELS = {"threads": "threads", "image_sizes": "megapixels of the image", "crop_sizes": "side of the crop, px"}
KEYS = {"threads": "threads", "image_sizes": "megapixels", "crop_sizes": "crop"}


def text(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    parts = [
        comparison(report, f"Training samples of {report['lmdb']}", PEERS),
        comparison(report["files"], "The same from records that hold JPEGs", FILE_PEERS),
    ]
    for what, label in swept(report).items():
        layer = "Samples/s of the data layer" if what == "threads" else "Samples/s of one thread"
        parts.append(f"{layer}\n\n{tables.sweep(report[what], KEYS[what], label, tables.median_rate)}")
    if "card" in report:
        parts.append(card_text(report["card"]))
    return "\n\n".join(parts)


def comparison(report: dict[str, Any], what: str, peers: dict[str, Peer]) -> str:
    """The table of `one_thread`, under a heading, and what peers do otherwise or are missing for."""
    rates, memory = report["one_thread"], report["memory"]
    record, sample = (report["bytes_per_sample"][name] / 2**10 for name in ("record", "sample"))
    remarks = [f"A sample reads {record:.0f} KiB of record and writes {sample:.0f} KiB."]
    remarks += [f"{name} {peers[name].remark}." for name in rates if name in peers and peers[name].remark]
    remarks += [f"Not measured: {name}: {reason}." for name, reason in report["missing"].items()]
    heading = f"**{what}, 368 x 368, one thread, decoding included**"
    of_memory = {"memory, MiB": lambda name: tables.mebibytes(memory[name])}
    table = tables.beside(rates, "samples/s", tables.per_second, of_memory)
    return "\n\n".join((heading, table, "\n".join(remarks)))


def card_text(card: dict[str, Any]) -> str:
    """What `card.samples.measure_card` found, as Markdown."""
    moved, bandwidth = card["bytes_moved"] / 2**10, card["copy_bandwidth"] / 1e9
    rows = [("the kernels alone", f"{card['kernels']:.0f}"), ("the data layer", f"{card['pipeline']:.0f}")]
    rows += [(f"{name}, alone", f"{bound:.0f}") for name, bound in card["bounds"].items()]
    return (
        f"On the card\n\n{tables.table(('what', 'samples/s'), rows)}\n\n"
        f"The kernels read and write {moved:.0f} KiB per sample, at {card['share_of_copy_bandwidth']:.0%} of a copy's "
        f"{bandwidth:.0f} GB/s: limited by {card['kernels_limited_by']}. The data layer is limited by "
        f"{card['pipeline_limited_by']}."
    )


def curves(report: dict[str, Any]) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """What `charts.rates_figure` draws as lines: key and rows by the label of their axis."""
    return {label: (KEYS[what], report[what]) for what, label in swept(report).items()}


def swept(report: dict[str, Any]) -> dict[str, str]:
    """What was measured over several values, and the label of its axis."""
    return {what: label for what, label in LABELS.items() if what in report}
