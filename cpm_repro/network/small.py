"""Pose machines that a CPU learns in hours: the stages of the paper (section 3.2) on 3x3 convolutions.

The paper's nets learn slowly from small random weights. Here every convolution but a stage's last has BatchNorm and
Scale behind it, the features are shared by all stages, and the later stages reach the whole person by dilation
instead of by 11x11 kernels. What makes it a pose machine is the paper's: belief maps after every stage, image
features and the previous maps and the centre map into the next, a loss per stage.
"""

from dataclasses import dataclass

from cpm_repro.network.builder import Builder, silence_unread
from prototxt_import.formats import schema


@dataclass(frozen=True)
class SmallCPM:
    """`parts` counts the joints, without background; `features` and `stage` are channels; a later stage has a 3x3
    convolution for each of `dilations`."""

    parts: int = 14
    stages: int = 3
    features: int = 96
    stage: int = 96
    dilations: tuple[int, ...] = (1, 2, 4, 2)


PERSON = SmallCPM(stages=2, features=64, stage=64)
"""Of the package's person detector, person-small."""


def small_deploy(spec: SmallCPM, size: tuple[int, int] = (184, 184), batch: int = 1) -> schema.NetParameter:
    """The net that makes belief maps: input `data` (batch, 4, height, width), one map blob of stride 8 per stage."""
    builder = Builder("msra")
    builder.input("data", (batch, 4, *size))
    builder.split_input()
    _stages(builder, spec, spec.parts + 1, ["pool_center_lower"], [])
    return builder.net


def small_train(
    spec: SmallCPM, source: str, batch: int, transform: schema.TransformationParameter
) -> schema.NetParameter:
    """The net with its CPMData layer and a loss per stage, as `specification.cpm_train` has them."""
    builder = Builder("msra")
    builder.data(source, batch, transform, spec.parts)
    builder.split_input()
    labels = ["label_1st_lower"] + ["label_lower"] * (spec.stages - 1)
    _stages(builder, spec, spec.parts + 1, ["pool_center_lower"], labels)
    return silence_unread(builder.net)


def small_person_deploy(spec: SmallCPM, size: tuple[int, int] = (184, 184)) -> schema.NetParameter:
    """The person detector: one map of stride 8 whose peaks are people's centres; input `image` (1, 3, H, W)."""
    builder = Builder("msra")
    builder.input("image", (1, 3, *size))
    _stages(builder, spec, 1, [], [])
    return builder.net


def small_person_train(
    spec: SmallCPM, source: str, batch: int, transform: schema.TransformationParameter
) -> schema.NetParameter:
    """The detector with its CPMData layer and a loss per stage, see `Builder.person_data`."""
    builder = Builder("msra")
    builder.person_data(source, batch, transform, spec.parts)
    _stages(builder, spec, 1, [], ["pool_center_lower"] * spec.stages)
    return builder.net


def small_solver(net: str, snapshot_prefix: str) -> schema.SolverParameter:
    """Adam whose rate falls in a straight line to 0 at `max_iter`."""
    return schema.SolverParameter(
        net=net,
        type="Adam",
        base_lr=2e-3,
        momentum=0.9,
        momentum2=0.999,
        delta=1e-8,
        lr_policy="poly",
        power=1,
        average_loss=50,
        display=10,
        max_iter=10000,
        snapshot=500,
        snapshot_prefix=snapshot_prefix,
        solver_mode=schema.SolverParameter.GPU,
    )


def _stages(builder: Builder, spec: SmallCPM, outputs: int, centre: list[str], labels: list[str]) -> None:
    """All stages, each with a loss against its label if there are any."""
    features = _features(builder, spec.features)
    top = _normalized(builder, "conv9_stage1", features, spec.features, 1)
    top = _maps(builder, "conv10_stage1", top, outputs)
    if labels:
        builder.euclidean_loss(1, top, labels[0])
    for stage in range(2, spec.stages + 1):
        top = builder.concat(stage, [features, top, *centre])
        top = _normalized(builder, f"Mconv1_stage{stage}", top, spec.stage, 1)
        for i in range(0, len(spec.dilations), 2):
            names = [f"Mconv{i + 2}_stage{stage}", f"Mconv{i + 3}_stage{stage}"]
            top = _residual(builder, names, top, spec.stage, spec.dilations[i : i + 2])
        top = _maps(builder, f"Mconv{len(spec.dilations) + 2}_stage{stage}", top, outputs)
        if labels:
            builder.euclidean_loss(stage, top, labels[stage - 1])


def _features(builder: Builder, width: int) -> str:
    """Image features for all stages, at an eighth of the image's size; a unit sees 87 pixels."""
    top = _normalized(builder, "conv1", "image", 32, 3, stride=2)
    top = _normalized(builder, "conv2", top, 64, 3, stride=2)
    top = _normalized(builder, "conv3", top, 64, 3)
    top = _normalized(builder, "conv4", top, width, 3, stride=2)
    top = _residual(builder, ["conv5", "conv6"], top, width, (1, 1))
    return _residual(builder, ["conv7", "conv8"], top, width, (1, 1))


def _residual(builder: Builder, names: list[str], bottom: str, width: int, dilations: tuple[int, ...]) -> str:
    """What two convolutions add to their bottom."""
    top = _normalized(builder, names[0], bottom, width, 3, dilation=dilations[0])
    top = _normalized(builder, names[1], top, width, 3, dilation=dilations[1], relu=False)
    name = names[1].replace("conv", "sum")
    builder.layer(name, "Eltwise", [bottom, top])
    return builder.relu(name.replace("sum", "relu"), name)


def _maps(builder: Builder, name: str, bottom: str, outputs: int) -> str:
    """A stage's belief maps, nearly empty before training: else the later stages first have to unlearn noise."""
    builder.convolution(name, bottom, outputs, 1, lr=1)
    filler = builder.net.layer[-1].convolution_param.weight_filler
    filler.type, filler.std = "gaussian", 0.001
    return name


def _normalized(
    builder: Builder,
    name: str,
    bottom: str,
    width: int,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
    relu: bool = True,
) -> str:
    """A convolution without bias, BatchNorm, Scale, ReLU, all but the first in place."""
    builder.convolution(name, bottom, width, kernel, lr=1, bias=False, stride=stride, dilation=dilation)
    norm = builder.layer(name.replace("conv", "norm"), "BatchNorm", [name], [name])
    norm.batch_norm_param.moving_average_fraction = 0.99
    for _ in range(3):  # moved by the layer itself, as its averages are
        norm.param.add(lr_mult=0, decay_mult=0)
    scale = builder.layer(name.replace("conv", "scale"), "Scale", [name], [name])
    scale.scale_param.bias_term = True
    for _ in range(2):
        scale.param.add(lr_mult=1, decay_mult=0)
    return builder.relu(name.replace("conv", "relu"), name) if relu else name
