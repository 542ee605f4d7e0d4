"""The JSON list read record by record: json's own values, the right bytes, and one sentence for anything else."""

import json
import tracemalloc

import numpy as np
import pytest

from data_lmdb import json_stream
from data_lmdb.json_stream import records
from prototxt_import.files import InputError


def random_value(rng, depth=0):
    kind = rng.integers(7 if depth < 3 else 4)
    if kind < 2:
        return [None, True, -3, 1.25e-7, 'né "]}\\ü€😀\n', 17][rng.integers(6)]
    if kind < 4:
        return round(float(rng.normal(0, 1000)), 3)
    if kind < 6:
        return [random_value(rng, depth + 1) for _ in range(rng.integers(4))]
    return {f"k{i}": random_value(rng, depth + 1) for i in range(rng.integers(4))}


def written(path, value, rng):
    indent = [None, 0, 3][rng.integers(3)]
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=bool(rng.integers(2))), encoding="utf-8")
    return path


@pytest.mark.parametrize("block", [7, 100, 1 << 20])
def test_the_values_and_bytes_of_every_record(tmp_path, monkeypatch, block):
    monkeypatch.setattr(json_stream, "_BLOCK", block)
    rng = np.random.default_rng(block)
    for _ in range(60):
        values = [{"record": random_value(rng)} for _ in range(rng.integers(1, 6))]
        around = {"before": random_value(rng), "root": values, "after": random_value(rng), "last": 3}
        forms = [values, {"root": values}, around, {"root": values[0]}]
        form = int(rng.integers(4))
        path = written(tmp_path / "x.json", forms[form], rng)
        found = list(records(path))
        assert [record.value for record in found] == (values[:1] if form == 3 else values)
        content = path.read_bytes()
        for record in found:
            assert json.loads(content[record.offset : record.offset + record.length]) == record.value


@pytest.mark.parametrize("text", ["[]", ' {"root" : [ ] } '])
def test_an_empty_list_has_no_records(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    assert list(records(tmp_path / "x.json")) == []


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "expected a list of annotated persons"),
        (b"17", "expected a list of annotated persons"),
        (b'{"people": []}', "expected a list of annotated persons"),
        (b'{"root": 17}', "expected a list of annotated persons"),
        (b"{}", "expected JSON: "),
        (b"[{}", "expected JSON: expected ',' at byte 3, found ''"),
        (b"[{} {}]", "expected JSON: expected ',' at byte 4, found '{'"),
        (b'[{}, {"a": 1]', "expected JSON: Expecting ',' delimiter in what begins at byte 5"),
        (b"[{}] []", "expected JSON: expected the end at byte 5"),
        (b'{"root": [{}]', "expected JSON: expected ',' at byte 13"),
        (b'[{"a": "\xff"}]', "expected JSON: 'utf-8' codec"),
        (b"[" * 100_000, "expected JSON: "),
    ],
)
def test_anything_else_is_one_sentence(tmp_path, content, message):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError) as caught:
        list(records(tmp_path / "x.json"))
    assert message in str(caught.value) and str(caught.value).startswith(str(tmp_path / "x.json"))
    with pytest.raises(InputError, match=r"y\.json: cannot be read: No such file"):
        list(records(tmp_path / "y.json"))


def test_a_large_file_is_never_in_memory(tmp_path):
    record = {"joints": list(range(2000))}
    (tmp_path / "x.json").write_text(json.dumps([record] * 1000))
    assert (tmp_path / "x.json").stat().st_size > 10_000_000
    tracemalloc.start()
    assert sum(1 for _ in records(tmp_path / "x.json")) == 1000
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
