"""Runs on a machine with a CUDA card everything that only a card can show: tests, golden replays, benchmarks.

It needs a checkout, a C++ compiler and the packages that its report lists as missing; it installs nothing. report.md,
report.json and pictures grow while it runs, and it is done after --minutes at most.
"""

import argparse
from pathlib import Path

from cpm_repro import command_line

EXAMPLE = """
python tools/card.py --device cuda --out build/card
python tools/card.py --device cpu --minutes 3 --out build/card
"""


def main(arguments: argparse.Namespace) -> int:
    from cpm_repro.benchmarks.card import report, stages

    stages.check_checkout()

    def written(run: stages.Run) -> None:
        stages.write_json(run)
        report.write_report(run)
        done = run.done[-1]
        print(f"{done.stage}: {done.name}: {done.outcome}, {done.seconds:.0f} s: {report.found(done)}", flush=True)

    run = stages.Run(arguments.device, arguments.out.resolve(), 60 * arguments.minutes, written=written)
    stages.run_all(run, arguments.golden)
    print(f"\n{report.short_table(run)}\n\n{run.out / 'report.md'}")
    return 0 if report.succeeded(run) else 1


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    command_line.add_device(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="where report and pictures go")
    parser.add_argument("--minutes", metavar="N", type=float, default=8, help="in which all must be over (default: 8)")
    golden = Path(__file__).resolve().parents[1].parent / "shared/golden"
    parser.add_argument("--golden", metavar="DIR", type=Path, default=golden, help="the original's files, if there")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
