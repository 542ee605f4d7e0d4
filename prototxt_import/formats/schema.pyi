"""The message classes of schema.py, written by stub.py from caffe.proto and forks.proto."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer, RepeatedScalarFieldContainer
from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper
from google.protobuf.message import Message

TRAIN: int
TEST: int

class AccuracyParameter(Message):
    top_k: int
    axis: int
    ignore_label: int
    def __init__(
        self,
        *,
        top_k: int | None = ...,
        axis: int | None = ...,
        ignore_label: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> AccuracyParameter: ...

class ArgMaxParameter(Message):
    out_max_val: bool
    top_k: int
    axis: int
    def __init__(
        self,
        *,
        out_max_val: bool | None = ...,
        top_k: int | None = ...,
        axis: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ArgMaxParameter: ...

class AugmentationParameter(Message):
    augment_during_test: bool
    recompute_mean: int
    mean_per_pixel: bool
    @property
    def mean(self) -> RepeatedScalarFieldContainer[float]: ...
    max_multiplier: float
    crop_width: int
    crop_height: int
    def __init__(
        self,
        *,
        augment_during_test: bool | None = ...,
        recompute_mean: int | None = ...,
        mean_per_pixel: bool | None = ...,
        mean: Iterable[float] | None = ...,
        max_multiplier: float | None = ...,
        crop_width: int | None = ...,
        crop_height: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> AugmentationParameter: ...

class BBoxRegParameter(Message):
    @property
    def bbox_mean(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def bbox_std(self) -> RepeatedScalarFieldContainer[float]: ...
    cls_aware: bool
    def __init__(
        self,
        *,
        bbox_mean: Iterable[float] | None = ...,
        bbox_std: Iterable[float] | None = ...,
        cls_aware: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BBoxRegParameter: ...

class BNParameter(Message):
    BNMode: ClassVar[_EnumTypeWrapper[Any]]
    LEARN: ClassVar[int]
    INFERENCE: ClassVar[int]
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    @property
    def scale_filler(self) -> FillerParameter: ...
    @property
    def shift_filler(self) -> FillerParameter: ...
    bn_mode: int
    @property
    def slope_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    momentum: float
    eps: float
    frozen: bool
    engine: int
    moving_average: bool
    decay: float
    var_eps: float
    def __init__(
        self,
        *,
        scale_filler: FillerParameter | Mapping[str, Any] | None = ...,
        shift_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bn_mode: int | str | None = ...,
        slope_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
        momentum: float | None = ...,
        eps: float | None = ...,
        frozen: bool | None = ...,
        engine: int | str | None = ...,
        moving_average: bool | None = ...,
        decay: float | None = ...,
        var_eps: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BNParameter: ...

class BReLUParameter(Message):
    minval: float
    maxval: float
    def __init__(
        self,
        *,
        minval: float | None = ...,
        maxval: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BReLUParameter: ...

class BatchNormParameter(Message):
    use_global_stats: bool
    moving_average_fraction: float
    eps: float
    @property
    def scale_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    scale_bias: bool
    engine: int
    def __init__(
        self,
        *,
        use_global_stats: bool | None = ...,
        moving_average_fraction: float | None = ...,
        eps: float | None = ...,
        scale_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
        scale_bias: bool | None = ...,
        engine: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BatchNormParameter: ...

class BiasParameter(Message):
    axis: int
    num_axes: int
    @property
    def filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        axis: int | None = ...,
        num_axes: int | None = ...,
        filler: FillerParameter | Mapping[str, Any] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BiasParameter: ...

class BlobProto(Message):
    num: int
    channels: int
    height: int
    width: int
    @property
    def data(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def diff(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def shape(self) -> BlobShape: ...
    @property
    def double_data(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def double_diff(self) -> RepeatedScalarFieldContainer[float]: ...
    raw_data_type: int
    raw_diff_type: int
    raw_data: bytes
    raw_diff: bytes
    def __init__(
        self,
        *,
        num: int | None = ...,
        channels: int | None = ...,
        height: int | None = ...,
        width: int | None = ...,
        data: Iterable[float] | None = ...,
        diff: Iterable[float] | None = ...,
        shape: BlobShape | Mapping[str, Any] | None = ...,
        double_data: Iterable[float] | None = ...,
        double_diff: Iterable[float] | None = ...,
        raw_data_type: int | str | None = ...,
        raw_diff_type: int | str | None = ...,
        raw_data: bytes | None = ...,
        raw_diff: bytes | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BlobProto: ...

class BlobProtoVector(Message):
    @property
    def blobs(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    def __init__(
        self,
        *,
        blobs: Iterable[BlobProto | Mapping[str, Any]] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BlobProtoVector: ...

class BlobShape(Message):
    @property
    def dim(self) -> RepeatedScalarFieldContainer[int]: ...
    def __init__(
        self,
        *,
        dim: Iterable[int] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BlobShape: ...

class BoxAnnotatorOHEMParameter(Message):
    roi_per_img: int
    ignore_label: int
    def __init__(
        self,
        *,
        roi_per_img: int | None = ...,
        ignore_label: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BoxAnnotatorOHEMParameter: ...

class BoxGroupOutputParameter(Message):
    fg_thr: float
    iou_thr: float
    nms_type: str
    @property
    def box_group_param(self) -> RepeatedCompositeFieldContainer[BoxGroupParameter]: ...
    field_whr: float
    field_xyr: float
    max_nms_num: int
    max_post_nms_num: int
    min_size: float
    def __init__(
        self,
        *,
        fg_thr: float | None = ...,
        iou_thr: float | None = ...,
        nms_type: str | None = ...,
        box_group_param: Iterable[BoxGroupParameter | Mapping[str, Any]] | None = ...,
        field_whr: float | None = ...,
        field_xyr: float | None = ...,
        max_nms_num: int | None = ...,
        max_post_nms_num: int | None = ...,
        min_size: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BoxGroupOutputParameter: ...

class BoxGroupParameter(Message):
    @property
    def field_h(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def field_w(self) -> RepeatedScalarFieldContainer[int]: ...
    stride: int
    def __init__(
        self,
        *,
        field_h: Iterable[int] | None = ...,
        field_w: Iterable[int] | None = ...,
        stride: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BoxGroupParameter: ...

class BoxOutputParameter(Message):
    fg_thr: float
    iou_thr: float
    nms_type: str
    @property
    def field_h(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def field_w(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def downsample_rate(self) -> RepeatedScalarFieldContainer[int]: ...
    field_whr: float
    field_xyr: float
    max_nms_num: int
    max_post_nms_num: int
    min_size: float
    num_param_set: int
    ringpad: bool
    def __init__(
        self,
        *,
        fg_thr: float | None = ...,
        iou_thr: float | None = ...,
        nms_type: str | None = ...,
        field_h: Iterable[int] | None = ...,
        field_w: Iterable[int] | None = ...,
        downsample_rate: Iterable[int] | None = ...,
        field_whr: float | None = ...,
        field_xyr: float | None = ...,
        max_nms_num: int | None = ...,
        max_post_nms_num: int | None = ...,
        min_size: float | None = ...,
        num_param_set: int | None = ...,
        ringpad: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BoxOutputParameter: ...

class CPMDataParameter(Message):
    DB: ClassVar[_EnumTypeWrapper[Any]]
    LEVELDB: ClassVar[int]
    LMDB: ClassVar[int]
    source: str
    batch_size: int
    rand_skip: int
    backend: int
    lbl_source: str
    prefetch: int
    def __init__(
        self,
        *,
        source: str | None = ...,
        batch_size: int | None = ...,
        rand_skip: int | None = ...,
        backend: int | str | None = ...,
        lbl_source: str | None = ...,
        prefetch: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> CPMDataParameter: ...

class CenterLossParameter(Message):
    num_output: int
    @property
    def center_filler(self) -> FillerParameter: ...
    axis: int
    def __init__(
        self,
        *,
        num_output: int | None = ...,
        center_filler: FillerParameter | Mapping[str, Any] | None = ...,
        axis: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> CenterLossParameter: ...

class ClipParameter(Message):
    min: float
    max: float
    def __init__(
        self,
        *,
        min: float | None = ...,
        max: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ClipParameter: ...

class ConcatParameter(Message):
    concat_dim: int
    axis: int
    engine: int
    def __init__(
        self,
        *,
        concat_dim: int | None = ...,
        axis: int | None = ...,
        engine: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ConcatParameter: ...

class ContinuationIndicatorParameter(Message):
    time_step: int
    batch_size: int
    def __init__(
        self,
        *,
        time_step: int | None = ...,
        batch_size: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ContinuationIndicatorParameter: ...

class ContrastiveLossParameter(Message):
    margin: float
    legacy_version: bool
    def __init__(
        self,
        *,
        margin: float | None = ...,
        legacy_version: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ContrastiveLossParameter: ...

class ConvolutionParameter(Message):
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    MKL2017: ClassVar[int]
    MKLDNN: ClassVar[int]
    SPATIAL: ClassVar[int]
    INTEL_SPATIAL: ClassVar[int]
    LIBDNN: ClassVar[int]
    num_output: int
    bias_term: bool
    @property
    def pad(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def kernel_size(self) -> RepeatedScalarFieldContainer[int]: ...
    group: int
    @property
    def stride(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    pad_h: int
    pad_w: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    engine: int
    axis: int
    force_nd_im2col: bool
    @property
    def dilation(self) -> RepeatedScalarFieldContainer[int]: ...
    hole: int
    hole_h: int
    hole_w: int
    kernel_depth: int
    temporal_pad: int
    temporal_stride: int
    conv_algos_override: str
    def __init__(
        self,
        *,
        num_output: int | None = ...,
        bias_term: bool | None = ...,
        pad: Iterable[int] | None = ...,
        kernel_size: Iterable[int] | None = ...,
        group: int | None = ...,
        stride: Iterable[int] | None = ...,
        weight_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
        pad_h: int | None = ...,
        pad_w: int | None = ...,
        kernel_h: int | None = ...,
        kernel_w: int | None = ...,
        stride_h: int | None = ...,
        stride_w: int | None = ...,
        engine: int | str | None = ...,
        axis: int | None = ...,
        force_nd_im2col: bool | None = ...,
        dilation: Iterable[int] | None = ...,
        hole: int | None = ...,
        hole_h: int | None = ...,
        hole_w: int | None = ...,
        kernel_depth: int | None = ...,
        temporal_pad: int | None = ...,
        temporal_stride: int | None = ...,
        conv_algos_override: str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ConvolutionParameter: ...

class CorrelationParameter(Message):
    CorrelationType: ClassVar[_EnumTypeWrapper[Any]]
    MULTIPLY: ClassVar[int]
    SUBTRACT: ClassVar[int]
    pad: int
    kernel_size: int
    max_displacement: int
    stride_1: int
    stride_2: int
    do_abs: bool
    single_direction: int
    correlation_type: int
    def __init__(
        self,
        *,
        pad: int | None = ...,
        kernel_size: int | None = ...,
        max_displacement: int | None = ...,
        stride_1: int | None = ...,
        stride_2: int | None = ...,
        do_abs: bool | None = ...,
        single_direction: int | None = ...,
        correlation_type: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> CorrelationParameter: ...

class CropParameter(Message):
    axis: int
    @property
    def offset(self) -> RepeatedScalarFieldContainer[int]: ...
    align: bool
    def __init__(
        self,
        *,
        axis: int | None = ...,
        offset: Iterable[int] | None = ...,
        align: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> CropParameter: ...

class DataParameter(Message):
    DB: ClassVar[_EnumTypeWrapper[Any]]
    LEVELDB: ClassVar[int]
    LMDB: ClassVar[int]
    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    rand_skip: int
    backend: int
    force_encoded_color: bool
    prefetch: int
    def __init__(
        self,
        *,
        source: str | None = ...,
        scale: float | None = ...,
        mean_file: str | None = ...,
        batch_size: int | None = ...,
        crop_size: int | None = ...,
        mirror: bool | None = ...,
        rand_skip: int | None = ...,
        backend: int | str | None = ...,
        force_encoded_color: bool | None = ...,
        prefetch: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> DataParameter: ...

class Datum(Message):
    channels: int
    height: int
    width: int
    data: bytes
    label: int
    @property
    def float_data(self) -> RepeatedScalarFieldContainer[float]: ...
    encoded: bool
    meta: bytes
    def __init__(
        self,
        *,
        channels: int | None = ...,
        height: int | None = ...,
        width: int | None = ...,
        data: bytes | None = ...,
        label: int | None = ...,
        float_data: Iterable[float] | None = ...,
        encoded: bool | None = ...,
        meta: bytes | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> Datum: ...

class DeformableConvolutionParameter(Message):
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    num_output: int
    bias_term: bool
    @property
    def pad(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def kernel_size(self) -> RepeatedScalarFieldContainer[int]: ...
    group: int
    @property
    def stride(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    pad_h: int
    pad_w: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    engine: int
    axis: int
    force_nd_im2col: bool
    @property
    def dilation(self) -> RepeatedScalarFieldContainer[int]: ...
    deformable_group: int
    def __init__(
        self,
        *,
        num_output: int | None = ...,
        bias_term: bool | None = ...,
        pad: Iterable[int] | None = ...,
        kernel_size: Iterable[int] | None = ...,
        group: int | None = ...,
        stride: Iterable[int] | None = ...,
        weight_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
        pad_h: int | None = ...,
        pad_w: int | None = ...,
        kernel_h: int | None = ...,
        kernel_w: int | None = ...,
        stride_h: int | None = ...,
        stride_w: int | None = ...,
        engine: int | str | None = ...,
        axis: int | None = ...,
        force_nd_im2col: bool | None = ...,
        dilation: Iterable[int] | None = ...,
        deformable_group: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> DeformableConvolutionParameter: ...

class DetectionOutputParameter(Message):
    num_classes: int
    share_location: bool
    background_label_id: int
    @property
    def nms_param(self) -> NonMaximumSuppressionParameter: ...
    @property
    def save_output_param(self) -> SaveOutputParameter: ...
    code_type: int
    keep_top_k: int
    variance_encoded_in_target: bool
    confidence_threshold: float
    visualize: bool
    visualize_threshold: float
    save_file: str
    objectness_score: float
    def __init__(
        self,
        *,
        num_classes: int | None = ...,
        share_location: bool | None = ...,
        background_label_id: int | None = ...,
        nms_param: NonMaximumSuppressionParameter | Mapping[str, Any] | None = ...,
        save_output_param: SaveOutputParameter | Mapping[str, Any] | None = ...,
        code_type: int | str | None = ...,
        keep_top_k: int | None = ...,
        variance_encoded_in_target: bool | None = ...,
        confidence_threshold: float | None = ...,
        visualize: bool | None = ...,
        visualize_threshold: float | None = ...,
        save_file: str | None = ...,
        objectness_score: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> DetectionOutputParameter: ...

class DownsampleParameter(Message):
    top_height: int
    top_width: int
    def __init__(
        self,
        *,
        top_height: int | None = ...,
        top_width: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> DownsampleParameter: ...

class DropoutParameter(Message):
    dropout_ratio: float
    scale_train: bool
    sample_weights_test: bool
    def __init__(
        self,
        *,
        dropout_ratio: float | None = ...,
        scale_train: bool | None = ...,
        sample_weights_test: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> DropoutParameter: ...

class DummyDataParameter(Message):
    @property
    def data_filler(self) -> RepeatedCompositeFieldContainer[FillerParameter]: ...
    @property
    def num(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def channels(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def height(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def width(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def shape(self) -> RepeatedCompositeFieldContainer[BlobShape]: ...
    def __init__(
        self,
        *,
        data_filler: Iterable[FillerParameter | Mapping[str, Any]] | None = ...,
        num: Iterable[int] | None = ...,
        channels: Iterable[int] | None = ...,
        height: Iterable[int] | None = ...,
        width: Iterable[int] | None = ...,
        shape: Iterable[BlobShape | Mapping[str, Any]] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> DummyDataParameter: ...

class ELUParameter(Message):
    alpha: float
    def __init__(
        self,
        *,
        alpha: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ELUParameter: ...

class EltwiseParameter(Message):
    EltwiseOp: ClassVar[_EnumTypeWrapper[Any]]
    PROD: ClassVar[int]
    SUM: ClassVar[int]
    MAX: ClassVar[int]
    operation: int
    @property
    def coeff(self) -> RepeatedScalarFieldContainer[float]: ...
    stable_prod_grad: bool
    engine: int
    def __init__(
        self,
        *,
        operation: int | str | None = ...,
        coeff: Iterable[float] | None = ...,
        stable_prod_grad: bool | None = ...,
        engine: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> EltwiseParameter: ...

class EmbedParameter(Message):
    num_output: int
    input_dim: int
    bias_term: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        num_output: int | None = ...,
        input_dim: int | None = ...,
        bias_term: bool | None = ...,
        weight_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> EmbedParameter: ...

class ExpParameter(Message):
    base: float
    scale: float
    shift: float
    def __init__(
        self,
        *,
        base: float | None = ...,
        scale: float | None = ...,
        shift: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ExpParameter: ...

class FillerParameter(Message):
    VarianceNorm: ClassVar[_EnumTypeWrapper[Any]]
    FAN_IN: ClassVar[int]
    FAN_OUT: ClassVar[int]
    AVERAGE: ClassVar[int]
    type: str
    value: float
    min: float
    max: float
    mean: float
    std: float
    sparse: int
    variance_norm: int
    alpha: float
    file: str
    def __init__(
        self,
        *,
        type: str | None = ...,
        value: float | None = ...,
        min: float | None = ...,
        max: float | None = ...,
        mean: float | None = ...,
        std: float | None = ...,
        sparse: int | None = ...,
        variance_norm: int | str | None = ...,
        alpha: float | None = ...,
        file: str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> FillerParameter: ...

class FlattenParameter(Message):
    axis: int
    end_axis: int
    def __init__(
        self,
        *,
        axis: int | None = ...,
        end_axis: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> FlattenParameter: ...

class FlipParameter(Message):
    flip_width: bool
    flip_height: bool
    def __init__(
        self,
        *,
        flip_width: bool | None = ...,
        flip_height: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> FlipParameter: ...

class FlowWarpParameter(Message):
    FillParameter: ClassVar[_EnumTypeWrapper[Any]]
    ZERO: ClassVar[int]
    NOT_A_NUMBER: ClassVar[int]
    fill_value: int
    def __init__(
        self,
        *,
        fill_value: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> FlowWarpParameter: ...

class HDF5DataParameter(Message):
    source: str
    batch_size: int
    shuffle: bool
    def __init__(
        self,
        *,
        source: str | None = ...,
        batch_size: int | None = ...,
        shuffle: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> HDF5DataParameter: ...

class HDF5OutputParameter(Message):
    file_name: str
    def __init__(
        self,
        *,
        file_name: str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> HDF5OutputParameter: ...

class HardSigmoidParameter(Message):
    alpha: float
    beta: float
    def __init__(
        self,
        *,
        alpha: float | None = ...,
        beta: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> HardSigmoidParameter: ...

class HingeLossParameter(Message):
    Norm: ClassVar[_EnumTypeWrapper[Any]]
    L1: ClassVar[int]
    L2: ClassVar[int]
    norm: int
    def __init__(
        self,
        *,
        norm: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> HingeLossParameter: ...

class ImageDataParameter(Message):
    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    rand_skip: int
    shuffle: bool
    new_height: int
    new_width: int
    is_color: bool
    root_folder: str
    def __init__(
        self,
        *,
        source: str | None = ...,
        scale: float | None = ...,
        mean_file: str | None = ...,
        batch_size: int | None = ...,
        crop_size: int | None = ...,
        mirror: bool | None = ...,
        rand_skip: int | None = ...,
        shuffle: bool | None = ...,
        new_height: int | None = ...,
        new_width: int | None = ...,
        is_color: bool | None = ...,
        root_folder: str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ImageDataParameter: ...

class InfogainLossParameter(Message):
    source: str
    axis: int
    def __init__(
        self,
        *,
        source: str | None = ...,
        axis: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> InfogainLossParameter: ...

class InnerProductParameter(Message):
    num_output: int
    bias_term: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    axis: int
    transpose: bool
    engine: int
    def __init__(
        self,
        *,
        num_output: int | None = ...,
        bias_term: bool | None = ...,
        weight_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
        axis: int | None = ...,
        transpose: bool | None = ...,
        engine: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> InnerProductParameter: ...

class InputParameter(Message):
    @property
    def shape(self) -> RepeatedCompositeFieldContainer[BlobShape]: ...
    def __init__(
        self,
        *,
        shape: Iterable[BlobShape | Mapping[str, Any]] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> InputParameter: ...

class InsanityParameter(Message):
    lb: float
    ub: float
    def __init__(
        self,
        *,
        lb: float | None = ...,
        ub: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> InsanityParameter: ...

class InterpParameter(Message):
    height: int
    width: int
    zoom_factor: int
    shrink_factor: int
    pad_beg: int
    pad_end: int
    def __init__(
        self,
        *,
        height: int | None = ...,
        width: int | None = ...,
        zoom_factor: int | None = ...,
        shrink_factor: int | None = ...,
        pad_beg: int | None = ...,
        pad_end: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> InterpParameter: ...

class L1LossParameter(Message):
    l2_per_location: bool
    l2_prescale_by_channels: bool
    normalize_by_num_entries: bool
    epsilon: float
    plateau: float
    def __init__(
        self,
        *,
        l2_per_location: bool | None = ...,
        l2_prescale_by_channels: bool | None = ...,
        normalize_by_num_entries: bool | None = ...,
        epsilon: float | None = ...,
        plateau: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> L1LossParameter: ...

class LRNParameter(Message):
    NormRegion: ClassVar[_EnumTypeWrapper[Any]]
    ACROSS_CHANNELS: ClassVar[int]
    WITHIN_CHANNEL: ClassVar[int]
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    MKL2017: ClassVar[int]
    MKLDNN: ClassVar[int]
    local_size: int
    alpha: float
    beta: float
    norm_region: int
    k: float
    engine: int
    def __init__(
        self,
        *,
        local_size: int | None = ...,
        alpha: float | None = ...,
        beta: float | None = ...,
        norm_region: int | str | None = ...,
        k: float | None = ...,
        engine: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> LRNParameter: ...

class LayerParameter(Message):
    name: str
    type: str
    @property
    def bottom(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def top(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def loss_weight(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def param(self) -> RepeatedCompositeFieldContainer[ParamSpec]: ...
    @property
    def blobs(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    @property
    def include(self) -> RepeatedCompositeFieldContainer[NetStateRule]: ...
    @property
    def exclude(self) -> RepeatedCompositeFieldContainer[NetStateRule]: ...
    phase: int
    @property
    def propagate_down(self) -> RepeatedScalarFieldContainer[bool]: ...
    @property
    def transform_param(self) -> TransformationParameter: ...
    @property
    def loss_param(self) -> LossParameter: ...
    @property
    def accuracy_param(self) -> AccuracyParameter: ...
    @property
    def argmax_param(self) -> ArgMaxParameter: ...
    @property
    def concat_param(self) -> ConcatParameter: ...
    @property
    def contrastive_loss_param(self) -> ContrastiveLossParameter: ...
    @property
    def convolution_param(self) -> ConvolutionParameter: ...
    @property
    def data_param(self) -> DataParameter: ...
    @property
    def dropout_param(self) -> DropoutParameter: ...
    @property
    def dummy_data_param(self) -> DummyDataParameter: ...
    @property
    def eltwise_param(self) -> EltwiseParameter: ...
    @property
    def exp_param(self) -> ExpParameter: ...
    @property
    def hdf5_data_param(self) -> HDF5DataParameter: ...
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    @property
    def hinge_loss_param(self) -> HingeLossParameter: ...
    @property
    def image_data_param(self) -> ImageDataParameter: ...
    @property
    def infogain_loss_param(self) -> InfogainLossParameter: ...
    @property
    def inner_product_param(self) -> InnerProductParameter: ...
    @property
    def lrn_param(self) -> LRNParameter: ...
    @property
    def memory_data_param(self) -> MemoryDataParameter: ...
    @property
    def mvn_param(self) -> MVNParameter: ...
    @property
    def pooling_param(self) -> PoolingParameter: ...
    @property
    def power_param(self) -> PowerParameter: ...
    @property
    def relu_param(self) -> ReLUParameter: ...
    @property
    def sigmoid_param(self) -> SigmoidParameter: ...
    @property
    def softmax_param(self) -> SoftmaxParameter: ...
    @property
    def slice_param(self) -> SliceParameter: ...
    @property
    def tanh_param(self) -> TanHParameter: ...
    @property
    def threshold_param(self) -> ThresholdParameter: ...
    @property
    def window_data_param(self) -> WindowDataParameter: ...
    @property
    def python_param(self) -> PythonParameter: ...
    @property
    def prelu_param(self) -> PReLUParameter: ...
    @property
    def spp_param(self) -> SPPParameter: ...
    @property
    def reshape_param(self) -> ReshapeParameter: ...
    @property
    def log_param(self) -> LogParameter: ...
    @property
    def flatten_param(self) -> FlattenParameter: ...
    @property
    def reduction_param(self) -> ReductionParameter: ...
    @property
    def embed_param(self) -> EmbedParameter: ...
    @property
    def tile_param(self) -> TileParameter: ...
    @property
    def batch_norm_param(self) -> BatchNormParameter: ...
    @property
    def elu_param(self) -> ELUParameter: ...
    @property
    def bias_param(self) -> BiasParameter: ...
    @property
    def scale_param(self) -> ScaleParameter: ...
    @property
    def input_param(self) -> InputParameter: ...
    @property
    def crop_param(self) -> CropParameter: ...
    @property
    def parameter_param(self) -> ParameterParameter: ...
    @property
    def recurrent_param(self) -> RecurrentParameter: ...
    @property
    def cpmdata_param(self) -> CPMDataParameter: ...
    @property
    def clip_param(self) -> ClipParameter: ...
    @property
    def multibox_loss_param(self) -> MultiBoxLossParameter: ...
    @property
    def permute_param(self) -> PermuteParameter: ...
    @property
    def prior_box_param(self) -> PriorBoxParameter: ...
    @property
    def detection_output_param(self) -> DetectionOutputParameter: ...
    @property
    def norm_param(self) -> NormalizeParameter: ...
    @property
    def roi_pooling_param(self) -> ROIPoolingParameter: ...
    @property
    def smooth_l1_loss_param(self) -> SmoothL1LossParameter: ...
    @property
    def psroi_pooling_param(self) -> PSROIPoolingParameter: ...
    @property
    def bn_param(self) -> BNParameter: ...
    @property
    def upsample_param(self) -> UpsampleParameter: ...
    @property
    def interp_param(self) -> InterpParameter: ...
    @property
    def reorg_param(self) -> ReorgParameter: ...
    @property
    def shuffle_channel_param(self) -> ShuffleChannelParameter: ...
    @property
    def swish_param(self) -> SwishParameter: ...
    engine: str
    @property
    def spatial_dropout_param(self) -> SpatialDropoutParameter: ...
    @property
    def resample_param(self) -> ResampleParameter: ...
    @property
    def proposal_param(self) -> ProposalParameter: ...
    @property
    def roi_align_param(self) -> ROIAlignParameter: ...
    @property
    def hard_sigmoid_param(self) -> HardSigmoidParameter: ...
    @property
    def hardsigmoid_param(self) -> HardSigmoidParameter: ...
    @property
    def correlation_param(self) -> CorrelationParameter: ...
    @property
    def flow_warp_param(self) -> FlowWarpParameter: ...
    @property
    def reverse_param(self) -> ReverseParameter: ...
    @property
    def yolov3_detection_output_param(self) -> Yolov3DetectionOutputParameter: ...
    @property
    def continuation_indicator_param(self) -> ContinuationIndicatorParameter: ...
    @property
    def downsample_param(self) -> DownsampleParameter: ...
    @property
    def deformable_convolution_param(self) -> DeformableConvolutionParameter: ...
    @property
    def seg_accuracy_param(self) -> SegAccuracyParameter: ...
    @property
    def brelu_param(self) -> BReLUParameter: ...
    @property
    def transpose_param(self) -> TransposeParameter: ...
    @property
    def lstm_param(self) -> LstmParameter: ...
    @property
    def local_param(self) -> LocalParameter: ...
    @property
    def locally_connected_param(self) -> LocalParameter: ...
    @property
    def local_weighted_convolution_param(self) -> LocalParameter: ...
    @property
    def unpooling_param(self) -> UnpoolingParameter: ...
    @property
    def flip_param(self) -> FlipParameter: ...
    @property
    def insanity_param(self) -> InsanityParameter: ...
    @property
    def minrelu_param(self) -> MinReLUParameter: ...
    @property
    def yolo_detection_output_param(self) -> YoloDetectionOutputParameter: ...
    @property
    def bbox_reg_param(self) -> BBoxRegParameter: ...
    @property
    def box_group_output_param(self) -> BoxGroupOutputParameter: ...
    @property
    def box_output_param(self) -> BoxOutputParameter: ...
    @property
    def scale_route_param(self) -> ScaleRouteParameter: ...
    @property
    def selu_param(self) -> SeLuParameter: ...
    @property
    def selu_dropout_param(self) -> SeLuDropoutParameter: ...
    @property
    def augmentation_param(self) -> AugmentationParameter: ...
    reshape_every_iter: bool
    @property
    def multi_stage_meanfield_param(self) -> MultiStageMeanfieldParameter: ...
    @property
    def l1_loss_param(self) -> L1LossParameter: ...
    @property
    def box_annotator_ohem_param(self) -> BoxAnnotatorOHEMParameter: ...
    @property
    def margin_inner_product_param(self) -> MarginInnerProductParameter: ...
    @property
    def center_loss_param(self) -> CenterLossParameter: ...
    @property
    def st_param(self) -> SpatialTransformerParameter: ...
    @property
    def largemargin_inner_product_param(self) -> MarginInnerProductParameter: ...
    forward_type: int
    backward_type: int
    forward_math: int
    backward_math: int
    cudnn_math_override: int
    @property
    def own_param(self) -> RepeatedCompositeFieldContainer[OwnField]: ...
    def __init__(
        self,
        *,
        name: str | None = ...,
        type: str | None = ...,
        bottom: Iterable[str] | None = ...,
        top: Iterable[str] | None = ...,
        loss_weight: Iterable[float] | None = ...,
        param: Iterable[ParamSpec | Mapping[str, Any]] | None = ...,
        blobs: Iterable[BlobProto | Mapping[str, Any]] | None = ...,
        include: Iterable[NetStateRule | Mapping[str, Any]] | None = ...,
        exclude: Iterable[NetStateRule | Mapping[str, Any]] | None = ...,
        phase: int | str | None = ...,
        propagate_down: Iterable[bool] | None = ...,
        transform_param: TransformationParameter | Mapping[str, Any] | None = ...,
        loss_param: LossParameter | Mapping[str, Any] | None = ...,
        accuracy_param: AccuracyParameter | Mapping[str, Any] | None = ...,
        argmax_param: ArgMaxParameter | Mapping[str, Any] | None = ...,
        concat_param: ConcatParameter | Mapping[str, Any] | None = ...,
        contrastive_loss_param: ContrastiveLossParameter | Mapping[str, Any] | None = ...,
        convolution_param: ConvolutionParameter | Mapping[str, Any] | None = ...,
        data_param: DataParameter | Mapping[str, Any] | None = ...,
        dropout_param: DropoutParameter | Mapping[str, Any] | None = ...,
        dummy_data_param: DummyDataParameter | Mapping[str, Any] | None = ...,
        eltwise_param: EltwiseParameter | Mapping[str, Any] | None = ...,
        exp_param: ExpParameter | Mapping[str, Any] | None = ...,
        hdf5_data_param: HDF5DataParameter | Mapping[str, Any] | None = ...,
        hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = ...,
        hinge_loss_param: HingeLossParameter | Mapping[str, Any] | None = ...,
        image_data_param: ImageDataParameter | Mapping[str, Any] | None = ...,
        infogain_loss_param: InfogainLossParameter | Mapping[str, Any] | None = ...,
        inner_product_param: InnerProductParameter | Mapping[str, Any] | None = ...,
        lrn_param: LRNParameter | Mapping[str, Any] | None = ...,
        memory_data_param: MemoryDataParameter | Mapping[str, Any] | None = ...,
        mvn_param: MVNParameter | Mapping[str, Any] | None = ...,
        pooling_param: PoolingParameter | Mapping[str, Any] | None = ...,
        power_param: PowerParameter | Mapping[str, Any] | None = ...,
        relu_param: ReLUParameter | Mapping[str, Any] | None = ...,
        sigmoid_param: SigmoidParameter | Mapping[str, Any] | None = ...,
        softmax_param: SoftmaxParameter | Mapping[str, Any] | None = ...,
        slice_param: SliceParameter | Mapping[str, Any] | None = ...,
        tanh_param: TanHParameter | Mapping[str, Any] | None = ...,
        threshold_param: ThresholdParameter | Mapping[str, Any] | None = ...,
        window_data_param: WindowDataParameter | Mapping[str, Any] | None = ...,
        python_param: PythonParameter | Mapping[str, Any] | None = ...,
        prelu_param: PReLUParameter | Mapping[str, Any] | None = ...,
        spp_param: SPPParameter | Mapping[str, Any] | None = ...,
        reshape_param: ReshapeParameter | Mapping[str, Any] | None = ...,
        log_param: LogParameter | Mapping[str, Any] | None = ...,
        flatten_param: FlattenParameter | Mapping[str, Any] | None = ...,
        reduction_param: ReductionParameter | Mapping[str, Any] | None = ...,
        embed_param: EmbedParameter | Mapping[str, Any] | None = ...,
        tile_param: TileParameter | Mapping[str, Any] | None = ...,
        batch_norm_param: BatchNormParameter | Mapping[str, Any] | None = ...,
        elu_param: ELUParameter | Mapping[str, Any] | None = ...,
        bias_param: BiasParameter | Mapping[str, Any] | None = ...,
        scale_param: ScaleParameter | Mapping[str, Any] | None = ...,
        input_param: InputParameter | Mapping[str, Any] | None = ...,
        crop_param: CropParameter | Mapping[str, Any] | None = ...,
        parameter_param: ParameterParameter | Mapping[str, Any] | None = ...,
        recurrent_param: RecurrentParameter | Mapping[str, Any] | None = ...,
        cpmdata_param: CPMDataParameter | Mapping[str, Any] | None = ...,
        clip_param: ClipParameter | Mapping[str, Any] | None = ...,
        multibox_loss_param: MultiBoxLossParameter | Mapping[str, Any] | None = ...,
        permute_param: PermuteParameter | Mapping[str, Any] | None = ...,
        prior_box_param: PriorBoxParameter | Mapping[str, Any] | None = ...,
        detection_output_param: DetectionOutputParameter | Mapping[str, Any] | None = ...,
        norm_param: NormalizeParameter | Mapping[str, Any] | None = ...,
        roi_pooling_param: ROIPoolingParameter | Mapping[str, Any] | None = ...,
        smooth_l1_loss_param: SmoothL1LossParameter | Mapping[str, Any] | None = ...,
        psroi_pooling_param: PSROIPoolingParameter | Mapping[str, Any] | None = ...,
        bn_param: BNParameter | Mapping[str, Any] | None = ...,
        upsample_param: UpsampleParameter | Mapping[str, Any] | None = ...,
        interp_param: InterpParameter | Mapping[str, Any] | None = ...,
        reorg_param: ReorgParameter | Mapping[str, Any] | None = ...,
        shuffle_channel_param: ShuffleChannelParameter | Mapping[str, Any] | None = ...,
        swish_param: SwishParameter | Mapping[str, Any] | None = ...,
        engine: str | None = ...,
        spatial_dropout_param: SpatialDropoutParameter | Mapping[str, Any] | None = ...,
        resample_param: ResampleParameter | Mapping[str, Any] | None = ...,
        proposal_param: ProposalParameter | Mapping[str, Any] | None = ...,
        roi_align_param: ROIAlignParameter | Mapping[str, Any] | None = ...,
        hard_sigmoid_param: HardSigmoidParameter | Mapping[str, Any] | None = ...,
        hardsigmoid_param: HardSigmoidParameter | Mapping[str, Any] | None = ...,
        correlation_param: CorrelationParameter | Mapping[str, Any] | None = ...,
        flow_warp_param: FlowWarpParameter | Mapping[str, Any] | None = ...,
        reverse_param: ReverseParameter | Mapping[str, Any] | None = ...,
        yolov3_detection_output_param: Yolov3DetectionOutputParameter | Mapping[str, Any] | None = ...,
        continuation_indicator_param: ContinuationIndicatorParameter | Mapping[str, Any] | None = ...,
        downsample_param: DownsampleParameter | Mapping[str, Any] | None = ...,
        deformable_convolution_param: DeformableConvolutionParameter | Mapping[str, Any] | None = ...,
        seg_accuracy_param: SegAccuracyParameter | Mapping[str, Any] | None = ...,
        brelu_param: BReLUParameter | Mapping[str, Any] | None = ...,
        transpose_param: TransposeParameter | Mapping[str, Any] | None = ...,
        lstm_param: LstmParameter | Mapping[str, Any] | None = ...,
        local_param: LocalParameter | Mapping[str, Any] | None = ...,
        locally_connected_param: LocalParameter | Mapping[str, Any] | None = ...,
        local_weighted_convolution_param: LocalParameter | Mapping[str, Any] | None = ...,
        unpooling_param: UnpoolingParameter | Mapping[str, Any] | None = ...,
        flip_param: FlipParameter | Mapping[str, Any] | None = ...,
        insanity_param: InsanityParameter | Mapping[str, Any] | None = ...,
        minrelu_param: MinReLUParameter | Mapping[str, Any] | None = ...,
        yolo_detection_output_param: YoloDetectionOutputParameter | Mapping[str, Any] | None = ...,
        bbox_reg_param: BBoxRegParameter | Mapping[str, Any] | None = ...,
        box_group_output_param: BoxGroupOutputParameter | Mapping[str, Any] | None = ...,
        box_output_param: BoxOutputParameter | Mapping[str, Any] | None = ...,
        scale_route_param: ScaleRouteParameter | Mapping[str, Any] | None = ...,
        selu_param: SeLuParameter | Mapping[str, Any] | None = ...,
        selu_dropout_param: SeLuDropoutParameter | Mapping[str, Any] | None = ...,
        augmentation_param: AugmentationParameter | Mapping[str, Any] | None = ...,
        reshape_every_iter: bool | None = ...,
        multi_stage_meanfield_param: MultiStageMeanfieldParameter | Mapping[str, Any] | None = ...,
        l1_loss_param: L1LossParameter | Mapping[str, Any] | None = ...,
        box_annotator_ohem_param: BoxAnnotatorOHEMParameter | Mapping[str, Any] | None = ...,
        margin_inner_product_param: MarginInnerProductParameter | Mapping[str, Any] | None = ...,
        center_loss_param: CenterLossParameter | Mapping[str, Any] | None = ...,
        st_param: SpatialTransformerParameter | Mapping[str, Any] | None = ...,
        largemargin_inner_product_param: MarginInnerProductParameter | Mapping[str, Any] | None = ...,
        forward_type: int | str | None = ...,
        backward_type: int | str | None = ...,
        forward_math: int | str | None = ...,
        backward_math: int | str | None = ...,
        cudnn_math_override: int | None = ...,
        own_param: Iterable[OwnField | Mapping[str, Any]] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> LayerParameter: ...

class LocalParameter(Message):
    num_output: int
    bias_term: bool
    pad: int
    kernel_size: int
    group: int
    stride: int
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        num_output: int | None = ...,
        bias_term: bool | None = ...,
        pad: int | None = ...,
        kernel_size: int | None = ...,
        group: int | None = ...,
        stride: int | None = ...,
        weight_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> LocalParameter: ...

class LogParameter(Message):
    base: float
    scale: float
    shift: float
    def __init__(
        self,
        *,
        base: float | None = ...,
        scale: float | None = ...,
        shift: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> LogParameter: ...

class LossParameter(Message):
    NormalizationMode: ClassVar[_EnumTypeWrapper[Any]]
    FULL: ClassVar[int]
    VALID: ClassVar[int]
    BATCH_SIZE: ClassVar[int]
    NONE: ClassVar[int]
    PRE_FIXED: ClassVar[int]
    ignore_label: int
    normalize: bool
    normalization: int
    pre_fixed_normalizer: float
    weight_by_label_freqs: bool
    @property
    def class_weighting(self) -> RepeatedScalarFieldContainer[float]: ...
    def __init__(
        self,
        *,
        ignore_label: int | None = ...,
        normalize: bool | None = ...,
        normalization: int | str | None = ...,
        pre_fixed_normalizer: float | None = ...,
        weight_by_label_freqs: bool | None = ...,
        class_weighting: Iterable[float] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> LossParameter: ...

class LstmParameter(Message):
    num_output: int
    clipping_threshold: float
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    batch_size: int
    def __init__(
        self,
        *,
        num_output: int | None = ...,
        clipping_threshold: float | None = ...,
        weight_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
        batch_size: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> LstmParameter: ...

class MVNParameter(Message):
    normalize_variance: bool
    across_channels: bool
    eps: float
    def __init__(
        self,
        *,
        normalize_variance: bool | None = ...,
        across_channels: bool | None = ...,
        eps: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> MVNParameter: ...

class MarginInnerProductParameter(Message):
    MarginType: ClassVar[_EnumTypeWrapper[Any]]
    SINGLE: ClassVar[int]
    DOUBLE: ClassVar[int]
    TRIPLE: ClassVar[int]
    QUADRUPLE: ClassVar[int]
    num_output: int
    type: int
    @property
    def weight_filler(self) -> FillerParameter: ...
    axis: int
    base: float
    gamma: float
    power: float
    iteration: int
    lambda_min: float
    def __init__(
        self,
        *,
        num_output: int | None = ...,
        type: int | str | None = ...,
        weight_filler: FillerParameter | Mapping[str, Any] | None = ...,
        axis: int | None = ...,
        base: float | None = ...,
        gamma: float | None = ...,
        power: float | None = ...,
        iteration: int | None = ...,
        lambda_min: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> MarginInnerProductParameter: ...

class MemoryDataParameter(Message):
    batch_size: int
    channels: int
    height: int
    width: int
    def __init__(
        self,
        *,
        batch_size: int | None = ...,
        channels: int | None = ...,
        height: int | None = ...,
        width: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> MemoryDataParameter: ...

class MinReLUParameter(Message):
    positive_slope: float
    def __init__(
        self,
        *,
        positive_slope: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> MinReLUParameter: ...

class MultiBoxLossParameter(Message):
    LocLossType: ClassVar[_EnumTypeWrapper[Any]]
    L2: ClassVar[int]
    SMOOTH_L1: ClassVar[int]
    ConfLossType: ClassVar[_EnumTypeWrapper[Any]]
    SOFTMAX: ClassVar[int]
    LOGISTIC: ClassVar[int]
    MatchType: ClassVar[_EnumTypeWrapper[Any]]
    BIPARTITE: ClassVar[int]
    PER_PREDICTION: ClassVar[int]
    MiningType: ClassVar[_EnumTypeWrapper[Any]]
    NONE: ClassVar[int]
    MAX_NEGATIVE: ClassVar[int]
    HARD_EXAMPLE: ClassVar[int]
    loc_loss_type: int
    conf_loss_type: int
    loc_weight: float
    num_classes: int
    share_location: bool
    match_type: int
    overlap_threshold: float
    use_prior_for_matching: bool
    background_label_id: int
    use_difficult_gt: bool
    do_neg_mining: bool
    neg_pos_ratio: float
    neg_overlap: float
    code_type: int
    encode_variance_in_target: bool
    map_object_to_agnostic: bool
    ignore_cross_boundary_bbox: bool
    bp_inside: bool
    mining_type: int
    @property
    def nms_param(self) -> NonMaximumSuppressionParameter: ...
    sample_size: int
    use_prior_for_nms: bool
    objectness_score: float
    def __init__(
        self,
        *,
        loc_loss_type: int | str | None = ...,
        conf_loss_type: int | str | None = ...,
        loc_weight: float | None = ...,
        num_classes: int | None = ...,
        share_location: bool | None = ...,
        match_type: int | str | None = ...,
        overlap_threshold: float | None = ...,
        use_prior_for_matching: bool | None = ...,
        background_label_id: int | None = ...,
        use_difficult_gt: bool | None = ...,
        do_neg_mining: bool | None = ...,
        neg_pos_ratio: float | None = ...,
        neg_overlap: float | None = ...,
        code_type: int | str | None = ...,
        encode_variance_in_target: bool | None = ...,
        map_object_to_agnostic: bool | None = ...,
        ignore_cross_boundary_bbox: bool | None = ...,
        bp_inside: bool | None = ...,
        mining_type: int | str | None = ...,
        nms_param: NonMaximumSuppressionParameter | Mapping[str, Any] | None = ...,
        sample_size: int | None = ...,
        use_prior_for_nms: bool | None = ...,
        objectness_score: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> MultiBoxLossParameter: ...

class MultiStageMeanfieldParameter(Message):
    Mode: ClassVar[_EnumTypeWrapper[Any]]
    POTTS: ClassVar[int]
    num_iterations: int
    compatibility_mode: int
    threshold: float
    theta_alpha: float
    theta_beta: float
    theta_gamma: float
    spatial_filter_weight: float
    bilateral_filter_weight: float
    spatial_filter_weights_str: str
    bilateral_filter_weights_str: str
    force_cpu: bool
    def __init__(
        self,
        *,
        num_iterations: int | None = ...,
        compatibility_mode: int | str | None = ...,
        threshold: float | None = ...,
        theta_alpha: float | None = ...,
        theta_beta: float | None = ...,
        theta_gamma: float | None = ...,
        spatial_filter_weight: float | None = ...,
        bilateral_filter_weight: float | None = ...,
        spatial_filter_weights_str: str | None = ...,
        bilateral_filter_weights_str: str | None = ...,
        force_cpu: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> MultiStageMeanfieldParameter: ...

class NetParameter(Message):
    name: str
    @property
    def layers(self) -> RepeatedCompositeFieldContainer[V1LayerParameter]: ...
    @property
    def input(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def input_dim(self) -> RepeatedScalarFieldContainer[int]: ...
    force_backward: bool
    @property
    def state(self) -> NetState: ...
    debug_info: bool
    @property
    def input_shape(self) -> RepeatedCompositeFieldContainer[BlobShape]: ...
    @property
    def layer(self) -> RepeatedCompositeFieldContainer[LayerParameter]: ...
    default_forward_type: int
    default_backward_type: int
    default_forward_math: int
    default_backward_math: int
    default_conv_algos_override: str
    default_cudnn_math_override: int
    reduce_buckets: int
    def __init__(
        self,
        *,
        name: str | None = ...,
        layers: Iterable[V1LayerParameter | Mapping[str, Any]] | None = ...,
        input: Iterable[str] | None = ...,
        input_dim: Iterable[int] | None = ...,
        force_backward: bool | None = ...,
        state: NetState | Mapping[str, Any] | None = ...,
        debug_info: bool | None = ...,
        input_shape: Iterable[BlobShape | Mapping[str, Any]] | None = ...,
        layer: Iterable[LayerParameter | Mapping[str, Any]] | None = ...,
        default_forward_type: int | str | None = ...,
        default_backward_type: int | str | None = ...,
        default_forward_math: int | str | None = ...,
        default_backward_math: int | str | None = ...,
        default_conv_algos_override: str | None = ...,
        default_cudnn_math_override: int | None = ...,
        reduce_buckets: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> NetParameter: ...

class NetState(Message):
    phase: int
    level: int
    @property
    def stage(self) -> RepeatedScalarFieldContainer[str]: ...
    def __init__(
        self,
        *,
        phase: int | str | None = ...,
        level: int | None = ...,
        stage: Iterable[str] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> NetState: ...

class NetStateRule(Message):
    phase: int
    min_level: int
    max_level: int
    @property
    def stage(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def not_stage(self) -> RepeatedScalarFieldContainer[str]: ...
    def __init__(
        self,
        *,
        phase: int | str | None = ...,
        min_level: int | None = ...,
        max_level: int | None = ...,
        stage: Iterable[str] | None = ...,
        not_stage: Iterable[str] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> NetStateRule: ...

class NonMaximumSuppressionParameter(Message):
    nms_threshold: float
    top_k: int
    eta: float
    def __init__(
        self,
        *,
        nms_threshold: float | None = ...,
        top_k: int | None = ...,
        eta: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> NonMaximumSuppressionParameter: ...

class NormalizeParameter(Message):
    across_spatial: bool
    @property
    def scale_filler(self) -> FillerParameter: ...
    channel_shared: bool
    eps: float
    def __init__(
        self,
        *,
        across_spatial: bool | None = ...,
        scale_filler: FillerParameter | Mapping[str, Any] | None = ...,
        channel_shared: bool | None = ...,
        eps: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> NormalizeParameter: ...

class OwnField(Message):
    name: str
    text: str
    line: int
    message: str
    def __init__(
        self,
        *,
        name: str | None = ...,
        text: str | None = ...,
        line: int | None = ...,
        message: str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> OwnField: ...

class PReLUParameter(Message):
    @property
    def filler(self) -> FillerParameter: ...
    channel_shared: bool
    def __init__(
        self,
        *,
        filler: FillerParameter | Mapping[str, Any] | None = ...,
        channel_shared: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PReLUParameter: ...

class PSROIPoolingParameter(Message):
    spatial_scale: float
    output_dim: int
    group_size: int
    def __init__(
        self,
        *,
        spatial_scale: float | None = ...,
        output_dim: int | None = ...,
        group_size: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PSROIPoolingParameter: ...

class ParamSpec(Message):
    DimCheckMode: ClassVar[_EnumTypeWrapper[Any]]
    STRICT: ClassVar[int]
    PERMISSIVE: ClassVar[int]
    name: str
    share_mode: int
    lr_mult: float
    decay_mult: float
    param_propagate_down: bool
    def __init__(
        self,
        *,
        name: str | None = ...,
        share_mode: int | str | None = ...,
        lr_mult: float | None = ...,
        decay_mult: float | None = ...,
        param_propagate_down: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ParamSpec: ...

class ParameterParameter(Message):
    @property
    def shape(self) -> BlobShape: ...
    def __init__(
        self,
        *,
        shape: BlobShape | Mapping[str, Any] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ParameterParameter: ...

class PermuteParameter(Message):
    @property
    def order(self) -> RepeatedScalarFieldContainer[int]: ...
    def __init__(
        self,
        *,
        order: Iterable[int] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PermuteParameter: ...

class PoolingParameter(Message):
    PoolMethod: ClassVar[_EnumTypeWrapper[Any]]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    MIN: ClassVar[int]
    RoundMode: ClassVar[_EnumTypeWrapper[Any]]
    CEIL: ClassVar[int]
    FLOOR: ClassVar[int]
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    MKL2017: ClassVar[int]
    MKLDNN: ClassVar[int]
    pool: int
    @property
    def kernel_size(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def stride(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def pad(self) -> RepeatedScalarFieldContainer[int]: ...
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    engine: int
    global_pooling: bool
    round_mode: int
    ceil_mode: bool
    kernel_depth: int
    temporal_pad: int
    temporal_stride: int
    def __init__(
        self,
        *,
        pool: int | str | None = ...,
        kernel_size: Iterable[int] | None = ...,
        stride: Iterable[int] | None = ...,
        pad: Iterable[int] | None = ...,
        kernel_h: int | None = ...,
        kernel_w: int | None = ...,
        stride_h: int | None = ...,
        stride_w: int | None = ...,
        pad_h: int | None = ...,
        pad_w: int | None = ...,
        engine: int | str | None = ...,
        global_pooling: bool | None = ...,
        round_mode: int | str | None = ...,
        ceil_mode: bool | None = ...,
        kernel_depth: int | None = ...,
        temporal_pad: int | None = ...,
        temporal_stride: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PoolingParameter: ...

class PowerParameter(Message):
    power: float
    scale: float
    shift: float
    def __init__(
        self,
        *,
        power: float | None = ...,
        scale: float | None = ...,
        shift: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PowerParameter: ...

class PriorBoxParameter(Message):
    @property
    def min_size(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def max_size(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def aspect_ratio(self) -> RepeatedScalarFieldContainer[float]: ...
    flip: bool
    clip: bool
    @property
    def variance(self) -> RepeatedScalarFieldContainer[float]: ...
    img_size: int
    img_h: int
    img_w: int
    step: float
    step_h: float
    step_w: float
    offset: float
    denser_prior_boxes: bool
    def __init__(
        self,
        *,
        min_size: Iterable[float] | None = ...,
        max_size: Iterable[float] | None = ...,
        aspect_ratio: Iterable[float] | None = ...,
        flip: bool | None = ...,
        clip: bool | None = ...,
        variance: Iterable[float] | None = ...,
        img_size: int | None = ...,
        img_h: int | None = ...,
        img_w: int | None = ...,
        step: float | None = ...,
        step_h: float | None = ...,
        step_w: float | None = ...,
        offset: float | None = ...,
        denser_prior_boxes: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PriorBoxParameter: ...

class ProposalParameter(Message):
    feat_stride: int
    base_size: int
    min_size: int
    @property
    def ratio(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def scale(self) -> RepeatedScalarFieldContainer[float]: ...
    pre_nms_topn: int
    post_nms_topn: int
    nms_thresh: float
    def __init__(
        self,
        *,
        feat_stride: int | None = ...,
        base_size: int | None = ...,
        min_size: int | None = ...,
        ratio: Iterable[float] | None = ...,
        scale: Iterable[float] | None = ...,
        pre_nms_topn: int | None = ...,
        post_nms_topn: int | None = ...,
        nms_thresh: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ProposalParameter: ...

class PythonParameter(Message):
    module: str
    layer: str
    param_str: str
    share_in_parallel: bool
    def __init__(
        self,
        *,
        module: str | None = ...,
        layer: str | None = ...,
        param_str: str | None = ...,
        share_in_parallel: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PythonParameter: ...

class ROIAlignParameter(Message):
    pooled_h: int
    pooled_w: int
    spatial_scale: float
    pad_ratio: float
    sampling_ratio: int
    def __init__(
        self,
        *,
        pooled_h: int | None = ...,
        pooled_w: int | None = ...,
        spatial_scale: float | None = ...,
        pad_ratio: float | None = ...,
        sampling_ratio: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ROIAlignParameter: ...

class ROIPoolingParameter(Message):
    pooled_h: int
    pooled_w: int
    spatial_scale: float
    pad_ratio: float
    def __init__(
        self,
        *,
        pooled_h: int | None = ...,
        pooled_w: int | None = ...,
        spatial_scale: float | None = ...,
        pad_ratio: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ROIPoolingParameter: ...

class ReLUParameter(Message):
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    MKL2017: ClassVar[int]
    MKLDNN: ClassVar[int]
    negative_slope: float
    engine: int
    def __init__(
        self,
        *,
        negative_slope: float | None = ...,
        engine: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ReLUParameter: ...

class RecurrentParameter(Message):
    num_output: int
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    debug_info: bool
    expose_hidden: bool
    def __init__(
        self,
        *,
        num_output: int | None = ...,
        weight_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
        debug_info: bool | None = ...,
        expose_hidden: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> RecurrentParameter: ...

class ReductionParameter(Message):
    ReductionOp: ClassVar[_EnumTypeWrapper[Any]]
    SUM: ClassVar[int]
    ASUM: ClassVar[int]
    SUMSQ: ClassVar[int]
    MEAN: ClassVar[int]
    operation: int
    axis: int
    coeff: float
    def __init__(
        self,
        *,
        operation: int | str | None = ...,
        axis: int | None = ...,
        coeff: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ReductionParameter: ...

class ReorgParameter(Message):
    reverse: bool
    stride: int
    def __init__(
        self,
        *,
        reverse: bool | None = ...,
        stride: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ReorgParameter: ...

class ResampleParameter(Message):
    ResampleType: ClassVar[_EnumTypeWrapper[Any]]
    NEAREST: ClassVar[int]
    LINEAR: ClassVar[int]
    CUBIC: ClassVar[int]
    AREA: ClassVar[int]
    width: int
    height: int
    type: int
    antialias: bool
    factor: float
    def __init__(
        self,
        *,
        width: int | None = ...,
        height: int | None = ...,
        type: int | str | None = ...,
        antialias: bool | None = ...,
        factor: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ResampleParameter: ...

class ReshapeParameter(Message):
    @property
    def shape(self) -> BlobShape: ...
    axis: int
    num_axes: int
    def __init__(
        self,
        *,
        shape: BlobShape | Mapping[str, Any] | None = ...,
        axis: int | None = ...,
        num_axes: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ReshapeParameter: ...

class ResizeParameter(Message):
    Resize_mode: ClassVar[_EnumTypeWrapper[Any]]
    WARP: ClassVar[int]
    FIT_SMALL_SIZE: ClassVar[int]
    FIT_LARGE_SIZE_AND_PAD: ClassVar[int]
    Pad_mode: ClassVar[_EnumTypeWrapper[Any]]
    CONSTANT: ClassVar[int]
    MIRRORED: ClassVar[int]
    REPEAT_NEAREST: ClassVar[int]
    Interp_mode: ClassVar[_EnumTypeWrapper[Any]]
    LINEAR: ClassVar[int]
    AREA: ClassVar[int]
    NEAREST: ClassVar[int]
    CUBIC: ClassVar[int]
    LANCZOS4: ClassVar[int]
    prob: float
    resize_mode: int
    height: int
    width: int
    pad_mode: int
    @property
    def pad_value(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def interp_mode(self) -> RepeatedScalarFieldContainer[int]: ...
    height_scale: int
    width_scale: int
    def __init__(
        self,
        *,
        prob: float | None = ...,
        resize_mode: int | str | None = ...,
        height: int | None = ...,
        width: int | None = ...,
        pad_mode: int | str | None = ...,
        pad_value: Iterable[float] | None = ...,
        interp_mode: Iterable[int | str] | None = ...,
        height_scale: int | None = ...,
        width_scale: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ResizeParameter: ...

class ReverseParameter(Message):
    axis: int
    def __init__(
        self,
        *,
        axis: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ReverseParameter: ...

class SPPParameter(Message):
    PoolMethod: ClassVar[_EnumTypeWrapper[Any]]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    pyramid_height: int
    pool: int
    engine: int
    def __init__(
        self,
        *,
        pyramid_height: int | None = ...,
        pool: int | str | None = ...,
        engine: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SPPParameter: ...

class SaveOutputParameter(Message):
    output_directory: str
    output_name_prefix: str
    output_format: str
    label_map_file: str
    name_size_file: str
    num_test_image: int
    @property
    def resize_param(self) -> ResizeParameter: ...
    def __init__(
        self,
        *,
        output_directory: str | None = ...,
        output_name_prefix: str | None = ...,
        output_format: str | None = ...,
        label_map_file: str | None = ...,
        name_size_file: str | None = ...,
        num_test_image: int | None = ...,
        resize_param: ResizeParameter | Mapping[str, Any] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SaveOutputParameter: ...

class ScaleParameter(Message):
    axis: int
    num_axes: int
    @property
    def filler(self) -> FillerParameter: ...
    bias_term: bool
    @property
    def bias_filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        axis: int | None = ...,
        num_axes: int | None = ...,
        filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_term: bool | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ScaleParameter: ...

class ScaleRouteParameter(Message):
    low_scale: float
    high_scale: float
    def __init__(
        self,
        *,
        low_scale: float | None = ...,
        high_scale: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ScaleRouteParameter: ...

class SeLuDropoutParameter(Message):
    dropout_ratio: float
    alpha: float
    def __init__(
        self,
        *,
        dropout_ratio: float | None = ...,
        alpha: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SeLuDropoutParameter: ...

class SeLuParameter(Message):
    alpha: float
    def __init__(
        self,
        *,
        alpha: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SeLuParameter: ...

class SegAccuracyParameter(Message):
    @property
    def ignore_label(self) -> RepeatedScalarFieldContainer[int]: ...
    reset: bool
    def __init__(
        self,
        *,
        ignore_label: Iterable[int] | None = ...,
        reset: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SegAccuracyParameter: ...

class ShuffleChannelParameter(Message):
    group: int
    def __init__(
        self,
        *,
        group: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ShuffleChannelParameter: ...

class SigmoidParameter(Message):
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(
        self,
        *,
        engine: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SigmoidParameter: ...

class SliceParameter(Message):
    slice_dim: int
    @property
    def slice_point(self) -> RepeatedScalarFieldContainer[int]: ...
    axis: int
    def __init__(
        self,
        *,
        slice_dim: int | None = ...,
        slice_point: Iterable[int] | None = ...,
        axis: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SliceParameter: ...

class SmoothL1LossParameter(Message):
    sigma: float
    def __init__(
        self,
        *,
        sigma: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SmoothL1LossParameter: ...

class SoftmaxParameter(Message):
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    axis: int
    def __init__(
        self,
        *,
        engine: int | str | None = ...,
        axis: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SoftmaxParameter: ...

class SolverParameter(Message):
    SnapshotFormat: ClassVar[_EnumTypeWrapper[Any]]
    HDF5: ClassVar[int]
    BINARYPROTO: ClassVar[int]
    SolverMode: ClassVar[_EnumTypeWrapper[Any]]
    CPU: ClassVar[int]
    GPU: ClassVar[int]
    SolverType: ClassVar[_EnumTypeWrapper[Any]]
    SGD: ClassVar[int]
    NESTEROV: ClassVar[int]
    ADAGRAD: ClassVar[int]
    RMSPROP: ClassVar[int]
    ADADELTA: ClassVar[int]
    ADAM: ClassVar[int]
    train_net: str
    @property
    def test_net(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def test_iter(self) -> RepeatedScalarFieldContainer[int]: ...
    test_interval: int
    base_lr: float
    display: int
    max_iter: int
    lr_policy: str
    gamma: float
    power: float
    momentum: float
    weight_decay: float
    stepsize: int
    snapshot: int
    snapshot_prefix: str
    snapshot_diff: bool
    solver_mode: int
    device_id: int
    test_compute_loss: bool
    random_seed: int
    @property
    def train_net_param(self) -> NetParameter: ...
    @property
    def test_net_param(self) -> RepeatedCompositeFieldContainer[NetParameter]: ...
    debug_info: bool
    net: str
    @property
    def net_param(self) -> NetParameter: ...
    @property
    def train_state(self) -> NetState: ...
    @property
    def test_state(self) -> RepeatedCompositeFieldContainer[NetState]: ...
    snapshot_after_train: bool
    regularization_type: str
    solver_type: int
    delta: float
    test_initialization: bool
    average_loss: int
    @property
    def stepvalue(self) -> RepeatedScalarFieldContainer[int]: ...
    clip_gradients: float
    iter_size: int
    snapshot_format: int
    rms_decay: float
    momentum2: float
    type: str
    layer_wise_reduce: bool
    @property
    def weights(self) -> RepeatedScalarFieldContainer[str]: ...
    solver_data_type: int
    def __init__(
        self,
        *,
        train_net: str | None = ...,
        test_net: Iterable[str] | None = ...,
        test_iter: Iterable[int] | None = ...,
        test_interval: int | None = ...,
        base_lr: float | None = ...,
        display: int | None = ...,
        max_iter: int | None = ...,
        lr_policy: str | None = ...,
        gamma: float | None = ...,
        power: float | None = ...,
        momentum: float | None = ...,
        weight_decay: float | None = ...,
        stepsize: int | None = ...,
        snapshot: int | None = ...,
        snapshot_prefix: str | None = ...,
        snapshot_diff: bool | None = ...,
        solver_mode: int | str | None = ...,
        device_id: int | None = ...,
        test_compute_loss: bool | None = ...,
        random_seed: int | None = ...,
        train_net_param: NetParameter | Mapping[str, Any] | None = ...,
        test_net_param: Iterable[NetParameter | Mapping[str, Any]] | None = ...,
        debug_info: bool | None = ...,
        net: str | None = ...,
        net_param: NetParameter | Mapping[str, Any] | None = ...,
        train_state: NetState | Mapping[str, Any] | None = ...,
        test_state: Iterable[NetState | Mapping[str, Any]] | None = ...,
        snapshot_after_train: bool | None = ...,
        regularization_type: str | None = ...,
        solver_type: int | str | None = ...,
        delta: float | None = ...,
        test_initialization: bool | None = ...,
        average_loss: int | None = ...,
        stepvalue: Iterable[int] | None = ...,
        clip_gradients: float | None = ...,
        iter_size: int | None = ...,
        snapshot_format: int | str | None = ...,
        rms_decay: float | None = ...,
        momentum2: float | None = ...,
        type: str | None = ...,
        layer_wise_reduce: bool | None = ...,
        weights: Iterable[str] | None = ...,
        solver_data_type: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SolverParameter: ...

class SolverState(Message):
    iter: int
    learned_net: str
    @property
    def history(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    current_step: int
    def __init__(
        self,
        *,
        iter: int | None = ...,
        learned_net: str | None = ...,
        history: Iterable[BlobProto | Mapping[str, Any]] | None = ...,
        current_step: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SolverState: ...

class SpatialDropoutParameter(Message):
    dropout_ratio: float
    sample_weights_test: bool
    def __init__(
        self,
        *,
        dropout_ratio: float | None = ...,
        sample_weights_test: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SpatialDropoutParameter: ...

class SpatialTransformerParameter(Message):
    transform_type: str
    sampler_type: str
    output_H: int
    output_W: int
    to_compute_dU: bool
    theta_1_1: float
    theta_1_2: float
    theta_1_3: float
    theta_2_1: float
    theta_2_2: float
    theta_2_3: float
    def __init__(
        self,
        *,
        transform_type: str | None = ...,
        sampler_type: str | None = ...,
        output_H: int | None = ...,
        output_W: int | None = ...,
        to_compute_dU: bool | None = ...,
        theta_1_1: float | None = ...,
        theta_1_2: float | None = ...,
        theta_1_3: float | None = ...,
        theta_2_1: float | None = ...,
        theta_2_2: float | None = ...,
        theta_2_3: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SpatialTransformerParameter: ...

class SwishParameter(Message):
    beta: float
    def __init__(
        self,
        *,
        beta: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SwishParameter: ...

class TanHParameter(Message):
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(
        self,
        *,
        engine: int | str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> TanHParameter: ...

class ThresholdParameter(Message):
    threshold: float
    def __init__(
        self,
        *,
        threshold: float | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ThresholdParameter: ...

class TileParameter(Message):
    axis: int
    tiles: int
    def __init__(
        self,
        *,
        axis: int | None = ...,
        tiles: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> TileParameter: ...

class TransformationParameter(Message):
    scale: float
    mirror: bool
    crop_size: int
    mean_file: str
    @property
    def mean_value(self) -> RepeatedScalarFieldContainer[float]: ...
    stride: int
    scale_cvg: bool
    max_cvg_len: int
    min_cvg_len: int
    opaque_coverage: bool
    coverage: str
    flip_prob: float
    max_rotate_degree: float
    visualize: bool
    crop_size_x: int
    crop_size_y: int
    scale_prob: float
    scale_min: float
    scale_max: float
    bbox_norm_factor: float
    img_header: str
    target_dist: float
    center_perterb_max: float
    sigma: float
    sigma_center: float
    clahe_tile_size: float
    clahe_clip_limit: float
    do_clahe: bool
    num_parts: int
    num_total_augs: int
    aug_way: str
    gray: int
    np_in_lmdb: int
    transform_body_joint: bool
    put_gaussian: bool
    visualize_label: bool
    all_centers: bool
    def __init__(
        self,
        *,
        scale: float | None = ...,
        mirror: bool | None = ...,
        crop_size: int | None = ...,
        mean_file: str | None = ...,
        mean_value: Iterable[float] | None = ...,
        stride: int | None = ...,
        scale_cvg: bool | None = ...,
        max_cvg_len: int | None = ...,
        min_cvg_len: int | None = ...,
        opaque_coverage: bool | None = ...,
        coverage: str | None = ...,
        flip_prob: float | None = ...,
        max_rotate_degree: float | None = ...,
        visualize: bool | None = ...,
        crop_size_x: int | None = ...,
        crop_size_y: int | None = ...,
        scale_prob: float | None = ...,
        scale_min: float | None = ...,
        scale_max: float | None = ...,
        bbox_norm_factor: float | None = ...,
        img_header: str | None = ...,
        target_dist: float | None = ...,
        center_perterb_max: float | None = ...,
        sigma: float | None = ...,
        sigma_center: float | None = ...,
        clahe_tile_size: float | None = ...,
        clahe_clip_limit: float | None = ...,
        do_clahe: bool | None = ...,
        num_parts: int | None = ...,
        num_total_augs: int | None = ...,
        aug_way: str | None = ...,
        gray: int | None = ...,
        np_in_lmdb: int | None = ...,
        transform_body_joint: bool | None = ...,
        put_gaussian: bool | None = ...,
        visualize_label: bool | None = ...,
        all_centers: bool | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> TransformationParameter: ...

class TransposeParameter(Message):
    @property
    def dim(self) -> RepeatedScalarFieldContainer[int]: ...
    def __init__(
        self,
        *,
        dim: Iterable[int] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> TransposeParameter: ...

class UnpoolingParameter(Message):
    UnpoolMethod: ClassVar[_EnumTypeWrapper[Any]]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    TILE: ClassVar[int]
    unpool: int
    kernel_size: int
    stride: int
    pad: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    unpool_size: int
    unpool_h: int
    unpool_w: int
    def __init__(
        self,
        *,
        unpool: int | str | None = ...,
        kernel_size: int | None = ...,
        stride: int | None = ...,
        pad: int | None = ...,
        kernel_h: int | None = ...,
        kernel_w: int | None = ...,
        stride_h: int | None = ...,
        stride_w: int | None = ...,
        pad_h: int | None = ...,
        pad_w: int | None = ...,
        unpool_size: int | None = ...,
        unpool_h: int | None = ...,
        unpool_w: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> UnpoolingParameter: ...

class UpsampleParameter(Message):
    scale: int
    scale_h: int
    scale_w: int
    pad_out_h: bool
    pad_out_w: bool
    upsample_h: int
    upsample_w: int
    def __init__(
        self,
        *,
        scale: int | None = ...,
        scale_h: int | None = ...,
        scale_w: int | None = ...,
        pad_out_h: bool | None = ...,
        pad_out_w: bool | None = ...,
        upsample_h: int | None = ...,
        upsample_w: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> UpsampleParameter: ...

class V0LayerParameter(Message):
    PoolMethod: ClassVar[_EnumTypeWrapper[Any]]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    name: str
    type: str
    num_output: int
    biasterm: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    pad: int
    kernelsize: int
    group: int
    stride: int
    pool: int
    dropout_ratio: float
    local_size: int
    alpha: float
    beta: float
    source: str
    scale: float
    meanfile: str
    batchsize: int
    cropsize: int
    mirror: bool
    k: float
    @property
    def blobs(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    @property
    def blobs_lr(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def weight_decay(self) -> RepeatedScalarFieldContainer[float]: ...
    rand_skip: int
    det_fg_threshold: float
    det_bg_threshold: float
    det_fg_fraction: float
    det_context_pad: int
    det_crop_mode: str
    new_num: int
    new_channels: int
    new_height: int
    new_width: int
    shuffle_images: bool
    concat_dim: int
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    def __init__(
        self,
        *,
        name: str | None = ...,
        type: str | None = ...,
        num_output: int | None = ...,
        biasterm: bool | None = ...,
        weight_filler: FillerParameter | Mapping[str, Any] | None = ...,
        bias_filler: FillerParameter | Mapping[str, Any] | None = ...,
        pad: int | None = ...,
        kernelsize: int | None = ...,
        group: int | None = ...,
        stride: int | None = ...,
        pool: int | str | None = ...,
        dropout_ratio: float | None = ...,
        local_size: int | None = ...,
        alpha: float | None = ...,
        beta: float | None = ...,
        source: str | None = ...,
        scale: float | None = ...,
        meanfile: str | None = ...,
        batchsize: int | None = ...,
        cropsize: int | None = ...,
        mirror: bool | None = ...,
        k: float | None = ...,
        blobs: Iterable[BlobProto | Mapping[str, Any]] | None = ...,
        blobs_lr: Iterable[float] | None = ...,
        weight_decay: Iterable[float] | None = ...,
        rand_skip: int | None = ...,
        det_fg_threshold: float | None = ...,
        det_bg_threshold: float | None = ...,
        det_fg_fraction: float | None = ...,
        det_context_pad: int | None = ...,
        det_crop_mode: str | None = ...,
        new_num: int | None = ...,
        new_channels: int | None = ...,
        new_height: int | None = ...,
        new_width: int | None = ...,
        shuffle_images: bool | None = ...,
        concat_dim: int | None = ...,
        hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> V0LayerParameter: ...

class V1LayerParameter(Message):
    LayerType: ClassVar[_EnumTypeWrapper[Any]]
    NONE: ClassVar[int]
    ACCURACY: ClassVar[int]
    BNLL: ClassVar[int]
    CONCAT: ClassVar[int]
    CONVOLUTION: ClassVar[int]
    DATA: ClassVar[int]
    DROPOUT: ClassVar[int]
    EUCLIDEAN_LOSS: ClassVar[int]
    FLATTEN: ClassVar[int]
    HDF5_DATA: ClassVar[int]
    HDF5_OUTPUT: ClassVar[int]
    IM2COL: ClassVar[int]
    IMAGE_DATA: ClassVar[int]
    INFOGAIN_LOSS: ClassVar[int]
    INNER_PRODUCT: ClassVar[int]
    LRN: ClassVar[int]
    MULTINOMIAL_LOGISTIC_LOSS: ClassVar[int]
    POOLING: ClassVar[int]
    RELU: ClassVar[int]
    SIGMOID: ClassVar[int]
    SOFTMAX: ClassVar[int]
    SOFTMAX_LOSS: ClassVar[int]
    SPLIT: ClassVar[int]
    TANH: ClassVar[int]
    WINDOW_DATA: ClassVar[int]
    ELTWISE: ClassVar[int]
    POWER: ClassVar[int]
    SIGMOID_CROSS_ENTROPY_LOSS: ClassVar[int]
    HINGE_LOSS: ClassVar[int]
    MEMORY_DATA: ClassVar[int]
    ARGMAX: ClassVar[int]
    THRESHOLD: ClassVar[int]
    DUMMY_DATA: ClassVar[int]
    SLICE: ClassVar[int]
    MVN: ClassVar[int]
    ABSVAL: ClassVar[int]
    SILENCE: ClassVar[int]
    CONTRASTIVE_LOSS: ClassVar[int]
    EXP: ClassVar[int]
    DECONVOLUTION: ClassVar[int]
    DimCheckMode: ClassVar[_EnumTypeWrapper[Any]]
    STRICT: ClassVar[int]
    PERMISSIVE: ClassVar[int]
    @property
    def layer(self) -> V0LayerParameter: ...
    @property
    def bottom(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def top(self) -> RepeatedScalarFieldContainer[str]: ...
    name: str
    type: int
    @property
    def blobs(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    @property
    def blobs_lr(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def weight_decay(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def concat_param(self) -> ConcatParameter: ...
    @property
    def convolution_param(self) -> ConvolutionParameter: ...
    @property
    def data_param(self) -> DataParameter: ...
    @property
    def dropout_param(self) -> DropoutParameter: ...
    @property
    def hdf5_data_param(self) -> HDF5DataParameter: ...
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    @property
    def image_data_param(self) -> ImageDataParameter: ...
    @property
    def infogain_loss_param(self) -> InfogainLossParameter: ...
    @property
    def inner_product_param(self) -> InnerProductParameter: ...
    @property
    def lrn_param(self) -> LRNParameter: ...
    @property
    def pooling_param(self) -> PoolingParameter: ...
    @property
    def window_data_param(self) -> WindowDataParameter: ...
    @property
    def power_param(self) -> PowerParameter: ...
    @property
    def memory_data_param(self) -> MemoryDataParameter: ...
    @property
    def argmax_param(self) -> ArgMaxParameter: ...
    @property
    def eltwise_param(self) -> EltwiseParameter: ...
    @property
    def threshold_param(self) -> ThresholdParameter: ...
    @property
    def dummy_data_param(self) -> DummyDataParameter: ...
    @property
    def accuracy_param(self) -> AccuracyParameter: ...
    @property
    def hinge_loss_param(self) -> HingeLossParameter: ...
    @property
    def relu_param(self) -> ReLUParameter: ...
    @property
    def slice_param(self) -> SliceParameter: ...
    @property
    def include(self) -> RepeatedCompositeFieldContainer[NetStateRule]: ...
    @property
    def exclude(self) -> RepeatedCompositeFieldContainer[NetStateRule]: ...
    @property
    def mvn_param(self) -> MVNParameter: ...
    @property
    def loss_weight(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def transform_param(self) -> TransformationParameter: ...
    @property
    def tanh_param(self) -> TanHParameter: ...
    @property
    def sigmoid_param(self) -> SigmoidParameter: ...
    @property
    def softmax_param(self) -> SoftmaxParameter: ...
    @property
    def contrastive_loss_param(self) -> ContrastiveLossParameter: ...
    @property
    def exp_param(self) -> ExpParameter: ...
    @property
    def loss_param(self) -> LossParameter: ...
    @property
    def param(self) -> RepeatedScalarFieldContainer[str]: ...
    @property
    def blob_share_mode(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def bn_param(self) -> BNParameter: ...
    @property
    def upsample_param(self) -> UpsampleParameter: ...
    @property
    def prelu_param(self) -> PReLUParameter: ...
    @property
    def roi_pooling_param(self) -> ROIPoolingParameter: ...
    @property
    def smooth_l1_loss_param(self) -> SmoothL1LossParameter: ...
    @property
    def unpooling_param(self) -> UnpoolingParameter: ...
    @property
    def local_param(self) -> LocalParameter: ...
    @property
    def local_weighted_convolution_param(self) -> LocalParameter: ...
    @property
    def multi_stage_meanfield_param(self) -> MultiStageMeanfieldParameter: ...
    @property
    def own_param(self) -> RepeatedCompositeFieldContainer[OwnField]: ...
    def __init__(
        self,
        *,
        layer: V0LayerParameter | Mapping[str, Any] | None = ...,
        bottom: Iterable[str] | None = ...,
        top: Iterable[str] | None = ...,
        name: str | None = ...,
        type: int | str | None = ...,
        blobs: Iterable[BlobProto | Mapping[str, Any]] | None = ...,
        blobs_lr: Iterable[float] | None = ...,
        weight_decay: Iterable[float] | None = ...,
        concat_param: ConcatParameter | Mapping[str, Any] | None = ...,
        convolution_param: ConvolutionParameter | Mapping[str, Any] | None = ...,
        data_param: DataParameter | Mapping[str, Any] | None = ...,
        dropout_param: DropoutParameter | Mapping[str, Any] | None = ...,
        hdf5_data_param: HDF5DataParameter | Mapping[str, Any] | None = ...,
        hdf5_output_param: HDF5OutputParameter | Mapping[str, Any] | None = ...,
        image_data_param: ImageDataParameter | Mapping[str, Any] | None = ...,
        infogain_loss_param: InfogainLossParameter | Mapping[str, Any] | None = ...,
        inner_product_param: InnerProductParameter | Mapping[str, Any] | None = ...,
        lrn_param: LRNParameter | Mapping[str, Any] | None = ...,
        pooling_param: PoolingParameter | Mapping[str, Any] | None = ...,
        window_data_param: WindowDataParameter | Mapping[str, Any] | None = ...,
        power_param: PowerParameter | Mapping[str, Any] | None = ...,
        memory_data_param: MemoryDataParameter | Mapping[str, Any] | None = ...,
        argmax_param: ArgMaxParameter | Mapping[str, Any] | None = ...,
        eltwise_param: EltwiseParameter | Mapping[str, Any] | None = ...,
        threshold_param: ThresholdParameter | Mapping[str, Any] | None = ...,
        dummy_data_param: DummyDataParameter | Mapping[str, Any] | None = ...,
        accuracy_param: AccuracyParameter | Mapping[str, Any] | None = ...,
        hinge_loss_param: HingeLossParameter | Mapping[str, Any] | None = ...,
        relu_param: ReLUParameter | Mapping[str, Any] | None = ...,
        slice_param: SliceParameter | Mapping[str, Any] | None = ...,
        include: Iterable[NetStateRule | Mapping[str, Any]] | None = ...,
        exclude: Iterable[NetStateRule | Mapping[str, Any]] | None = ...,
        mvn_param: MVNParameter | Mapping[str, Any] | None = ...,
        loss_weight: Iterable[float] | None = ...,
        transform_param: TransformationParameter | Mapping[str, Any] | None = ...,
        tanh_param: TanHParameter | Mapping[str, Any] | None = ...,
        sigmoid_param: SigmoidParameter | Mapping[str, Any] | None = ...,
        softmax_param: SoftmaxParameter | Mapping[str, Any] | None = ...,
        contrastive_loss_param: ContrastiveLossParameter | Mapping[str, Any] | None = ...,
        exp_param: ExpParameter | Mapping[str, Any] | None = ...,
        loss_param: LossParameter | Mapping[str, Any] | None = ...,
        param: Iterable[str] | None = ...,
        blob_share_mode: Iterable[int | str] | None = ...,
        bn_param: BNParameter | Mapping[str, Any] | None = ...,
        upsample_param: UpsampleParameter | Mapping[str, Any] | None = ...,
        prelu_param: PReLUParameter | Mapping[str, Any] | None = ...,
        roi_pooling_param: ROIPoolingParameter | Mapping[str, Any] | None = ...,
        smooth_l1_loss_param: SmoothL1LossParameter | Mapping[str, Any] | None = ...,
        unpooling_param: UnpoolingParameter | Mapping[str, Any] | None = ...,
        local_param: LocalParameter | Mapping[str, Any] | None = ...,
        local_weighted_convolution_param: LocalParameter | Mapping[str, Any] | None = ...,
        multi_stage_meanfield_param: MultiStageMeanfieldParameter | Mapping[str, Any] | None = ...,
        own_param: Iterable[OwnField | Mapping[str, Any]] | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> V1LayerParameter: ...

class WindowDataParameter(Message):
    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    fg_threshold: float
    bg_threshold: float
    fg_fraction: float
    context_pad: int
    crop_mode: str
    cache_images: bool
    root_folder: str
    def __init__(
        self,
        *,
        source: str | None = ...,
        scale: float | None = ...,
        mean_file: str | None = ...,
        batch_size: int | None = ...,
        crop_size: int | None = ...,
        mirror: bool | None = ...,
        fg_threshold: float | None = ...,
        bg_threshold: float | None = ...,
        fg_fraction: float | None = ...,
        context_pad: int | None = ...,
        crop_mode: str | None = ...,
        cache_images: bool | None = ...,
        root_folder: str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> WindowDataParameter: ...

class YoloDetectionOutputParameter(Message):
    num_classes: int
    num_box: int
    coords: int
    confidence_threshold: float
    nms_threshold: float
    @property
    def biases(self) -> RepeatedScalarFieldContainer[float]: ...
    side: int
    label_map_file: str
    def __init__(
        self,
        *,
        num_classes: int | None = ...,
        num_box: int | None = ...,
        coords: int | None = ...,
        confidence_threshold: float | None = ...,
        nms_threshold: float | None = ...,
        biases: Iterable[float] | None = ...,
        side: int | None = ...,
        label_map_file: str | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> YoloDetectionOutputParameter: ...

class Yolov3DetectionOutputParameter(Message):
    num_classes: int
    num_box: int
    confidence_threshold: float
    nms_threshold: float
    @property
    def biases(self) -> RepeatedScalarFieldContainer[float]: ...
    @property
    def mask(self) -> RepeatedScalarFieldContainer[int]: ...
    @property
    def anchors_scale(self) -> RepeatedScalarFieldContainer[int]: ...
    mask_group_num: int
    def __init__(
        self,
        *,
        num_classes: int | None = ...,
        num_box: int | None = ...,
        confidence_threshold: float | None = ...,
        nms_threshold: float | None = ...,
        biases: Iterable[float] | None = ...,
        mask: Iterable[int] | None = ...,
        anchors_scale: Iterable[int] | None = ...,
        mask_group_num: int | None = ...,
    ) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> Yolov3DetectionOutputParameter: ...
