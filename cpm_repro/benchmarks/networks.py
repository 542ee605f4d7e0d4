"""The networks that are measured, and the ways to run them forward: this project's engines, and what else there is.

Every way starts from the same files, so that it can also start in a process of its own, where its memory is measured.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from cpm_repro.network.specification import (
    CPM,
    Widths,
    cpm_deploy,
    cpm_train,
    release_transform,
    vgg_deploy,
    vgg_train,
)
from cpm_repro.network.summary import summarize_layers
from prototxt_import.cuda_graphs import replayed
from prototxt_import.deployment import DEFAULT, Variant
from prototxt_import.files import InputError, naming, require, scratch_folder
from prototxt_import.formats import schema
from prototxt_import.formats.caffemodel import write_caffemodel
from prototxt_import.formats.prototxt import format_prototxt, parse_net, read_text
from prototxt_import.net import Net, load_net
from prototxt_import.operations import Operations

NETS = ("cpm", "vgg")
WIDTHS = Widths()
PARTS = 14
TIMES_FORWARD = 3  # an iteration of training: the gradients of data and weights take as much each

Run = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Workload:
    """What a network is asked to do.

    net: one of NETS, with `stages` stages on `batch` images of `size` x `size` px; or the path of a prototxt,
    which says all that itself, in that `variant`. phase: "TRAIN" for the net with its losses (one of NETS). threads: of
    the CPU. widths: of cpm.
    """

    net: str
    threads: int
    size: int = 368
    batch: int = 1
    stages: int = 6
    device: str = "cpu"
    phase: str = "TEST"
    variant: Variant = field(default=DEFAULT, hash=False)  # as input_shapes has no hash
    widths: Widths = field(default_factory=lambda: WIDTHS)

    @classmethod
    def of(
        cls, net: str, threads: int, device: str, phase: str, variant: Variant | None = None, **given: int | None
    ) -> "Workload":
        """With the defaults for what is None; InputError for sizes that the net cannot have or already says."""
        variant = variant or DEFAULT
        if net in NETS and (variant.changes or variant.phase != DEFAULT.phase):
            raise InputError(f"--net {net}: expected no --phase, --stage, --level, --input-shape beside it, found one")
        sizes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if net not in NETS and sizes:
            raise InputError(f"{net}: expected no {', '.join(sizes)} beside a prototxt, which says it, found one")
        if sizes.get("size", 368) % 8:
            raise InputError(f"--size: expected a multiple of 8, the belief maps' stride, found {sizes['size']}")
        return cls(net, threads, device=device, phase=phase, variant=variant, **sizes)

    @property
    def named(self) -> bool:
        return self.net in NETS

    def prototxt(self) -> str:
        """The net's text. All weights have He's filler, with which values neither vanish nor explode."""
        if self.phase == "TRAIN" and self.net == "vgg":
            param = vgg_train(self.stages, "records", self.batch, self._transform(), PARTS)
        elif self.phase == "TRAIN":
            param = cpm_train(CPM(PARTS, self.stages, self.widths), "records", self.batch, self._transform())
        elif self.net == "cpm":
            param = cpm_deploy(CPM(PARTS, self.stages, self.widths), (self.size, self.size), self.batch)
        elif self.net == "vgg":
            param = vgg_deploy(PARTS, self.stages, (self.size, self.size))
            param.input_shape[0].dim[0] = self.batch
        else:
            param = self.variant.alone(read_text(self.net), self.net)
        for layer in param.layer:
            for learned in ("convolution_param", "inner_product_param"):
                if layer.HasField(learned):
                    getattr(layer, learned).weight_filler.type = "msra"
        return format_prototxt(param)

    def _transform(self) -> schema.TransformationParameter:
        param = release_transform()
        param.crop_size_x = param.crop_size_y = self.size
        return param

    def __str__(self) -> str:
        threads = f"{self.threads} thread" + "s" * (self.threads > 1)
        where = threads if self.device == "cpu" else self.device
        if not self.named:
            return f"{Path(self.net).name}, {where}"
        return f"{self.net}, {self.stages} stages, {self.size} x {self.size}, batch {self.batch}, {where}"


@dataclass(frozen=True)
class Case:
    """A workload's files, and what the net is: input and output blob, work and least traffic of one pass, or
    of an iteration in the TRAIN phase."""

    workload: Workload
    folder: Path
    weights: Path
    input: str
    shape: tuple[int, ...]
    output: str
    flop: int
    moved: int  # bytes of the weights, and of bottoms and tops of the layers that have some

    @property
    def prototxt(self) -> Path:
        return self.folder / "net.prototxt"

    @property
    def onnx(self) -> Path:
        return self.folder / "net.onnx"

    @property
    def data(self) -> np.ndarray:
        """The input, float32: always the same random numbers."""
        random = np.random.default_rng(1)
        return (random.standard_normal(self.shape) / 4).astype(np.float32)

    def net(self, engine: str | Operations = "fast") -> Net:
        """The net with its weights, on the device."""
        torch.set_num_threads(self.workload.threads)
        return load_net(self.prototxt, self.weights, self.workload.phase, engine).to(self.workload.device)


def _shapes(workload: Workload) -> Net:
    """The net without memory for its weights; InputErrors name it."""
    param = parse_net(workload.prototxt(), workload.net)
    with naming(workload.net):
        return Net(param, workload.phase, only_shapes=True)


@contextmanager
def weights_of(workload: Workload) -> Iterator[Path]:
    """A temporary `.caffemodel` for the workload and for all that differ in size or batch or have fewer stages."""
    with scratch_folder() as folder:
        net = _shapes(workload)
        if not net.learnable:
            raise InputError(f"{workload.net}: expected a layer with weights, found none")
        net.allocate(seed=1)
        path = folder / "net.caffemodel"
        write_caffemodel(path, net.to_caffemodel())
        yield path


@contextmanager
def case_of(workload: Workload, weights: Path) -> Iterator[Case]:
    """The workload's files, for as long as the context lasts."""
    with TemporaryDirectory(prefix="case-", dir=weights.parent) as folder:
        (Path(folder) / "net.prototxt").write_text(workload.prototxt(), encoding="utf-8")
        net = _shapes(workload)
        name, shape = next(iter(net.input_shapes.items()), ("", ()))
        if workload.phase == "TEST" and (len(net.input_shapes) != 1 or len(shape) != 4):
            raise InputError(f"{workload.net}: expected one input blob of 4 axes, found {net.input_shapes}")
        outputs = [top for layer in net.param.layer for top in layer.top if top in net.output_names]
        require(workload.net, bool(outputs), "a net with an output blob", "all of them silenced")
        layers = {layer.name: layer for layer in summarize_layers(net)}
        moved = sum(blob.parameter.numel() for blob in net.learnable)
        for spec in net.param.layer:
            if spec.name in layers and layers[spec.name].flop:
                moved += sum(int(np.prod(net.blob_shapes[blob])) for blob in (*spec.bottom, *spec.top))
        flop = sum(layer.flop for layer in layers.values())
        work = [n * (TIMES_FORWARD if workload.phase == "TRAIN" else 1) for n in (flop, 4 * moved)]
        yield Case(workload, Path(folder), weights, name, shape, outputs[-1], *work)


def run_engine(case: Case, engine: str | Operations) -> Run:
    """This project, as its tools run a net."""
    net = case.net(engine)
    return _run_torch(case, lambda inputs: replayed(net)(inputs, [case.output]))


def run_torch(
    case: Case, memory_format: torch.memory_format, tf32: bool = False, dtype: torch.dtype = torch.float32
) -> Run:
    """Plain torch; on a card with cudnn.benchmark."""
    from .plain_torch import PlainTorch

    twin = PlainTorch(case.net()).arranged(memory_format, dtype)
    run = _run_torch(case, twin, memory_format, dtype)

    def measured() -> np.ndarray:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=tf32):
            return run()

    return measured


def _run_torch(
    case: Case,
    forward: Callable[[dict[str, torch.Tensor]], Mapping[str, torch.Tensor]],
    memory_format: torch.memory_format = torch.contiguous_format,
    dtype: torch.dtype = torch.float32,
) -> Run:
    data = torch.from_numpy(case.data).to(case.workload.device, dtype, memory_format=memory_format)
    threads = case.workload.threads

    def run() -> np.ndarray:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            return forward({case.input: data})[case.output].float().cpu().numpy()

    return run


def run_opencv(case: Case) -> Run:
    """OpenCV's dnn module, from prototxt and caffemodel."""
    import cv2

    try:
        net = cv2.dnn.readNetFromCaffe(str(case.prototxt), str(case.weights))
    except (cv2.error, AttributeError) as error:  # OpenCV 5 has no reader for Caffe's files
        raise InputError(f"cannot read this net ({' '.join(str(error).split())[:120]})") from None
    data, threads = case.data, case.workload.threads

    def run() -> np.ndarray:
        before = cv2.getNumThreads()
        cv2.setNumThreads(threads)
        net.setInput(data)
        maps = net.forward()
        cv2.setNumThreads(before)
        return maps

    return run


def _exported(case: Case) -> Path:
    """The net as ONNX, written once."""
    if not case.onnx.exists():
        from cpm_repro.convert.onnx_export import save_onnx

        save_onnx(case.onnx, case.net(), "")
    return case.onnx


def run_onnx(case: Case) -> Run:
    """ONNX Runtime, from this project's export."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.workload.threads
    options.add_session_config_entry("session.force_spinning_stop", "1")  # its threads would slow down the next
    session = onnxruntime.InferenceSession(_exported(case), options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: case.data}
    return lambda: session.run([case.output], inputs)[0]


def run_openvino(case: Case, precision: str | None = None) -> Run:
    """OpenVINO, from the same export, for the least latency; precision: "f32", or its choice for the machine."""
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": case.workload.threads}
    settings |= {"INFERENCE_PRECISION_HINT": precision} if precision else {}
    compiled = openvino.Core().compile_model(str(_exported(case)), "CPU", settings)
    request, data = compiled.create_infer_request(), case.data
    output = compiled.output(case.output)
    return lambda: np.array(request.infer([data])[output], np.float32)


def run_compiled(case: Case) -> Run:
    """Plain torch through torch.compile (inductor), which needs a C++ compiler."""
    from .plain_torch import PlainTorch

    twin = PlainTorch(case.net()).arranged(torch.channels_last)
    return _run_torch(case, torch.compile(twin), torch.channels_last)


CHANNELS_LAST = "torch, channels last"
COMPILED = "torch.compile, channels last"
ONNX_RUNTIME = "ONNX Runtime"
OPENVINO = "OpenVINO, its own precision"

_TORCH = {
    "torch": partial(run_torch, memory_format=torch.contiguous_format),
    CHANNELS_LAST: partial(run_torch, memory_format=torch.channels_last),
}
PEERS: dict[str, dict[str, Callable[[Case], Run]]] = {
    "cpu": {
        **_TORCH,
        COMPILED: run_compiled,
        "OpenCV dnn": run_opencv,
        ONNX_RUNTIME: run_onnx,
        "OpenVINO, float32": partial(run_openvino, precision="f32"),
        OPENVINO: run_openvino,
    },
    "cuda": {
        **_TORCH,
        f"{CHANNELS_LAST}, TF32": partial(run_torch, memory_format=torch.channels_last, tf32=True),
        f"{CHANNELS_LAST}, bf16": partial(run_torch, memory_format=torch.channels_last, dtype=torch.bfloat16),
    },
}
"""What else runs the net, by device and name; raises ImportError or InputError where it cannot."""


def engine_name(engine: str | Operations) -> str:
    """What tables call this project's way."""
    return f"{engine} engine"


@dataclass
class Pipeline:
    """For `measure.alternate`: counts images (of an iteration, too), and keeps what came out last."""

    run: Callable[[], Any]
    count: int
    result: Any = field(default=None, repr=False)

    def __call__(self) -> int:
        self.result = self.run()
        return self.count


def opened(
    case: Case, ways: Mapping[str, Callable[[Case], Callable[[], Any]]]
) -> tuple[dict[str, Pipeline], dict[str, str]]:
    """The pipelines that are there, each ready to run, and for the others why they are not."""
    pipelines, missing = {}, {}
    for name, way in ways.items():
        try:
            pipelines[name] = Pipeline(way(case), case.shape[0])
        except ImportError as error:
            missing[name] = f"{error.name or 'a package'} is not installed"
        except InputError as error:
            missing[name] = str(error)
    return pipelines, missing
