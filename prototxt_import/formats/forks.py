"""Which fork of Caffe a layer type, a field or an enum's value comes from that no message here has, and what to do."""

from difflib import get_close_matches

from . import schema

_TYPES = {
    "SSD": ("AnnotatedData", "DetectionEvaluate", "VideoData"),
    "MNC": ("ROIWarping", "ROIWarpingTest", "MaskResize"),
    "Deformable ConvNets": ("ModulatedDeformableConvolution", "DeformablePSROIPooling"),
    "FlowNet": ("PFMWriter", "FLOWriter", "ImgWriter", "FloatWriter", "Mean", "Accum"),
    "SqueezeDet": ("SqueezeDetLoss",),
    "GroupNorm-caffe and others (of which one counts groups, one their channels)": ("GroupNorm",),
    "DeepLogCORAL": ("COVARIANCE", "MOVINGAVERAGE"),
    "LearnableDilationNetwork": ("Truncation", "Duplicate"),
    "Cascade R-CNN": ("ProposalTarget", "FrcnnOutput", "DetectionGroupLoss", "DetectionGroupAccuracy", "HardMining"),
    "DeepLab": ("DenseCRF", "ImageSegData", "MatWrite", "MatRead"),
    "PSPNet": ("BNData", "ImageSegData"),
    "YOLO": ("Region", "RegionLoss", "BoxData", "Yolov3", "YoloSeg", "SegmentationEvaluate", "AssistedExcitation"),
    "MobileNet": ("ConvolutionDepthwise", "DepthwiseConvolution", "DepthwiseConv"),
    "WarpCTC": ("WarpCTCLoss", "WarpCtc", "CTCLoss", "CtcLoss", "LabelsequenceAccuracy", "SequenceAccuracy"),
    "NVIDIA": ("DetectNetTransformation",),
    "OpenPose": ("OPData", "CPMAnnotatedData"),
    "focal loss": ("FocalLoss",),
    "JULE": ("GraphLinkageLoss",),
    "caffe-windows": (
        "LabelSpecificAdd",
        "LabelSpecificAffine",
        "LabelSpecificHardMargin",
        "LabelSpecificMargin",
        "LabelSpecificRescale",
        "LabelSpecificStatistics",
        "EltwiseAffine",
    ),
    "GuoShi28 (Caffe-Instance-Normalization-and-Guided-Instance-Normalization)": ("InstanceNorm", "GuidedInstanceNorm"),
    "SegNet": ("DenseImageData",),
    "MS-CNN": ("DetectionLoss", "DetectionAccuracy", "BBoxAccuracy", "ImageGtData", "SoftmaxWeightedLoss"),
    "ConvLSTM-for-Caffe": ("ConvLSTM",),
    "restricted Boltzmann machines": ("RBMInnerProduct", "BernoulliSample"),
    "DCGAN": ("RandVec",),
    "spatial transformers": ("AffineTransform", "STLoss", "PowerFile", "LocLoss"),
    "triplet loss": ("TripletLoss", "QuartetLoss"),
    "Ristretto": ("ConvolutionRistretto", "DeconvolutionRistretto", "FcRistretto", "LRNRistretto"),
    "multi-person pose": ("ImResize", "Nms"),
    "compact bilinear pooling": ("CompactBilinear",),
    "hypercolumns": ("HyperColumns",),
    "Synopsys": (
        "ResizeBilinear",
        "ResizeNearestNeighbor",
        "SqueezeConvolution",
        "SqueezeInnerProduct",
        "StridedSlice",
    ),
}
"""Types that public nets use."""
_MODULES = {
    "caffe.layers.detectnet": "NVIDIA",
    "rpn": "py-faster-rcnn",
    "roi_data_layer": "py-faster-rcnn",
    "voc_layers": "FCN",
    "nyud_layers": "FCN",
    "pylayer": "MNC",
    "pylayers": "SEC",
    "tripletselectlayer": "tripletloss",
    "tripletlosslayer": "tripletloss",
    "norm2layer": "tripletloss",
    "SSH.layers": "SSH",
    "caffe_traininglayers": "colorization",
    "CombineRegressions": "DenseReg",
}
"""Modules of layers in Python that public nets use."""
_FIELDS = {
    "BVLC": ("force_color", "force_gray"),
    "SSD": (
        "annotated_data_param", "ap_version", "crop_h", "crop_w", "detection_evaluate_param", "distort_param",
        "emit_constraint", "eval_type", "expand_param", "noise_param", "plateau_winsize",
        "resize_param", "show_per_class_result", "video_data_param",
    ),
    "NVIDIA": (
        "bn_mode_param", "cudnn_convolution_algo_seeker", "detectnet_augmentation_param", "detectnet_groundtruth_param",
        "global_grad_scale", "img_rand_resize_lower", "img_rand_resize_upper", "local_lr_auto", "local_gw_ratio",
        "min_lr", "rampup_interval", "rampup_lr", "use_gpu_transform",
    ),
    "Deformable ConvNets": ("modulated_deformable_convolution_param",),
    "DeepLab": ("kstride", "label_type", "mat_write_param", "strict_dim"),
    "FlowNet": ("coeff_schedule_param", "writer_param"),
    "Ristretto": ("quantization_param",),
    "Intel": ("fusion_type", "multinode", "multinode_param", "bn_stats_batch_size"),
    "YOLO": ("box_data_param", "region_loss_param", "region_param", "eval_detection_param"),
    "WarpCTC": ("ctc_loss_param", "warp_ctc_loss_param"),
    "TI": ("quantize", "net_quantization_param", "image_label_data_param"),
    "spatial transformers": ("st_loss_param", "power_file_param", "loc_loss_param"),
    "triplet loss": ("triplet_loss_param",),
    "DenseReg": ("deletebottom", "deletetop"),
    "Continuous CRF-CNN": ("spatial_weight", "bilateral_weight"),
    "GroupNorm-caffe": ("group_norm_param",),
    "a newer C3D": ("pooling3d_param", "convolution3d_param"),
    "Synopsys": ("pad_l", "pad_r", "pad_t", "pad_b", "pad_type", "relu6", "AVE_EXC_PAD", "AVE_TF"),
    "TextBoxes++": ("use_polygon",),
    "caffe-windows": (
        "normalize_param", "blob_filler", "inner_distance_param", "label_specific_rescale_param", "min_is_better",
        "label_specific_add_param", "label_specific_margin_param", "eltwise_affine_param",
    ),
    "channel pruning": ("filter_param",),
    "SegNet": ("dense_image_data_param",),
    "ConvLSTM-for-Caffe": ("lstm_conv_param", "lstm_debug_param"),
    "restricted Boltzmann machines": ("rbm_inner_product_param",),
    "DCGAN": ("randvec_param",),
    "MS-CNN": ("decode_bbox_param", "detection_loss_param", "proposal_target_param"),
    "caffe-augmentation": (
        "apply_probability", "contrast_brightness_adjustment", "debug_params", "max_brightness_shift",
        "max_color_shift", "max_contrast", "max_rotation_angle", "max_scaling_factor", "max_smooth", "min_contrast",
        "min_scaling_factor", "min_side", "min_side_max", "min_side_min", "smooth_filtering",
    ),
}  # fmt: skip
"""Fields that public nets and solvers use."""


_FILES = {"SolverParameter": ("a net", "NetParameter"), "NetParameter": ("a solver", "SolverParameter")}
"""What a file may be instead, by the message that was expected of it."""


def fork_of_type(type_name: str) -> str:
    """ " of the fork …" for a layer type of one that is known, else empty."""
    forks = [fork for fork, names in _TYPES.items() if type_name in names]
    return f" of the fork {' or '.join(forks)}" if forks else ""


def fork_of_module(module: str) -> str:
    """The same for the module of a layer in Python."""
    names = [fork for known, fork in _MODULES.items() if f"{module}.".startswith(f"{known}.")]
    return f" of {names[0]}" if names else ""


def origin(owner: str, name: str) -> str:
    """What to add to the refusal of a field that a message lacks, or of a value that an enum lacks: whose Caffe has it,
    or what may be meant instead; and what to do."""
    if name[:1].isdigit():
        return " (numbers have a point, no comma)"
    forks = [f"{fork}'s" for fork, names in _FIELDS.items() if name in names]
    kind, message = _FILES.get(owner, ("", ""))
    if message and name in getattr(schema, message).DESCRIPTOR.fields_by_name:
        return f" (is this {kind}'s prototxt?)"
    near = [] if forks else get_close_matches(name, _known(owner), 1, 0.75)
    if near:
        return f" (is {near[0]} meant?)"
    whose = f", which {' and '.join(forks)} Caffe has" if forks else ""
    what = "leave it out if the result does not depend on it"
    if owner.partition(".")[0] in ("SolverParameter", "NetParameter", "NetState"):
        return f"{whose} ({what})"
    return f"{whose} ({what}, or compute the layer with a class of your own: docs/own-layer.md)"


def _known(owner: str) -> list[str]:
    """The fields of a message, or the values of its enum, as `SolverParameter.SolverMode` names that."""
    message, _, enum = owner.partition(".")
    descriptor = getattr(getattr(schema, message, None), "DESCRIPTOR", None)
    if descriptor is None:
        return []
    values = descriptor.enum_types_by_name.get(enum)
    return list(values.values_by_name if values else descriptor.fields_by_name)
