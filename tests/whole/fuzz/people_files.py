"""LMDBs, records and the data sets' annotations: how they are broken, and everything that reads them.

Each kind is a function that writes what its readers need into a folder and returns the seeds; it is called again in the
process that reads.
"""

import csv
import io
import json
from functools import partial
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.batch import HostBatch
from cpm_repro.samples.transformer import CPMTransformer
from data_lmdb.annotations import record_text
from data_lmdb.datasets.coco import coco_annotations
from data_lmdb.datasets.flic import flic_annotations
from data_lmdb.datasets.lsp import lsp_annotations
from data_lmdb.datasets.mpii import mpii_annotations, validation_pairs
from data_lmdb.datasets.own import own_annotations
from data_lmdb.joints import COCO_17, PARTS_14
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode, decode_annotations, storage
from data_lmdb.records.sources import read_sources
from prototxt_import.formats import schema
from tests.annotated_people import annotation, write_people
from tests.whole.fuzz.mutations import broken_bytes, broken_json, broken_text
from tests.whole.fuzz.shared_seeds import golden, message_bytes, tiny_transform, write_lmdb
from tests.whole.fuzz.watched import Seed, attempt

# --- LMDBs and their records


def databases(folder: Path) -> list[Seed]:
    """Whole data.mdb files: every record is looked at."""
    seeds = []
    for kind in ("raw", "file"):
        content = (write_lmdb(folder / f"{kind}_lmdb", kind) / "data.mdb").read_bytes()
        seeds.append(Seed("lmdb/data.mdb", content, (broken_bytes,), _read_database))
    return seeds


def _read_database(path: Path) -> None:
    reader = attempt(LmdbReader, path.parent)
    if reader is None:
        return
    with reader:
        for index, value in enumerate(reader):
            attempt(decode, value, 16, reader.where(index), names=path.parent)


def records(folder: Path) -> list[Seed]:
    """Single records: decoded, and made into training samples."""
    seeds = []
    for kind in ("raw", "file"):
        with LmdbReader(write_lmdb(folder / f"{kind}_lmdb", kind)) as reader:
            seeds += [_record_seed(f"{kind}.record", bytes(reader.value(index)), 16) for index in range(2)]
    for path in golden("transform/*_lmdb"):
        with LmdbReader(path) as reader:
            joints = 9 if "flic9" in path.name else 16
            seeds.append(_record_seed(f"{path.name}.record", bytes(reader.value(0)), joints))
    return seeds


def _record_seed(name: str, content: bytes, joints: int) -> Seed:
    mutations = (broken_bytes, message_bytes(schema.Datum), _broken_meta)
    return Seed(name, content, mutations, partial(_read_record, joints))


def _broken_meta(content: bytes, random: np.random.Generator) -> bytes:
    """Breaks META alone, the plane or the field."""
    datum = schema.Datum.FromString(content)
    if datum.encoded and random.random() < 0.5:
        datum.meta = broken_bytes(datum.meta, random)
    elif datum.encoded:
        datum.data = broken_bytes(datum.data, random)
    else:
        image = 3 * datum.height * datum.width
        meta = broken_bytes(datum.data[image : image + 20 * datum.width], random)
        datum.data = (datum.data[:image] + meta).ljust(len(datum.data), b"\0")[: len(datum.data)]
    return datum.SerializeToString()


def _read_record(joints: int, path: Path) -> int:
    value, where = path.read_bytes(), str(path)
    attempt(storage, value, where, names=where)
    attempt(decode_annotations, value, joints, where, names=where)
    record = attempt(decode, value, joints, where, names=where)
    if record is not None:
        batch = HostBatch(CPMTransformer(tiny_transform(joints)), 1, with_label=True)
        augmentation = batch.transformer.draw(GlibcRand(3))
        attempt(batch.add, 0, record, augmentation, where, names=where)
        return 20 * record.image.size
    return 0


# --- annotations


def annotations(folder: Path) -> list[Seed]:
    """The annotation JSON, own tables (CSV and JSON) and COCO's keypoints."""
    write_people(folder)
    random = np.random.default_rng(0)
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (72, 48)).save(folder / name)
    others = {"joint_others": random.uniform(0, 40, (2, 16, 3)), "scale_provided_other": np.ones(2)}
    others["objpos_other"] = random.uniform(0, 40, (2, 2))
    own = _own_people(random)
    jsons = (broken_json,)
    seeds = [
        Seed("people.json", _annotation_json(annotation(1), annotation(2, **others)), jsons, _read_annotations),
        Seed("flic.json", _annotation_json(annotation(1, joints=9)), jsons, _read_annotations),
        Seed("own.json", json.dumps(own).encode(), jsons, _read_own),
        Seed("own.csv", _own_csv(own), (broken_text,), _read_own),
        Seed("coco.json", json.dumps(_coco(random)).encode(), jsons, _read_coco),
    ]
    paths = golden("transform/*.json")
    return seeds + [Seed(path.name, path.read_bytes(), jsons, _read_annotations) for path in paths]


def _annotation_json(*people) -> bytes:
    return ('{"root": [' + ",".join(map(record_text, people)) + "]}").encode()


def _own_people(random: np.random.Generator) -> list[dict]:
    joints = [{name: [*random.uniform(0, 40, 2).round(2), 1] for name in PARTS_14} for _ in range(3)]
    people = [{"image": image, "joints": j} for image, j in zip(("a.jpg", "a.jpg", "b.jpg"), joints, strict=True)]
    return [person | {"scale": 1.5} if index else person | {"height": 99} for index, person in enumerate(people)]


def _own_csv(people: list[dict]) -> bytes:
    text = io.StringIO()
    columns = [f"{name}_{axis}" for name in PARTS_14 for axis in ("x", "y", "visible")]
    rows = csv.writer(text)
    rows.writerow(["image", "scale", "height", *columns])
    for person in people:
        joints = [value for name in PARTS_14 for value in person["joints"][name]]
        rows.writerow([person["image"], person.get("scale", ""), person.get("height", ""), *joints])
    return text.getvalue().encode()


def _coco(random: np.random.Generator) -> dict:
    def person(image_id: int) -> dict:
        keypoints = np.column_stack([random.integers(0, 40, (len(COCO_17), 2)), random.integers(1, 3, len(COCO_17))])
        box = {"bbox": [1, 2, 30.5, 40], "area": 1200.5, "segmentation": [[1, 2, 3, 4]]}
        return {"image_id": image_id, "iscrowd": 0, "keypoints": keypoints.ravel().tolist(), **box}

    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}]
    return {"images": images, "annotations": [person(7), person(7), person(8)]}


def _read_annotations(path: Path) -> None:
    attempt(read_sources, [path], "include", names=path)


def _read_own(path: Path) -> None:
    attempt(own_annotations, path, path.parent)


def _read_coco(path: Path) -> None:
    attempt(coco_annotations, path, path.parent)


# --- MATLAB files


def matlab(folder: Path) -> list[Seed]:
    """MPII's, Tompson's, LSP's and FLIC's .mat files, compressed and not."""
    random = np.random.default_rng(0)
    for name in ("a.jpg", "images/im0001.jpg", "images/im0002.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (72, 48)).save(folder / name)
    contents = {
        "mpii.mat": ({"RELEASE": _mpii(random)}, _read_mpii),
        "pairs.mat": ({"RELEASE_img_index": [[1, 2, 3]], "RELEASE_person_index": [[1, 1, 2]]}, _read_pairs),
        "joints.mat": ({"joints": random.uniform(1, 40, (3, 14, 2)) * [[[1]], [[1]], [[0]]]}, _read_lsp),
        "examples.mat": ({"examples": _structs([_flic_example(random) for _ in range(3)])}, _read_flic),
    }
    seeds = []
    for name, (variables, reader) in contents.items():
        for compressed in (False, True):
            file = io.BytesIO()
            scipy.io.savemat(file, variables, do_compression=compressed)
            seeds.append(Seed(name, file.getvalue(), (broken_bytes,), reader))
    return seeds


def _structs(elements: list[dict]) -> np.ndarray:
    array = np.empty((1, len(elements)), [(name, object) for name in elements[0]])
    for index, element in enumerate(elements):
        array[0, index] = tuple(element.values())
    return array


def _mpii(random: np.random.Generator) -> np.ndarray:
    points = [
        {"id": n, "x": x, "y": y, "is_visible": str(n % 2)} for n, (x, y) in enumerate(random.uniform(1, 40, (16, 2)))
    ]
    person = {"annopoints": {"point": _structs(points)}, "scale": 1.5, "objpos": {"x": 7.0, "y": 8.0}}
    images = [{"image": {"name": "a.jpg"}, "annorect": _structs([person, person])} for _ in range(2)]
    return _structs([{"annolist": _structs(images), "img_train": np.ones((1, 2), np.uint8)}])


def _flic_example(random: np.random.Generator) -> dict:
    coords = np.full((2, 29), np.nan)
    coords[:, [0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 16]] = random.uniform(1, 40, (2, 11))
    return {"coords": coords, "filepath": "a.jpg", "torsobox": np.array([[5.0, 5, 20, 30]]), "istest": False}


def _read_mpii(path: Path) -> None:
    attempt(mpii_annotations, path, path.parent)


def _read_pairs(path: Path) -> None:
    attempt(validation_pairs, path)


def _read_lsp(path: Path) -> None:
    attempt(lsp_annotations, path.parent, names=path)


def _read_flic(path: Path) -> None:
    attempt(flic_annotations, path, path.parent)
