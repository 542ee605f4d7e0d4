"""From annotations and images to an LMDB: who and in which order, any number of processes, killed runs, storages."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.transformer import CPMTransformer
from data_lmdb.annotations import parse_record, record_text, write_json
from data_lmdb.records.conversion import make_lmdb
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode, storage
from data_lmdb.records.sources import ordered, read_sources
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from tests.annotated_people import PEOPLE, annotation, values_in, write_many_people, write_people
from tests.bits import assert_same_bits
from tests.tool import ROOT, run_tool

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}


@pytest.fixture
def folder(tmp_path):
    return write_people(tmp_path)


def test_files_with_different_joints_do_not_mix(folder):
    write_json(folder / "flic.json", [annotation(number, 9) for number in range(2)])
    with pytest.raises(InputError, match=r"flic.json: record 1: expected 16 joints as in .*x.json: record 1"):
        read_sources([folder / "x.json", folder / "flic.json"])


def test_sources_are_the_records_of_their_files(folder, golden):
    files = [folder / "x.json", golden / "json" / "mpii_sample.json", golden / "transform" / "mpi16_lmdb.json"]
    sources = read_sources(files, "include")
    parsed = [(file, json.loads(file.read_text())) for file in files]
    lists = [(file, records["root"] if isinstance(records, dict) else records) for file, records in parsed]
    expected = [(f"{file}: record {index}", one) for file, records in lists for index, one in enumerate(records)]
    for source, (where, one) in zip(sources, expected, strict=True):
        assert source.where == where and record_text(source.annotation) == record_text(parse_record(one, where))
    before = sources.digest()
    assert before == read_sources(files, "include").digest() != read_sources(files, "exclude").digest()
    assert ordered(sources, "shuffled", 1).digest() != before
    content = (folder / "x.json").read_text()
    (folder / "x.json").write_text(content.replace("0.4", "0.5", 1))
    assert sources.digest() != before
    (folder / "x.json").write_text(content[:-100])
    with pytest.raises(InputError, match=r"x\.json: record 6: cannot be read again"):
        sources[6]


def test_the_seed_decides_the_order_alone(folder):
    sources = read_sources([folder / "x.json"], "include")

    def order(name, seed):
        return [source.annotation.annolist_index for source in ordered(sources, name, seed)]

    assert order("sequential", 3) == list(range(PEOPLE))
    assert sorted(order("shuffled", 3)) == list(range(PEOPLE))
    assert order("shuffled", 3) == order("shuffled", 3) != order("shuffled", 4)


@pytest.mark.parametrize("storage", ["raw", "file"])
def test_any_number_of_processes_writes_the_same_bytes(folder, storage):
    sources, images = write_many_people(folder)
    for jobs in (1, 2, 3):
        make_lmdb(folder / f"lmdb{jobs}", sources, images, storage, jobs)
    contents = [(folder / f"lmdb{jobs}" / "data.mdb").read_bytes() for jobs in (1, 2, 3)]
    assert contents[0] == contents[1] == contents[2]


RUN = """
import sys
from data_lmdb.records import writer
from data_lmdb.records.conversion import make_lmdb
from data_lmdb.records.sources import ordered, read_sources
writer.COMMIT_BYTES = 500_000

def until_killed(items, title, total, first):
    for number, item in enumerate(items):
        if number == int(sys.argv[4]):
            print("here", flush=True)
            sys.stdin.read()
        yield item

sources = ordered(read_sources([sys.argv[1]], "include"), seed=1)
make_lmdb(sys.argv[3], sources, [sys.argv[2]], jobs=2, bar=until_killed)
"""


def children_of(process):
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()


@pytest.mark.parametrize("records", [10, 60])
def test_a_killed_run_goes_on_and_leaves_no_process(folder, records):
    sources, images = write_many_people(folder)
    make_lmdb(folder / "expected", sources, images)
    command = [sys.executable, "-c", RUN, folder / "large.json", images[0], folder / "lmdb", records]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    run = subprocess.Popen(list(map(str, command)), env=ENVIRONMENT, **pipes)
    assert run.stdout.readline() == b"here\n"
    workers = children_of(run)
    run.kill()
    assert run.communicate(timeout=600)[1] == b""  # returns when its processes have ended too
    assert len(workers) == 2 and not (folder / "lmdb").exists()
    said = []
    make_lmdb(folder / "lmdb", sources, images, say=said.append)
    assert f"{folder / 'lmdb'}.partial: goes on after " in said[0] and records - 4 <= int(said[0].split()[4]) <= records
    assert values_in(folder / "lmdb") == values_in(folder / "expected")
    assert not (folder / "lmdb.partial").exists()


@pytest.mark.parametrize("name, joints, parts", [("mpi16_lmdb", 16, 14), ("flic9_lmdb", 9, 9)])
def test_samples_from_both_storages_are_the_same(golden, lspet, tmp_path, name, joints, parts):
    sources = read_sources([golden / "transform" / f"{name}.json"], "include")
    for kind in ("raw", "file"):
        make_lmdb(tmp_path / kind, sources, [lspet / "images", golden / "transform"], kind)
    param = schema.TransformationParameter(
        stride=8, crop_size_x=368, crop_size_y=368, num_parts=parts, np_in_lmdb=joints, max_rotate_degree=40
    )
    transformer, random = CPMTransformer(param), GlibcRand()
    with LmdbReader(tmp_path / "raw") as raw, LmdbReader(tmp_path / "file") as file:
        assert len(raw) == len(file) == len(sources)
        for index in range(len(raw)):
            augmentation = transformer.draw(random)
            values = [reader.value(index) for reader in (raw, file)]
            assert [storage(value, "here") for value in values] == ["raw", "file"]
            records = [decode(value, joints, "here") for value in values]
            expected, found = [transformer.apply(record, augmentation) for record in records]
            for blob, one, other in zip(("data", "label"), found, expected, strict=True):
                assert_same_bits(one, other, f"{name} record {index} {blob}")


PEAK = """
import re, resource, sys
from data_lmdb.records.conversion import make_lmdb
from data_lmdb.records.sources import ordered, read_sources
make_lmdb(sys.argv[3], ordered(read_sources([sys.argv[1]], "include")), [sys.argv[2]], sys.argv[4], jobs=2)
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("storage, count", [("raw", 400), ("file", 1500)])
def test_memory_does_not_grow_with_the_lmdb(tmp_path, storage, count):
    """1.5 GB of planes."""
    smooth = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    Image.fromarray(smooth).resize((1280, 720), Image.Resampling.BICUBIC).save(tmp_path / "0.jpg")
    many = {"joint_others": np.ones((9, 16, 3)), "scale_provided_other": np.ones(9), "objpos_other": np.ones((9, 2))}
    size = {"img_width": 1280, "img_height": 720}
    write_json(tmp_path / "x.json", [annotation(n, img_paths="0.jpg", **size, **many) for n in range(count)])
    command = [sys.executable, "-c", PEAK, tmp_path / "x.json", tmp_path, tmp_path / "lmdb", storage]
    result = subprocess.run(list(map(str, command)), env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    peaks = [int(line) / 1024 for line in result.stdout.split()]  # MiB, of the run and of its largest process
    assert len(peaks) == 2 and max(peaks) < 150, peaks


@pytest.mark.slow
def test_the_lspet_photographs_in_file_storage(lspet, tmp_path):
    made = run_tool("make_json", "lspet", lspet, "--out", tmp_path / "lspet.json")
    assert made.returncode == 0, made.stderr
    sources = ordered(read_sources([tmp_path / "lspet.json"]))
    sizes = [path.stat().st_size for path in (lspet / "images").iterdir()]
    for kind in ("raw", "file"):
        assert make_lmdb(tmp_path / kind, sources, [lspet / "images"], kind, jobs=2) == (len(sizes), [])
    photographs = sum(sizes)
    assert photographs < (tmp_path / "file" / "data.mdb").stat().st_size < 1.05 * photographs
    with LmdbReader(tmp_path / "raw") as raw, LmdbReader(tmp_path / "file") as file:
        for index in range(0, len(sizes), 4):
            expected, found = (decode(reader.value(index), 16, reader.where(index)) for reader in (raw, file))
            assert_same_bits(found.image, expected.image, raw.where(index))
            assert_same_bits(found.self_person.joints, expected.self_person.joints, raw.where(index))
