"""What all tools share: exit codes, one-sentence errors, common options."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cpm_kernels import cuda_module, host
from cpm_repro import command_line
from prototxt_import.files import InputError

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("ctrl_c")


def exit_code(main, arguments=(), prepare=lambda parser: None):
    parser = command_line.parser("Does nothing.", "python tools/nothing.py")
    parser.prog = "nothing.py"
    prepare(parser)
    with pytest.raises(SystemExit) as ended:
        command_line.run(main, parser, list(arguments))
    return ended.value.code


def raising(error):
    def main(arguments):
        raise error

    return main


def test_exit_codes(capsys):
    assert exit_code(lambda arguments: None) == 0
    assert exit_code(lambda arguments: 1) == 1
    assert capsys.readouterr() == ("", "")
    assert exit_code(raising(InputError("a.json: record 3: expected joints, found none"))) == 2
    assert capsys.readouterr().err == "nothing.py: a.json: record 3: expected joints, found none\n"
    assert exit_code(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "nothing.py: interrupted\n"


def test_other_errors_keep_their_traceback():
    parser = command_line.parser("Does nothing.", "python tools/nothing.py")
    with pytest.raises(ZeroDivisionError):
        command_line.run(raising(ZeroDivisionError()), parser, [])


def test_help_ends_with_the_example(capsys):
    parser = command_line.parser("Does nothing.", "\npython a.py\npython b.py\n")
    inner = command_line.add_subparser(parser.add_subparsers(), "inner", "Does less.", "python a.py inner")
    assert parser.format_help().endswith("example:\n  python a.py\n  python b.py\n")
    assert inner.format_help().endswith("example:\n  python a.py inner\n")
    assert "Does less." in parser.format_help() and "Does less." in inner.format_help()


def test_common_options(tmp_path, capsys):
    seen = {}

    def prepare(parser):
        command_line.add_out(parser, "the result")
        command_line.add_device(parser)
        command_line.add_engine(parser)
        command_line.add_threads(parser)

    def main(arguments):
        seen.update(vars(arguments), torch_threads=torch.get_num_threads())

    before = torch.get_num_threads()
    try:
        assert exit_code(main, ["--out", "x"], prepare) == 0
        assert str(seen.pop("engine")) == "fast"
        assert seen == {"out": "x", "device": "cpu", "plans": None, "threads": None, "torch_threads": before}
        assert exit_code(main, ["--out", "x", "--threads", "1"], prepare) == 0
        assert seen["torch_threads"] == 1
        (tmp_path / "plans.json").write_text("[]")
        assert exit_code(main, ["--out", "x", "--plans", str(tmp_path / "plans.json")], prepare) == 2
        assert "plans.json: expected measured plans" in capsys.readouterr().err
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    "arguments", [[], ["--out"], ["--out", "x", "--threads", "0"], ["--out", "x", "--device", "tpu"]]
)
def test_wrong_options_exit_with_2(arguments, capsys):
    def prepare(parser):
        command_line.add_out(parser, "the result")
        command_line.add_device(parser)
        command_line.add_threads(parser)

    assert exit_code(raising(AssertionError("not reached")), arguments, prepare) == 2
    assert "nothing.py: error: " in capsys.readouterr().err


def test_cuda_without_a_card(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert exit_code(lambda arguments: 0, ["--device", "cuda"], command_line.add_device) == 2
    assert "--device cuda: expected a CUDA card that torch can use, found none" in capsys.readouterr().err


def test_a_library_of_other_sources_is_told_in_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(host, "checksum", lambda folder: -1)
    assert exit_code(lambda arguments: host.library.__wrapped__() and 0) == 2
    told = capsys.readouterr().err
    assert told.startswith("nothing.py: /") and told.count("\n") == 1 and "compile it again" in told


def test_a_card_without_cupy_is_told_in_one_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert exit_code(lambda arguments: cuda_module._module("exact/exact.cu", 0)) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_another_package_that_is_missing_keeps_its_traceback():
    def main(arguments):
        raise ImportError("no such module", name="other")

    with pytest.raises(ImportError, match="no such module"):
        exit_code(main, [])


def test_an_optional_out():
    parser = argparse.ArgumentParser()
    command_line.add_out(parser, "the result", required=False)
    assert parser.parse_args([]).out is None


def test_a_reader_that_goes_away_early():
    program = (
        "from cpm_repro import command_line\n"
        "command_line.run(lambda a: print('line\\n' * 100000), command_line.parser('', ''), [])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    tool = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    with tool:
        tool.stdout.read(5)
        tool.stdout.close()
        assert tool.stderr.read() == b"" and tool.wait() == 141


@pytest.mark.parametrize(
    ("before", "after"), [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active"), ({"GOMP_SPINCOUNT": "9"}, None)]
)
def test_tools_that_compute_wait_passively_unless_told_how(monkeypatch, before, after):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    assert exit_code(lambda arguments: 0) == 0 and os.environ.get("OMP_WAIT_POLICY") == before.get("OMP_WAIT_POLICY")
    assert exit_code(lambda arguments: 0, [], command_line.add_threads) == 0
    assert os.environ.get("OMP_WAIT_POLICY") == after


@pytest.mark.parametrize(
    ("allocate", "said"),
    [
        (lambda: torch.empty(1 << 50), "you tried to allocate 4503599627370496 bytes"),
        (lambda: np.empty(1 << 50), "Unable to allocate 8.00 PiB for an array"),
    ],
)
def test_too_little_memory_is_a_sentence_with_what_was_asked_for(capsys, allocate, said):
    assert exit_code(lambda arguments: allocate() and 0) == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1 and "expected more memory" in told


@pytest.mark.parametrize(
    ("convert", "text", "said"),
    [
        (command_line.positive_integer, "two", "expected a whole number, found 'two'"),
        (command_line.positive_integer, "1_0", "expected a whole number, found '1_0'"),
        (command_line.positive_integer, "٣", "expected a whole number, found '٣'"),
        (command_line.picture_count, "2147483647", "expected a number of at least 1 and below 10001, found 2147483647"),
        (command_line.positive_number, "0,5", "expected a number above 0, such as 0.5, found '0,5'"),
        (command_line.positive_number, "nan", "expected a number above 0, found nan"),
    ],
)
def test_what_is_no_number_is_told_what_one_is(convert, text, said):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{said}$"):
        convert(text)


def test_a_path_is_not_empty(capsys):
    parser = command_line.parser("Does nothing.", "python tools/nothing.py")
    parser.add_argument("--weights", type=Path)
    command_line.add_out(parser, "nothing")
    for given in (["--weights", "", "--out", "x"], ["--out", ""]):
        with pytest.raises(SystemExit):
            parser.parse_args(given)
        assert "expected a path, found ''" in capsys.readouterr().err
    assert vars(parser.parse_args(["--weights", "a", "--out", "b"])) == {"weights": Path("a"), "out": "b"}


@pytest.mark.parametrize("given", [["--seed", "1_0"], ["inner", "--rate", "nan"], ["inner", "--rate", "٣"]])
def test_numbers_of_options_are_plain(given, capsys):
    parser = command_line.parser("Does nothing.", "python tools/nothing.py")
    parser.add_argument_group("more").add_argument("--seed", type=int)
    inner = command_line.add_subparser(parser.add_subparsers(), "inner", "Does less.", "python a.py inner")
    inner.add_argument("--rate", type=float)
    with pytest.raises(SystemExit):
        parser.parse_args(given)
    assert f"expected a {'whole number' if given[0] == '--seed' else 'number'}" in capsys.readouterr().err
    assert vars(parser.parse_args(["--seed", "-3"])) == {"seed": -3}


@pytest.mark.parametrize(
    ("target", "said"), [("folder", "Is a directory"), ("file/r.json", "Not a directory"), ("pipe", "a pipe")]
)
def test_a_file_that_cannot_be_written_is_told_before_the_work(target, said, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    options = ["--json", str(tmp_path / target)]
    prepare = lambda parser: parser.add_argument("--json")  # noqa: E731
    assert exit_code(lambda parsed: pytest.fail("worked"), options, prepare) == 2
    assert f"{tmp_path / target}: cannot be written: " in (stderr := capsys.readouterr().err) and said in stderr
