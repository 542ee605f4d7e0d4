"""What all tools share at the command line: help with an example, common options, errors of one sentence."""

import argparse
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from cpm_repro.models import zoo
from prototxt_import.files import InputError, check_target, plain

from . import ctrl_c, exit_codes, streams

if TYPE_CHECKING:  # argparse's own cannot be subscripted at run time
    from prototxt_import.deployment import Variant

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_Value = TypeVar("_Value")
DATA_SET_NEEDED = "# with the data set's own files:"
"""In an example: what follows works once these are there; what comes before works after `make demo`."""


def parser(description: str, example: str) -> argparse.ArgumentParser:
    """A parser whose --help ends with `example`, one or more command lines that work as they stand after `make demo`
    (but see `DATA_SET_NEEDED`)."""
    made = argparse.ArgumentParser(
        prog=os.path.basename(sys.argv[0]),
        description=as_typed(description),
        epilog=f"example:\n{_indented(as_typed(example))}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return _strict(made)


def _strict(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Its `type=int` and `type=float` take numbers as C writes them, and no NaN; its `type=Path` no empty text, as a
    shell's variable has it that is not set: that would be the folder at hand."""
    parser.register("type", int, whole_number)
    parser.register("type", float, number)
    parser.register("type", Path, lambda text: Path(path_text(text)))
    return parser


def as_typed(text: str) -> str:
    """Command lines as the person at hand types them: `python tools/train.py …` is `cpm train …` for who typed that."""
    if not sys.argv[0].startswith("cpm "):
        return text
    text = re.sub(r"torchrun (.*) tools/(\w+)\.py", r"torchrun --no-python \1 cpm \2", text)
    return re.sub(r"(?:python )?\btools/(\w+)\.py", r"cpm \1", text)


def add_subparser(to: "Subparsers", name: str, description: str, example: str) -> argparse.ArgumentParser:
    """A subcommand whose --help ends with an example, as `parser`'s does."""
    made = to.add_parser(
        name,
        help=description,
        description=description,
        epilog=f"example:\n{_indented(as_typed(example))}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return _strict(made)


def add_out(to: argparse._ActionsContainer, what: str, required: bool = True, default: str | None = None) -> None:
    """--out PATH: where the result goes; `what` says what it is."""
    to.add_argument("--out", metavar="PATH", type=path_text, required=required, default=default, help=what)


def add_model(to: argparse._ActionsContainer) -> None:
    """--model NAME, see `use_model`."""
    to.add_argument("--model", metavar="NAME", help=f"a model of the package (`cpm models`): {', '.join(zoo.names())}")


def use_model(parsed: argparse.Namespace, *instead_of: str) -> zoo.Model | None:
    """The model that --model names, if it names one; its files are put where --prototxt and --weights would stand.

    instead_of: the options that it stands for; InputError if one of them is given too.
    """
    if parsed.model is None:
        return None
    for name in instead_of:
        if getattr(parsed, name) is not None:
            raise InputError(f"--model {parsed.model}: expected no --{name} beside it, found one")
    model = zoo.find(parsed.model)
    parsed.prototxt, parsed.weights = model.prototxt, model.weights
    return model


def add_weights(to: argparse._ActionsContainer, what: str = "its weights", **more: Any) -> None:
    """--weights W: any file that `convert.stored_weights` reads."""
    help = f"{what}: .caffemodel, .caffemodel.h5, .pt, .safetensors, .npz, …, told by their content"
    to.add_argument("--weights", metavar="W", type=Path, help=help, **more)


def add_channel_order(to: argparse._ActionsContainer) -> None:
    """--channel-order: beside --weights."""
    to.add_argument(
        "--channel-order",
        choices=("bgr", "rgb"),
        help="the colours' order that the weights were trained on; rgb swaps the first convolutions' red and blue, so "
        "that the net takes BGR (default: bgr for Caffe's weights and this project's; others have to be told)",
    )


def add_device(to: argparse._ActionsContainer) -> None:
    """--device {cpu,cuda}; `run` checks that there is a card before the tool starts."""
    to.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (default: cpu)")


EVERY_MACHINE = "exact:auto"
"""Instead of an engine: the exact one as whichever machine fits."""


def add_engine(to: argparse._ActionsContainer, auto: bool = False) -> None:
    """--engine: a name that prototxt_import.engine knows; --plans FILE: `run` makes the engine of both.

    auto: whether EVERY_MACHINE is allowed, which stays what it is.
    """
    from prototxt_import.engine import NAMES

    names = f"{NAMES}, or {EVERY_MACHINE}: whichever machine fits" if auto else NAMES
    to.add_argument("--engine", metavar="ENGINE", default="fast", help=f"whose arithmetic: {names} (default: fast)")
    if auto:
        to.set_defaults(every_machine=True)
    to.add_argument(
        "--plans",
        metavar="FILE",
        type=Path,
        help="fast engine: convolve as was fastest on this machine, measured at the first use and kept in FILE "
        "(default: as a cost model says)",
    )


def add_threads(to: argparse._ActionsContainer) -> None:
    """--threads N: `run` hands it to torch before the tool starts."""
    to.add_argument("--threads", metavar="N", type=_thread_count, help="CPU threads (default: all cores)")


def add_state(to: argparse._ActionsContainer, stage: str = "--stage") -> None:
    """--stage and --level: of the net's state, which include and exclude rules ask for (`caffe` has the same).

    stage: another name for the first, in a tool that calls something else so.
    """
    to.add_argument(
        stage,
        dest="state_stages",
        metavar="NAME[,NAME…]",
        type=lambda text: text.split(","),
        action="extend",
        default=[],
        help="stages of the net's state, for layers with include { stage: … } rules",
    )
    to.add_argument("--level", metavar="N", type=int, help="level of the net's state, for min_level and max_level")


def add_phase(to: argparse._ActionsContainer, default: str = "TEST", stage: str = "--stage") -> None:
    """--phase, and what `add_state` adds."""
    to.add_argument("--phase", choices=("TEST", "TRAIN"), default=default, help=f"whose layers (default: {default})")
    add_state(to, stage)


def add_variant(to: argparse._ActionsContainer, stage: str = "--stage") -> None:
    """--phase, --stage, --level and --input-shape: which of a prototxt's nets is meant; `variant` makes one of them.
    stage: as in `add_state`."""
    add_phase(to, stage=stage)
    to.add_argument(
        "--input-shape",
        metavar="BLOB=N,C,H,W",
        type=_input_shape,
        action="append",
        default=[],
        help="an input's shape, in place of the prototxt's; a train/val net becomes one to deploy: data layers turn "
        "into inputs, losses and accuracies go",
    )


def variant(parsed: argparse.Namespace) -> "Variant":
    """The net that `add_variant`'s options ask for, or `add_phase`'s."""
    from prototxt_import.deployment import Variant

    return Variant(parsed.phase, tuple(parsed.state_stages), parsed.level, dict(getattr(parsed, "input_shape", ())))


def _input_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """An argparse type."""
    name, _, sizes = text.rpartition("=")
    try:
        shape = tuple(int(plain(size)) for size in sizes.replace("x", ",").split(","))
    except ValueError:
        shape = ()
    if not name or not shape or min(shape) < 1:
        raise argparse.ArgumentTypeError(f"expected a blob and its sizes, such as data=1,3,224,224, found {text}")
    return name, shape


def add_profile(to: argparse._ActionsContainer) -> None:
    """--profile: whose OpenCV's bits the data layer's images have."""
    from cpm_kernels.host import PROFILES

    names = tuple(PROFILES)
    to.add_argument(
        "--profile",
        choices=names,
        default=names[0],
        help=f"whose OpenCV's bits the samples have: {' or '.join(names)} (default: {names[0]})",
    )


def typed(expected: str) -> Callable[[Callable[[str], _Value]], Callable[[str], _Value]]:
    """Makes an argparse type of a function: its ValueError says what was expected."""

    def typing(convert: Callable[[str], _Value]) -> Callable[[str], _Value]:
        @wraps(convert)
        def converted(text: str) -> _Value:
            try:
                return convert(text)
            except ValueError:
                raise argparse.ArgumentTypeError(f"expected {expected}, found '{text}'") from None

        return converted

    return typing


@typed("a path")
def path_text(text: str) -> str:
    """An argparse type: not empty."""
    if not text:
        raise ValueError(text)
    return text


@typed("a whole number")
def whole_number(text: str) -> int:
    """Of any size and sign, as seeds are."""
    return int(plain(text))


@typed("a whole number")
def positive_integer(text: str) -> int:
    """An argparse type."""
    return _at_least(1, text)


@typed("a whole number")
def stage_count(text: str) -> int:
    """An argparse type: of stages, each of which is a handful of layers."""
    return _at_least(1, text, 100)


@typed("a whole number")
def seed_count(text: str) -> int:
    """An argparse type: of seeds to train with."""
    return _at_least(1, text, 1000)


@typed("a whole number")
def picture_count(text: str) -> int:
    """An argparse type: of pictures that are drawn to be measured with, each in a moment."""
    return _at_least(1, text, 10_000)


@typed("a whole number")
def index(text: str) -> int:
    """An argparse type: counted from 0."""
    return _at_least(0, text)


def _at_least(least: int, text: str, most: int = (1 << 31) - 1) -> int:
    """The whole number, by default one that an int of C holds."""
    value = int(plain(text))
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"expected a number of at least {least} and below {most + 1}, found {text}")
    return value


@typed("a number, such as 0.5")
def number(text: str) -> float:
    """Of any size and sign, but a number."""
    value = float(plain(text))
    if not math.isfinite(value):
        raise ValueError(text)
    return value


@typed("a number above 0, such as 0.5")
def positive_number(text: str) -> float:
    """An argparse type."""
    value = float(plain(text))
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
    return value


def _thread_count(text: str) -> int:
    """An argparse type."""
    value = positive_integer(text)
    if value > _MOST_THREADS:  # of very many OpenMP ends the process
        raise argparse.ArgumentTypeError(f"expected at most {_MOST_THREADS} threads, found {text}")
    return value


_MOST_THREADS = 1024


def run(
    main: Callable[[argparse.Namespace], int | None],
    arguments_parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None = None,
) -> NoReturn:
    """Parse, call `main`, and leave with its exit code (None is 0).

    InputError, CuPy or the compiled kernels that are missing, and what the system refuses, become one sentence on
    stderr and exit code 2, without traceback; Ctrl-C "interrupted" and 130; a reader that goes away early (`| head`)
    ends the tool without a word, as SIGPIPE does.
    """
    parsed = arguments_parser.parse_args(arguments)
    streams.make_usable()
    if hasattr(parsed, "threads"):
        wait_passively()
    ctrl_c.interrupts()

    def work() -> int | None:
        _apply_common(parsed)
        return main(parsed)

    code = exit_codes.code_of(work, arguments_parser.prog)
    try:
        sys.stdout.flush()
    except OSError as error:
        streams.silence(sys.stdout)
        code = code or exit_codes.code_of_output(error, arguments_parser.prog)
    sys.exit(code)


def wait_passively() -> None:
    """Before torch is imported: its OpenMP threads sleep while they wait for work, unless the environment says how.

    By default they spin. On a machine that does nothing else that makes no difference worth naming; where something
    else runs, they take the cores from it and from each other, and training is 5 to 10 times slower.
    """
    if not _WAITING & os.environ.keys():
        os.environ["OMP_WAIT_POLICY"] = "passive"


_WAITING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"}


_PICTURES = ("misses", "plot", "plot_clusters", "poses", "timeline")
_TABLES = ("html", "json", "markdown", "save_predictions", "trace")
"""The options that name a file to write when the work is done."""


def _apply_common(parsed: argparse.Namespace) -> None:
    for name in _PICTURES + _TABLES:
        if isinstance(path := getattr(parsed, name, None), str | Path):
            check_target(path)
    if getattr(parsed, "threads", None) is not None:
        import torch

        torch.set_num_threads(parsed.threads)
    if getattr(parsed, "engine", None) is not None:
        from prototxt_import.engine import make_engine

        if not (parsed.engine == EVERY_MACHINE and hasattr(parsed, "every_machine")):
            parsed.engine = make_engine(parsed.engine, parsed.plans)
    if getattr(parsed, "device", "cpu") == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError("--device cuda: expected a CUDA card that torch can use, found none")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines())
