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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> AccuracyParameter: ...

class ArgMaxParameter(Message):
    out_max_val: bool
    top_k: int
    axis: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ArgMaxParameter: ...

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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BNParameter: ...

class BatchNormParameter(Message):
    use_global_stats: bool
    moving_average_fraction: float
    eps: float
    @property
    def scale_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    scale_bias: bool
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BatchNormParameter: ...

class BiasParameter(Message):
    axis: int
    num_axes: int
    @property
    def filler(self) -> FillerParameter: ...
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BiasParameter: ...

class BlobProto(Message):
    RawType: ClassVar[_EnumTypeWrapper[Any]]
    DOUBLE: ClassVar[int]
    FLOAT: ClassVar[int]
    FLOAT16: ClassVar[int]
    INT: ClassVar[int]
    UINT: ClassVar[int]
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BlobProto: ...

class BlobProtoVector(Message):
    @property
    def blobs(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BlobProtoVector: ...

class BlobShape(Message):
    @property
    def dim(self) -> RepeatedScalarFieldContainer[int]: ...
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> BlobShape: ...

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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> CPMDataParameter: ...

class ClipParameter(Message):
    min: float
    max: float
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ClipParameter: ...

class ConcatParameter(Message):
    concat_dim: int
    axis: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ConcatParameter: ...

class ContrastiveLossParameter(Message):
    margin: float
    legacy_version: bool
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ContrastiveLossParameter: ...

class ConvolutionParameter(Message):
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    MKL2017: ClassVar[int]
    MKLDNN: ClassVar[int]
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ConvolutionParameter: ...

class CropParameter(Message):
    axis: int
    @property
    def offset(self) -> RepeatedScalarFieldContainer[int]: ...
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> Datum: ...

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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> DetectionOutputParameter: ...

class DropoutParameter(Message):
    dropout_ratio: float
    scale_train: bool
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> DummyDataParameter: ...

class ELUParameter(Message):
    alpha: float
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> EmbedParameter: ...

class ExpParameter(Message):
    base: float
    scale: float
    shift: float
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> FillerParameter: ...

class FlattenParameter(Message):
    axis: int
    end_axis: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> FlattenParameter: ...

class HDF5DataParameter(Message):
    source: str
    batch_size: int
    shuffle: bool
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> HDF5DataParameter: ...

class HDF5OutputParameter(Message):
    file_name: str
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> HDF5OutputParameter: ...

class HingeLossParameter(Message):
    Norm: ClassVar[_EnumTypeWrapper[Any]]
    L1: ClassVar[int]
    L2: ClassVar[int]
    norm: int
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ImageDataParameter: ...

class InfogainLossParameter(Message):
    source: str
    axis: int
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> InnerProductParameter: ...

class InputParameter(Message):
    @property
    def shape(self) -> RepeatedCompositeFieldContainer[BlobShape]: ...
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> InputParameter: ...

class InterpParameter(Message):
    height: int
    width: int
    zoom_factor: int
    shrink_factor: int
    pad_beg: int
    pad_end: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> InterpParameter: ...

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
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> LayerParameter: ...

class LogParameter(Message):
    base: float
    scale: float
    shift: float
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> LogParameter: ...

class LossParameter(Message):
    NormalizationMode: ClassVar[_EnumTypeWrapper[Any]]
    FULL: ClassVar[int]
    VALID: ClassVar[int]
    BATCH_SIZE: ClassVar[int]
    NONE: ClassVar[int]
    ignore_label: int
    normalize: bool
    normalization: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> LossParameter: ...

class MVNParameter(Message):
    normalize_variance: bool
    across_channels: bool
    eps: float
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> MVNParameter: ...

class MemoryDataParameter(Message):
    batch_size: int
    channels: int
    height: int
    width: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> MemoryDataParameter: ...

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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> NetParameter: ...

class NetState(Message):
    phase: int
    level: int
    @property
    def stage(self) -> RepeatedScalarFieldContainer[str]: ...
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> NetStateRule: ...

class NonMaximumSuppressionParameter(Message):
    nms_threshold: float
    top_k: int
    eta: float
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> NonMaximumSuppressionParameter: ...

class NormalizeParameter(Message):
    across_spatial: bool
    @property
    def scale_filler(self) -> FillerParameter: ...
    channel_shared: bool
    eps: float
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> NormalizeParameter: ...

class PReLUParameter(Message):
    @property
    def filler(self) -> FillerParameter: ...
    channel_shared: bool
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PReLUParameter: ...

class PSROIPoolingParameter(Message):
    spatial_scale: float
    output_dim: int
    group_size: int
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ParamSpec: ...

class ParameterParameter(Message):
    @property
    def shape(self) -> BlobShape: ...
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ParameterParameter: ...

class PermuteParameter(Message):
    @property
    def order(self) -> RepeatedScalarFieldContainer[int]: ...
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PermuteParameter: ...

class PoolingParameter(Message):
    PoolMethod: ClassVar[_EnumTypeWrapper[Any]]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
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
    kernel_size: int
    stride: int
    pad: int
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PoolingParameter: ...

class PowerParameter(Message):
    power: float
    scale: float
    shift: float
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PriorBoxParameter: ...

class PythonParameter(Message):
    module: str
    layer: str
    param_str: str
    share_in_parallel: bool
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> PythonParameter: ...

class ROIPoolingParameter(Message):
    pooled_h: int
    pooled_w: int
    spatial_scale: float
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ReductionParameter: ...

class ReorgParameter(Message):
    reverse: bool
    stride: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ReorgParameter: ...

class ReshapeParameter(Message):
    @property
    def shape(self) -> BlobShape: ...
    axis: int
    num_axes: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ReshapeParameter: ...

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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SPPParameter: ...

class SaveOutputParameter(Message):
    output_directory: str
    output_name_prefix: str
    output_format: str
    label_map_file: str
    name_size_file: str
    num_test_image: int
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ScaleParameter: ...

class ShuffleChannelParameter(Message):
    group: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ShuffleChannelParameter: ...

class SigmoidParameter(Message):
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SigmoidParameter: ...

class SliceParameter(Message):
    slice_dim: int
    @property
    def slice_point(self) -> RepeatedScalarFieldContainer[int]: ...
    axis: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SliceParameter: ...

class SmoothL1LossParameter(Message):
    sigma: float
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SmoothL1LossParameter: ...

class SoftmaxParameter(Message):
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    axis: int
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SolverParameter: ...

class SolverState(Message):
    iter: int
    learned_net: str
    @property
    def history(self) -> RepeatedCompositeFieldContainer[BlobProto]: ...
    current_step: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SolverState: ...

class SwishParameter(Message):
    beta: float
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> SwishParameter: ...

class TanHParameter(Message):
    Engine: ClassVar[_EnumTypeWrapper[Any]]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> TanHParameter: ...

class ThresholdParameter(Message):
    threshold: float
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> ThresholdParameter: ...

class TileParameter(Message):
    axis: int
    tiles: int
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> TransformationParameter: ...

class UpsampleParameter(Message):
    scale: int
    scale_h: int
    scale_w: int
    pad_out_h: bool
    pad_out_w: bool
    upsample_h: int
    upsample_w: int
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
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
    def __init__(self, **fields: Any) -> None: ...
    @classmethod
    def FromString(cls, s: bytes, /) -> WindowDataParameter: ...
