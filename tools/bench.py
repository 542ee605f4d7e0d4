"""Measures how fast this project is on the machine at hand, beside what else one could use, in the same run."""

import argparse
import json
from pathlib import Path

from cpm_repro import command_line
from cpm_repro.benchmark import Rates, available_cores, machine, ratio
from prototxt_import.files import replacing

EXAMPLE = """
python tools/bench.py data
python tools/bench.py data --lmdb lmdb/train --json data.json --plot data.png
"""

IMAGE_FACTORS = (1, 2, 4)
CROP_SIZES = (184, 368, 552, 736)
SIZES = (
    ("image_sizes", "megapixels", "megapixels of the image"),
    ("crop_sizes", "crop", "side of the crop, px"),
)
CARD_BATCH = 256


def bench_data(arguments: argparse.Namespace) -> dict:
    """All numbers of `data`: Rates where they are samples/s."""
    from cpm_repro import benchmark_data as data

    rounds, threads = arguments.rounds, arguments.threads or available_cores()
    with data.lmdb_of(arguments.lmdb) as lmdb:
        values = data.read_values(lmdb)
        rates, memory = data.one_thread(values, rounds)
        report = {
            "lmdb": "drawn people" if arguments.lmdb is None else str(arguments.lmdb),
            "opencv": data.opencv_version(),
            "one_thread": rates,
            "memory": memory,
            "bytes_per_sample": data.bytes_per_sample(values),
            "threads": data.over_threads(lmdb, thread_counts(threads), rounds, data.BATCH_SIZE),
            "image_sizes": data.over_image_sizes(values, IMAGE_FACTORS, rounds),
            "crop_sizes": data.over_crop_sizes(values, CROP_SIZES, rounds),
        }
        if "OpenCV" in rates:
            report["ratio"] = ratio(rates["cpm-repro"], rates["OpenCV"])
        if arguments.device == "cuda":
            report["card"] = bench_card(lmdb, values, threads, rounds)
    return report


def bench_card(lmdb: Path, values: list[bytes], threads: int, rounds: int) -> dict:
    """The kernels alone and the data layer on a card."""
    from cpm_kernels.cuda_sample import CudaSamples
    from cpm_repro import benchmark_data as data
    from cpm_repro.benchmark_card import measure_card

    transformer = data.transformer_for()
    (layer,) = data.over_threads(lmdb, [threads], rounds, CARD_BATCH, "cuda")
    pipeline = layer["rates"]["cpm-repro"].median
    return measure_card(transformer, values, CudaSamples(transformer.shape), pipeline, threads, CARD_BATCH)


def thread_counts(most: int) -> list[int]:
    """1, 2, 4, … up to `most`, and that."""
    counts = [1]
    while counts[-1] * 2 <= most:
        counts.append(counts[-1] * 2)
    return counts if counts[-1] == most else [*counts, most]


def show_data(report: dict) -> None:
    """The report as tables."""
    print(f"\n{report['lmdb']}, the release's transform (368 x 368), one thread, decoding included")
    for name, rates in report["one_thread"].items():
        memory = report["memory"][name]
        print(f"  {name:<12} {in_words(rates)}{'' if memory is None else f'; {memory / 2**20:.1f} MiB of memory'}")
    if "ratio" in report:
        print(f"  {'ratio':<12} {report['ratio']:.2f} x OpenCV {report['opencv']} (median of the rounds' ratios)")
    else:
        print('  OpenCV is not installed: only this project is measured (pip install -e ".[opencv]" for both)')
    record, sample = (report["bytes_per_sample"][name] / 2**10 for name in ("record", "sample"))
    print(f"  per sample {record:.0f} KiB of record read and {sample:.0f} KiB written")
    print("\nthe data layer, by threads")
    for row in report["threads"]:
        print(f"  {row['threads']:<12} {in_words(row['rates']['cpm-repro'])}")
    for key, what, label in SIZES:
        print(f"\none thread, by {label}")
        for row in report[key]:
            rates = ", ".join(f"{name} {rates.median:.0f}/s" for name, rates in row["rates"].items())
            print(f"  {row[what]:<12.3g} {rates}")
    if "card" in report:
        show_card(report["card"])


def show_card(card: dict) -> None:
    """What the kernels did."""
    print(f"\nthe card, batches of {CARD_BATCH}")
    moved, bandwidth = card["bytes_moved"] / 2**10, card["copy_bandwidth"] / 1e9
    print(f"  kernels alone   {card['kernels']:.0f} samples/s, {moved:.0f} KiB read and written each")
    share = f"{card['share_of_copy_bandwidth']:.0%} of a copy's {bandwidth:.0f} GB/s"
    print(f"  bandwidth       {share}: limited by {card['kernels_limited_by']}")
    print(f"  data layer      {card['pipeline']:.0f} samples/s, limited by {card['pipeline_limited_by']}")
    for name, bound in card["bounds"].items():
        print(f"                  {name} alone: {bound:.0f} samples/s")


def in_words(rates: Rates) -> str:
    return f"{rates.median:7.0f} samples/s ({min(rates.rounds):.0f} to {max(rates.rounds):.0f})"


def plot_data(report: dict, path: Path) -> None:
    from cpm_repro import figures

    def curve(rows: list[dict], key: str) -> dict:
        names = rows[0]["rates"]
        return {name: {row[key]: row["rates"][name] for row in rows} for name in names}

    curves = {"threads of the data layer": curve(report["threads"], "threads")}
    curves |= {label: curve(report[key], what) for key, what, label in SIZES}
    about = report["machine"]
    title = f"Training samples of {report['lmdb']}; {about['cpu']}, {about['date'][:10]}"
    figures.save(figures.rates_figure(report["one_thread"], curves, title), path)


def main(arguments: argparse.Namespace) -> None:
    from cpm_repro.figures import check_format

    if arguments.plot:
        check_format(arguments.plot)
    about = machine(arguments.device)
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    report = {"machine": about, "benchmark": arguments.benchmark, **bench_data(arguments)}
    show_data(report)
    if arguments.json:
        with replacing(arguments.json) as temporary:
            temporary.write_text(json.dumps(report, indent=1, default=Rates.as_json) + "\n", encoding="utf-8")
    if arguments.plot:
        plot_data(report, arguments.plot)


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    data = command_line.add_subparser(benchmarks, "data", "training samples: augmentation and label maps", EXAMPLE)
    data.add_argument("--lmdb", metavar="DIR", type=Path, help="records of 16 joints (default: drawn people)")
    data.add_argument(
        "--rounds", metavar="N", type=command_line.positive_integer, default=5, help="of every measurement (default: 5)"
    )
    command_line.add_threads(data)
    command_line.add_device(data)
    data.add_argument("--json", metavar="R.json", type=Path, help="write all numbers")
    data.add_argument("--plot", metavar="R.png", type=Path, help="draw them")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
