"""How fast poses are found in a folder of pictures: the person of each at the release's seven scales, beside the loop
that one writes in plain torch, picture after picture and scale after scale.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad

from cpm_repro.inference.beliefs import estimate_poses
from cpm_repro.inference.crops import PAD_VALUE, Person, center_map, read_upright
from cpm_repro.inference.protocol import RELEASE_SCALES, Protocol
from data_lmdb.images import MAX_PIXELS
from prototxt_import.files import scratch_folder
from prototxt_import.operations import Operations

from . import networks, tables
from .data import JPEG_QUALITY, drawn_record
from .measure import alternate, memory_of_process, ratio
from .networks import Case, Workload
from .plain_torch import PlainTorch


class PersonFile(NamedTuple):
    """A picture's file, and where its person is: 0-based pixels, height / 200 px."""

    path: Path
    center: tuple[float, float]
    scale: float


Way = Callable[[Case, Sequence[PersonFile]], networks.Run]


@contextmanager
def folder_of(count: int) -> Iterator[list[PersonFile]]:
    """So many pictures of drawn people, JPEGs of about 560 x 460 px, for as long as the context lasts."""
    with scratch_folder() as folder:
        files = []
        for index in range(count):
            record, path = drawn_record(index), folder / f"{index}.jpg"
            Image.fromarray(np.ascontiguousarray(record.image[..., ::-1])).save(path, quality=JPEG_QUALITY)
            x, y = (record.self_person.objpos - 1).tolist()
            files.append(PersonFile(path, (x, y), record.self_person.scale_provided))
        yield files


def run_engine(case: Case, files: Sequence[PersonFile], engine: str | Operations) -> networks.Run:
    """This project, as `cpm demo` goes through a folder; gives the joints (pictures, parts, 2)."""
    net = case.net(engine)
    protocol = Protocol.for_net(net)

    def run() -> np.ndarray:
        torch.set_num_threads(case.workload.threads)
        people = (Person(read_upright(file.path, MAX_PIXELS), file.center, file.scale) for file in files)
        return np.stack([pose.joints for (pose,) in estimate_poses(people, net, protocol)])

    return run


def run_torch(case: Case, files: Sequence[PersonFile], memory_format: torch.memory_format) -> networks.Run:
    """The loop, with the release's numbers; gives the same."""
    net = case.net()
    twin, protocol = PlainTorch(net).arranged(memory_format), Protocol.for_net(net)

    def maps(data: Tensor) -> Tensor:
        blobs = twin({case.input: data.contiguous(memory_format=memory_format)})
        found: Tensor = blobs[case.output]
        return found

    def run() -> np.ndarray:
        torch.set_num_threads(case.workload.threads)
        with torch.inference_mode():
            return np.stack([plain_joints(file, maps, protocol) for file in files])

    return run


def plain_joints(file: PersonFile, maps: Callable[[Tensor], Tensor], protocol: Protocol) -> np.ndarray:
    """(parts, 2): the peaks of the maps that are brought back to the picture and averaged."""
    with Image.open(file.path) as opened:
        pixels = torch.from_numpy(np.array(opened.convert("RGB"))[..., ::-1].copy())
    image = pixels.permute(2, 0, 1)[None].float()
    box, size = protocol.boxsize, image.shape[2:]
    centre = torch.from_numpy(center_map(box, protocol.sigma))[None, None]
    total = torch.zeros(())
    for multiplier in protocol.scales:
        factor = protocol.target_dist / file.scale * multiplier
        height, width = (max(1, round(length * factor)) for length in size)
        scaled = interpolate(image, (height, width), mode="bicubic", antialias=True).clamp(0, 255)
        left, top = (round(place * factor) - box // 2 for place in file.center)
        around = (left, width - box - left, top, height - box - top)  # what the crop lacks of the picture
        crop = pad(scaled, [-side for side in around], value=PAD_VALUE)
        belief = interpolate(maps(torch.cat([crop / 256 - 0.5, centre], 1)), (box, box), mode="bicubic")
        total = total + interpolate(pad(belief, around), size, mode="bicubic")
    best = total[0, :-1].flatten(1).argmax(1).numpy()
    return np.stack([best % size[1], best // size[1]], axis=1).astype(np.float64)


PEERS: dict[str, Way] = {
    "torch, one by one": partial(run_torch, memory_format=torch.contiguous_format),
    "torch, channels last, one by one": partial(run_torch, memory_format=torch.channels_last),
}


def measure(
    workload: Workload, engine: str | Operations, pictures: int, rounds: int, short: bool = False
) -> dict[str, Any]:
    """Rates in pictures/s, how many times as fast the engine is and, unless `short`, memory. (The weights are random:
    their maps' peaks say nothing.)"""
    ways: Mapping[str, Way] = {networks.engine_name(engine): partial(run_engine, engine=engine), **PEERS}
    with ExitStack() as stack:
        weights = stack.enter_context(networks.weights_of(workload))
        case, files = stack.enter_context(networks.case_of(workload, weights)), stack.enter_context(folder_of(pictures))
        runs = {name: networks.Pipeline(way(case, files), pictures) for name, way in ways.items()}
        rates = alternate(runs, rounds)
        memory = {name: None if short else memory_of_process(way, case, files) for name, way in ways.items()}
    ours, *others = runs
    return {
        "workload": f"{pictures} pictures, a person each, {len(RELEASE_SCALES)} scales: {workload}",
        "pipelines": rates,
        "ratios": {name: ratio(rates[ours], rates[name]) for name in others},
        "memory": memory,
    }


def text(report: dict[str, Any]) -> str:
    """The report as Markdown."""

    def memory(name: str) -> str:
        found = report["memory"][name]
        return tables.mebibytes(found and found["own"])

    table = tables.beside(report["pipelines"], "pictures/s", tables.per_second, {"memory, MiB": memory})
    remark = (
        "From file to joints. The loop decodes, resizes, runs the net and brings its maps back for one scale after the "
        "other. Memory: the peak of a process that does nothing else, without the libraries imported."
    )
    return f"**{report['workload']}**\n\n{table}\n\n{remark}"
