"""The pose machines of the paper and the release as Caffe nets: CPM, CPM-VGG and the person detector (paper, figure 2).

Nets are built as NetParameter messages, layer by layer as the release's prototxts have them; `tools/make_prototxt.py`
writes them out.
"""

import itertools
from dataclasses import dataclass, field

from cpm_repro.network.builder import Builder, silence_unread
from prototxt_import.files import InputError
from prototxt_import.formats import schema


@dataclass(frozen=True)
class Widths:
    """Channels of a CPM's convolutions; the defaults are the paper's."""

    features: int = 128  # the three 9x9 convolutions on the image
    shared: int = 32  # the 5x5 convolution on the pooled features, in every stage
    local: int = 512  # conv5 and conv6 of stage 1
    stage: int = 128  # the 11x11 and 1x1 convolutions of the later stages


@dataclass(frozen=True)
class Kernels:
    """Sizes of a CPM's convolutions, one number per convolution, all odd; the defaults are the paper's.

    `stages` has the sizes of stage 2, of stage 3, …; its last entry holds for all stages that follow. The 1x1
    convolution that makes a stage's maps comes on top.
    """

    features: tuple[int, ...] = (9, 9, 9)  # on the image
    shared: int = 5  # on the pooled features, in every stage
    local: tuple[int, ...] = (9, 1)  # the rest of stage 1
    stages: tuple[tuple[int, ...], ...] = ((11, 11, 11, 1),)

    def of_stage(self, stage: int) -> tuple[int, ...]:
        """Of a later stage's own convolutions."""
        return self.stages[min(stage - 2, len(self.stages) - 1)]

    def check(self, poolings: int) -> None:
        """InputError if maps would not keep their size, or there are fewer convolutions on the image than poolings."""
        if not 1 <= poolings <= 4:
            raise InputError(f"the network: expected 1 to 4 poolings, found {poolings}")
        if len(self.features) < poolings:
            raise InputError(f"the network: expected {poolings} or more kernels on the image, found {self.features}")
        if not self.stages or not all(self.stages):
            raise InputError(f"the network: expected one or more kernels for each later stage, found {self.stages}")
        for size in (*self.features, self.shared, *self.local, *itertools.chain(*self.stages)):
            if size < 1 or size % 2 == 0:
                raise InputError(f"the network: expected odd kernel sizes, found {size}")


@dataclass(frozen=True)
class CPM:
    """What a Convolutional Pose Machine is made of (paper, section 3.2).

    `parts` counts the joints, without background. A pooling follows each of the first `poolings` convolutions on the
    image: the maps' stride is 2 ** poolings. With `dropout`, training drops conv5 and conv6 of stage 1.
    """

    parts: int = 14
    stages: int = 6
    widths: Widths = field(default_factory=Widths)
    kernels: Kernels = field(default_factory=Kernels)
    poolings: int = 3
    filler: str = "gaussian"
    filler_std: float = 0.01
    dropout: float = 0.0

    @property
    def stride(self) -> int:
        """Pixels of the image per unit of the maps."""
        return 1 << self.poolings


PRESETS = {"mpi": CPM(parts=14, stages=6), "leeds": CPM(parts=14, stages=6), "flic": CPM(parts=9, stages=4)}
"""The release's trained CPMs."""


def cpm_deploy(spec: CPM, size: tuple[int, int] = (368, 368), batch: int = 1) -> schema.NetParameter:
    """The CPM that makes belief maps: input `data` (batch, 4, height, width), one map blob per stage."""
    builder = Builder(spec.filler, spec.filler_std)
    builder.input("data", (batch, 4, *size))
    builder.split_input(spec.stride)
    _cpm_stages(builder, spec, losses=False)
    return builder.net


def cpm_train(spec: CPM, source: str, batch: int, transform: schema.TransformationParameter) -> schema.NetParameter:
    """The CPM with its CPMData layer and a loss per stage: stage 1 against everybody's joints, the later ones
    against the centred person's (paper, section 3.3). The transformation's `stride` must be the specification's."""
    if transform.stride != spec.stride:
        raise InputError(f"the network: expected labels of stride {spec.stride}, found {transform.stride}")
    builder = Builder(spec.filler, spec.filler_std)
    builder.data(source, batch, transform, spec.parts)
    builder.split_input(spec.stride)
    _cpm_stages(builder, spec, losses=True)
    return silence_unread(builder.net)


def _cpm_stages(builder: Builder, spec: CPM, losses: bool) -> None:
    spec.kernels.check(spec.poolings)
    maps = _stage_one(builder, spec, losses)
    for stage in range(2, spec.stages + 1):
        maps = _later_stage(builder, spec, stage, maps, losses)


def _features(builder: Builder, spec: CPM, stage: int, lr: float) -> str:
    """Convolutions, the first ones with a pooling each: the image features of stages 1 and 2 (x and x' in the
    paper)."""
    top = "image"
    for i, kernel in enumerate(spec.kernels.features, start=1):
        top = builder.convolution(
            f"conv{i}_stage{stage}", top, spec.widths.features, kernel, lr, f"relu{i}_stage{stage}"
        )
        if i <= spec.poolings:
            top = builder.pool(f"pool{i}_stage{stage}", top, 3, 2)
    return top


def _stage_one(builder: Builder, spec: CPM, losses: bool) -> str:
    lr = 5
    top = _features(builder, spec, 1, lr)
    i = len(spec.kernels.features) + 1
    top = builder.convolution(f"conv{i}_stage1", top, spec.widths.shared, spec.kernels.shared, lr, f"relu{i}_stage1")
    for drop, kernel in enumerate(spec.kernels.local, start=1):
        i += 1
        top = builder.convolution(f"conv{i}_stage1", top, spec.widths.local, kernel, lr, f"relu{i}_stage1")
        if losses and spec.dropout:
            layer = builder.layer(f"drop{drop}_stage1", "Dropout", [top], [top])
            layer.dropout_param.dropout_ratio = spec.dropout
    top = builder.convolution(f"conv{i + 1}_stage1", top, spec.parts + 1, 1, lr)
    if losses:
        builder.euclidean_loss(1, top, "label_1st_lower")
    return top


def _later_stage(builder: Builder, spec: CPM, stage: int, maps: str, losses: bool) -> str:
    """Image features, the previous stage's maps and the centre map, through a receptive field that sees all parts.

    Stage 2 has features of its own; every later stage shares them (`pool3_stage2`)."""
    lr = 1
    count = len(spec.kernels.features)
    last = "pool" if count == spec.poolings else "conv"
    shared = _features(builder, spec, 2, lr) if stage == 2 else f"{last}{count}_stage2"
    name = f"{count + 1 if stage == 2 else 1}_stage{stage}"
    top = builder.convolution(f"conv{name}", shared, spec.widths.shared, spec.kernels.shared, lr, f"relu{name}")
    top = builder.concat(stage, [top, maps, "pool_center_lower"])
    kernels = spec.kernels.of_stage(stage)
    for i, kernel in enumerate(kernels, start=1):
        name = f"{i}_stage{stage}"
        top = builder.convolution(f"Mconv{name}", top, spec.widths.stage, kernel, lr, f"Mrelu{name}")
    top = builder.convolution(f"Mconv{len(kernels) + 1}_stage{stage}", top, spec.parts + 1, 1, lr)
    if losses:
        builder.euclidean_loss(stage, top, "label_lower")
    return top


_VGG = ((1, 2, 64), (2, 2, 128), (3, 4, 256))
"""VGG-19's first three blocks: block, convolutions, channels; each ends in a 2x2 pooling."""


def _vgg(builder: Builder, widths: list[tuple[str, int]]) -> str:
    """VGG-19 up to pool3, then 3x3 convolutions of the given names (without `conv`) and channels."""
    top = "image"
    for block, count, width in _VGG:
        for i in range(1, count + 1):
            top = builder.convolution(f"conv{block}_{i}", top, width, 3, 1, relu=f"relu{block}_{i}")
        top = builder.pool(f"pool{block}_stage1", top, 2, 2)
    for name, width in widths:
        top = builder.convolution(f"conv{name}", top, width, 3, 1, relu=f"relu{name}")
    return top


def _vgg_stages(
    builder: Builder,
    stages: int,
    outputs: int,
    features: str,
    first: str,
    centre: list[str],
    relu_offset: int,
    labels: tuple[str, str] | None = None,
) -> None:
    """Stage 1 (two 1x1 convolutions, `conv<first>_1_CPM` and `_2_CPM`) and the later stages on shared features, each
    with a loss against its label, stage 1's or the later ones', if there are some."""
    top = builder.convolution(f"conv{first}_1_CPM", features, 512, 1, 1, relu=f"relu{first}_1_CPM")
    top = builder.convolution(f"conv{first}_2_CPM", top, outputs, 1, 1)
    if labels:
        builder.euclidean_loss(1, top, labels[0])
    for stage in range(2, stages + 1):
        top = builder.concat(stage, [top, features, *centre])
        for i in range(1, 7):
            kernel = 7 if i < 6 else 1
            relu = f"Mrelu{i + relu_offset}_stage{stage}"
            top = builder.convolution(f"Mconv{i}_stage{stage}", top, 128, kernel, 4, relu=relu)
        top = builder.convolution(f"Mconv7_stage{stage}", top, outputs, 1, 4)
        if labels:
            builder.euclidean_loss(stage, top, labels[1])


def vgg_deploy(parts: int = 14, stages: int = 6, size: tuple[int, int] = (368, 368)) -> schema.NetParameter:
    """CPM-VGG, the release's later model: VGG-19 features shared by all stages."""
    builder = Builder()
    builder.input("data", (1, 4, *size))
    builder.split_input()
    _cpm_vgg_stages(builder, stages, parts)
    return builder.net


def vgg_train(
    stages: int, source: str, batch: int, transform: schema.TransformationParameter, parts: int = 14
) -> schema.NetParameter:
    """CPM-VGG with its CPMData layer and a loss per stage, as `cpm_train` has them: the release gives its deploy net
    alone."""
    builder = Builder()
    builder.data(source, batch, transform, parts)
    builder.split_input()
    _cpm_vgg_stages(builder, stages, parts, ("label_1st_lower", "label_lower"))
    return silence_unread(builder.net)


def _cpm_vgg_stages(builder: Builder, stages: int, parts: int, labels: tuple[str, str] | None = None) -> None:
    own = [("4_1", 512), ("4_2", 512)] + [(f"4_{i}_CPM", 128 if i == 7 else 256) for i in range(3, 8)]
    _vgg_stages(builder, stages, parts + 1, _vgg(builder, own), "5", ["pool_center_lower"], 0, labels)


def person_deploy(stages: int = 4, size: tuple[int, int] = (376, 656)) -> schema.NetParameter:
    """The person detector: one map whose peaks are people's centres; input `image` (1, 3, height, width)."""
    builder = Builder()
    builder.input("image", (1, 3, *size))
    _person_stages(builder, stages)
    return builder.net


def person_train(
    stages: int, source: str, batch: int, transform: schema.TransformationParameter, parts: int = 14
) -> schema.NetParameter:
    """The person detector with its CPMData layer and a loss per stage, see `Builder.person_data`."""
    builder = Builder()
    builder.person_data(source, batch, transform, parts)
    _person_stages(builder, stages, ("pool_center_lower", "pool_center_lower"))
    return builder.net


def _person_stages(builder: Builder, stages: int, labels: tuple[str, str] | None = None) -> None:
    own = [(f"4_{i}", 512) for i in range(1, 5)] + [("5_1", 512), ("5_2_CPM", 128)]
    # The release numbers these ReLUs one higher than the convolutions they follow.
    _vgg_stages(builder, stages, 1, _vgg(builder, own), "6", [], 1, labels)


def release_transform() -> schema.TransformationParameter:
    """The augmentation that the release trained with (FLIC differs in num_parts and np_in_lmdb)."""
    return schema.TransformationParameter(
        stride=8,
        crop_size_x=368,
        crop_size_y=368,
        target_dist=1.171,
        scale_prob=1,
        scale_min=0.7,
        scale_max=1.3,
        max_rotate_degree=40,
        center_perterb_max=0,
        do_clahe=False,
    )


def release_solver(net: str, snapshot_prefix: str) -> schema.SolverParameter:
    """The solver that the release trained with."""
    return schema.SolverParameter(
        net=net,
        base_lr=8e-5,
        momentum=0.9,
        weight_decay=5e-4,
        lr_policy="step",
        gamma=0.333,
        stepsize=136106,
        display=5,
        max_iter=600000,
        snapshot=2000,
        snapshot_prefix=snapshot_prefix,
        solver_mode=schema.SolverParameter.GPU,
    )
