"""The record codec: the original converter's bytes, and every way a record can be broken."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from data_lmdb.images import read_bgr
from data_lmdb.records.conversion import record_of
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import (
    Person,
    Record,
    decode,
    decode_annotations,
    encode,
    encode_file,
    pad_to_minimum_width,
    storage,
)
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from tests.annotated_people import annotations_in
from tests.bits import assert_same_bits


def random_person(rng, joints):
    return Person(
        rng.normal(100, 50, 2).astype(np.float32),
        float(np.float32(rng.uniform(0.2, 3))),
        rng.normal(100, 80, (joints, 3)).astype(np.float32),
    )


def random_record(rng, height, width, joints, others):
    return Record(
        dataset=str(rng.choice(["MPI", "LEEDS", "a"])),
        is_validation=bool(rng.integers(2)),
        image=rng.integers(0, 256, (height, width, 3), np.uint8),
        img_width=float(width - rng.integers(0, 20)),
        img_height=float(height),
        self_person=random_person(rng, joints),
        others=[random_person(rng, joints) for _ in range(others)],
        people_index=int(rng.integers(256)),
        annolist_index=float(rng.integers(20000)),
        write_count=float(rng.integers(20000)),
        total_write_count=float(rng.integers(20000)),
    )


def assert_same_person(actual, expected, name):
    assert_same_bits(actual.objpos, expected.objpos, f"{name} objpos")
    assert_same_bits(actual.joints, expected.joints, f"{name} joints")
    assert actual.scale_provided == expected.scale_provided


@pytest.mark.parametrize("name, joints", [("mpi16_lmdb", 16), ("flic9_lmdb", 9)])
def test_encode_writes_the_original_converters_bytes(golden, lspet, name, joints):
    annotations = annotations_in(golden / "transform" / f"{name}.json")
    with LmdbReader(golden / "transform" / name) as reader:
        assert len(reader) == len(annotations)
        for index, annotation in enumerate(annotations):
            folder = golden / "transform" if annotation.img_paths == "thin.png" else lspet / "images"
            image = read_bgr(folder / annotation.img_paths)
            value = encode(record_of(annotation, image, index, len(annotations)))
            assert value == reader.value(index), f"{name} record {index}"
            assert encode(decode(value, joints, "golden")) == value


def assert_same_record(result, record):
    assert_same_bits(result.image, record.image, "image")
    assert_same_annotations(result, record)


def assert_same_annotations(result, record):
    for field in dataclasses.fields(Record):
        if field.name not in ("image", "self_person", "others"):
            assert getattr(result, field.name) == getattr(record, field.name), field.name
    people = [record.self_person, *record.others]
    for p, (actual, expected) in enumerate(zip([result.self_person, *result.others], people, strict=True)):
        assert_same_person(actual, expected, f"person {p}")


SIZES = pytest.mark.parametrize(
    "height, width, joints, others",
    [(8, 64, 16, 0), (13, 64, 16, 1), (121, 77, 9, 5), (1029, 1020, 16, 255), (97, 131, 14, 22)],
)


@SIZES
def test_decode_gives_back_what_was_encoded(height, width, joints, others):
    record = random_record(np.random.default_rng(others), height, width, joints, others)
    value = encode(record)
    assert_same_record(decode(value, joints, "here"), record)
    assert_same_record(decode(memoryview(value), joints, "here"), record)
    alone = decode_annotations(value, joints, "here")
    assert_same_annotations(alone, record)
    assert alone.image.size == 0 and storage(value, "here") == "raw"


def test_the_image_of_a_raw_record_is_not_copied():
    value = encode(random_record(np.random.default_rng(0), 20, 64, 16, 2))
    image = decode(value, 16, "here").image
    assert np.shares_memory(image, np.frombuffer(value, np.uint8)) and not image.flags.writeable


def png(image):
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image[..., ::-1])).save(stream, "PNG")
    return stream.getvalue()


def file_record(rng, height, width, joints, others):
    """A record of `storage` file and its image file."""
    record = random_record(rng, height, width, joints, others)
    record.img_width, file = float(width), png(record.image)
    record.image = pad_to_minimum_width(record.image)
    return record, file


@SIZES
def test_decode_gives_back_a_stored_file(height, width, joints, others):
    record, file = file_record(np.random.default_rng(others), height, width, joints, others)
    value = encode_file(record, file)
    assert_same_record(decode(memoryview(value), joints, "here"), record)
    alone = decode_annotations(value, joints, "here")
    assert_same_annotations(alone, record)
    assert alone.image.size == 0 and storage(value, "here") == "file"
    floats = 2 + 3 + 2 + 1 + 3 * joints + others * (2 + 1 + 3 * joints)
    assert len(schema.Datum.FromString(value).meta) == len(record.dataset) + 1 + 3 + 4 * floats


def test_a_stored_file_has_room_for_everybody_in_any_image():
    record, file = file_record(np.random.default_rng(1), 5, 3, 16, 255)
    assert_same_record(decode(encode_file(record, file), 16, "here"), record)
    record.others.append(record.self_person)
    with pytest.raises(InputError, match="at most 255 other people, found 256"):
        encode_file(record, file)


def test_caffe_finds_the_file_in_its_encoded_datum():
    record, file = file_record(np.random.default_rng(2), 30, 70, 16, 1)
    datum = schema.Datum.FromString(encode_file(record, file))
    assert datum.encoded and datum.data == file and (datum.channels, datum.height, datum.width) == (3, 30, 70)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda datum: datum.ClearField("meta"), "a field meta that begins with a data set name, found 0 bytes"),
        (lambda datum: setattr(datum, "meta", datum.meta[:-1]), "bytes of meta for 16 joints and 2 other people"),
        (lambda datum: setattr(datum, "meta", datum.meta + b"x"), "bytes of meta for 16 joints and 2 other people"),
        (lambda datum: setattr(datum, "meta", b"MPI" * 100), "begins with a data set name"),
        (lambda datum: setattr(datum, "width", 71), "a Datum of 70 x 30 px, found 71 x 30"),
        (lambda datum: setattr(datum, "data", b"no image"), "expected an image, found something else"),
        (lambda datum: setattr(datum, "data", datum.data[:2000]), "expected a readable image"),
        (lambda datum: setattr(datum, "data", png(np.zeros((31, 70, 3), np.uint8))), "70 x 30 px.*found 70 x 31 px"),
        (lambda datum: datum.ClearField("encoded"), "a Datum of 4 channels, found 3"),
    ],
)
def test_decode_refuses_a_broken_stored_file(change, message):
    datum = schema.Datum.FromString(encode_file(*file_record(np.random.default_rng(3), 30, 70, 16, 2)))
    change(datum)
    with pytest.raises(InputError, match=f"^some.lmdb: record 0000007: .*{message}"):
        decode(datum.SerializeToString(), 16, "some.lmdb: record 0000007")


def test_narrow_images_are_padded_with_grey_on_the_right():
    image = np.random.default_rng(0).integers(0, 256, (9, 50, 3), np.uint8)
    padded = pad_to_minimum_width(image)
    assert_same_bits(padded[:, :50], image)
    assert padded.shape == (9, 64, 3) and (padded[:, 50:] == 128).all()
    assert pad_to_minimum_width(padded) is not None and pad_to_minimum_width(padded).shape == (9, 64, 3)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"image": np.zeros((12, 64, 3), np.uint8)}, "at least 13 px high for 1 other people, found 12"),
        ({"image": np.zeros((40, 63, 3), np.uint8)}, "at least 64 px wide for 16 joints"),
        ({"image": np.zeros((40, 64, 3), np.float32)}, "uint8 image"),
        ({"people_index": 256}, "people_index of 0 to 255, found 256"),
        ({"dataset": "MPI\u00fc"}, "ASCII data set name"),
        ({"dataset": "M\0PI"}, "without NUL"),
        ({"img_width": float("nan")}, "finite"),
        ({"annolist_index": 1e39}, "finite"),
    ],
)
def test_encode_refuses_what_does_not_fit(change, message):
    record = random_record(np.random.default_rng(1), 40, 64, 16, 1)
    with pytest.raises(InputError, match=message):
        encode(dataclasses.replace(record, **change))


def test_encode_refuses_many_people_in_a_flat_image_and_more_than_255():
    rng = np.random.default_rng(2)
    with pytest.raises(InputError, match="at least 68 px wide for 16 joints and 17 other people"):
        encode(random_record(rng, 1000, 66, 16, 17))
    with pytest.raises(InputError, match="at least 49 px high for 10 other people"):
        encode(random_record(rng, 48, 100, 16, 10))
    with pytest.raises(InputError, match="at most 255 other people, found 256"):
        encode(random_record(rng, 2000, 2000, 16, 256))
    record = random_record(rng, 100, 100, 16, 1)
    record.others[0].joints = record.others[0].joints[:15]
    with pytest.raises(InputError, match="16 joints per person, found 15"):
        encode(record)


def datum_of(planes, **fields):
    channels, height, width = planes.shape
    values = {"channels": channels, "height": height, "width": width, "data": planes.tobytes()}
    return schema.Datum(**{**values, **fields}).SerializeToString()


def planes_with(change):
    """A good record's planes (4, 20, 64) with its META changed."""
    value = encode(random_record(np.random.default_rng(3), 20, 64, 16, 2))
    datum = schema.Datum.FromString(value)
    planes = np.frombuffer(datum.data, np.uint8).reshape(4, 20, 64).copy()
    change(planes[3])
    return planes


def put(row, column, *stored):
    def change(meta):
        meta[row, column : column + len(stored)] = stored

    return change


INFINITY, NAN, ZERO, MINUS_ONE = (0, 0, 128, 127), (0, 0, 192, 127), (0, 0, 0, 0), (0, 0, 128, 191)


@pytest.mark.parametrize(
    "change, message",
    [
        (put(2, 1, 3), "21 rows for 3 other people, found 20 rows"),
        (put(2, 1, 255), "1029 rows for 255 other people"),
        (put(0, 0, 200), "ASCII data set name"),
        (put(1, 0, *NAN), "finite numbers in META row 1"),
        (put(1, 0, *ZERO), "positive image size"),
        (put(2, 7, *INFINITY), "finite numbers in META row 2"),
        (put(3, 4, *INFINITY), "finite numbers in META row 3"),
        (put(4, 0, *MINUS_ONE), "positive scale in META row 4, found -1"),
        (put(6, 60, *NAN), "finite numbers in META row 6"),
        (put(9, 0, *NAN), "finite numbers in META row 9"),
        (put(10, 4, *NAN), "finite numbers in META row 10"),
        (put(16, 0, *NAN), "finite numbers in META row 16"),
    ],
)
def test_decode_refuses_a_broken_meta_plane(change, message):
    with pytest.raises(InputError, match=f"^some.lmdb: record 0000007: .*{message}"):
        decode(datum_of(planes_with(change)), 16, "some.lmdb: record 0000007")


def test_decode_refuses_sizes_that_do_not_fit_the_bytes():
    planes = planes_with(lambda meta: None)
    for fields, message in [
        ({"height": 21}, "4 x 21 x 64 = 5376 bytes of data, found 5120"),
        ({"height": 2**31 - 1, "width": 2**31 - 1}, "found 5120"),
        ({"height": -20}, "positive height and width"),
        ({"width": 0}, "positive height and width"),
        ({"channels": 3}, "Datum of 4 channels, found 3"),
        ({"encoded": True}, "a field meta that begins with a data set name, found 0 bytes"),
        ({"height": 4, "width": 320}, "at least 8 rows, found 4"),
        ({"height": 80, "width": 16}, "at least 64 bytes for 16 joints, found 16"),
    ]:
        with pytest.raises(InputError, match=message):
            decode(datum_of(planes, **fields), 16, "here")


def test_decode_takes_random_and_shortened_bytes_for_what_they_are():
    rng = np.random.default_rng(4)
    for length in [0, 1, 7, 100, 5000]:
        with pytest.raises(InputError, match=r"^here: "):
            decode(rng.bytes(length), 16, "here")
    value = encode(random_record(rng, 20, 64, 16, 2))
    for length in rng.integers(0, len(value) - 2, 50):  # the last two bytes are label 0, the default
        with pytest.raises(InputError, match=r"^here: "):
            decode(value[:length], 16, "here")


@pytest.mark.parametrize("kind", ["raw", "file"])
def test_decode_raises_nothing_but_input_errors_on_changed_bytes(kind):
    rng = np.random.default_rng(5)
    record, file = file_record(rng, 20, 64, 16, 2)
    value = bytearray(encode(record) if kind == "raw" else encode_file(record, file))
    for _ in range(500):
        changed = bytearray(value)
        for _ in range(rng.integers(1, 6)):
            near_the_dimensions = rng.random() < 0.3
            place = rng.integers(12) if near_the_dimensions else 3850 + rng.integers(len(value) - 3850)
            changed[place] = rng.integers(256)
        try:
            decode(bytes(changed), 16, "here")
        except InputError as error:
            assert str(error).startswith("here: ") and "\n" not in str(error)
