"""Kernel sizes, poolings and widths of a CPM: parameters counted and met, and receptive fields worked out by hand."""

from dataclasses import replace

import pytest

from cpm_repro.network.receptive_field import receptive_fields
from cpm_repro.network.specification import CPM, PRESETS, Kernels, Widths, cpm_deploy, cpm_train, release_transform
from cpm_repro.network.stages import stage_blobs
from cpm_repro.network.widths import count_parameters, with_parameters
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import format_prototxt, parse_net
from prototxt_import.net import Net

NARROW = Widths(6, 5, 7, 4)


def net_of(spec, size=(64, 96)):
    return Net(parse_net(format_prototxt(cpm_deploy(spec, size)), "built"))


def fields(net):
    seen = receptive_fields(net, "data")
    return [seen[name][0].size for name in stage_blobs(net)]


@pytest.mark.parametrize(
    "spec",
    [
        CPM(stages=1, widths=NARROW),
        CPM(stages=3, widths=NARROW),
        CPM(9, 4, NARROW, Kernels((5, 3), 3, (3,), ((3, 5), (7,))), poolings=2),
        CPM(3, 2, NARROW, Kernels((3, 5, 7, 1, 9), 1, (3, 3, 3), ((1, 1),)), poolings=4),
    ],
)
def test_parameters_counted_without_the_net(spec):
    assert count_parameters(spec) == sum(parameter.numel() for parameter in net_of(spec).parameters())


def test_the_papers_parameters():
    assert count_parameters(PRESETS["mpi"]) == 31_219_866
    assert count_parameters(PRESETS["flic"]) == 21_323_816


def test_parameters_and_fields_of_two_architectures_by_hand():
    """Features 5, pooled, 5, pooled, 5, pooled: 5, 7, 15, 19, 35, 43 px at stride 8."""
    small = CPM(2, 2, Widths(4, 3, 6, 8), Kernels((5, 5, 5), 1, (1,), ((3,),)))
    # (25*3+1)*4 + 2 * (25*4+1)*4 = 1112 on the image and (4+1)*3 = 15 shared, twice; stage 1: (3+1)*6 + (6+1)*3 = 45;
    # stage 2: (9*(3+3+1)+1)*8 + (8+1)*3 = 539
    assert count_parameters(small) == 2 * (1112 + 15) + 45 + 539
    assert fields(net_of(small)) == [43, 43 + 2 * 8]
    wide = replace(small, poolings=2, kernels=Kernels((5, 5, 5), 3, (5,), ((9, 5), (1, 1))), stages=3)
    # On the image without the last pooling: 35 px at stride 4. Stage 1 reaches 2 + 4 units further, stage 2 8 + 4.
    # From the third stage on a unit sees what the second saw, or its own features.
    assert fields(net_of(wide)) == [35 + 4 * 6, 35 + 4 * 18, 35 + 4 * 18]
    # shared: (9*4+1)*3 = 111, in all three; stage 1: (25*3+1)*6 + 21; stage 2: (81*7+1)*8 + (25*8+1)*8 + 27;
    # stage 3: (7+1)*8 + (8+1)*8 + 27
    assert count_parameters(wide) == 2 * 1112 + 3 * 111 + 477 + 6179 + 163


@pytest.mark.parametrize(("poolings", "stride"), [(1, 2), (2, 4), (3, 8), (4, 16)])
def test_maps_centre_map_and_labels_have_one_size(poolings, stride):
    spec = CPM(3, 2, NARROW, Kernels(features=(3, 3, 3, 3)), poolings)
    net = net_of(spec)
    shapes = {net.blob_shapes[name] for name in stage_blobs(net)}
    assert shapes == {(1, 4, 64 // stride, 96 // stride)}
    transform = release_transform()
    transform.stride = stride
    assert cpm_train(spec, "x", 2, transform).layer[0].transform_param.stride == stride
    transform.stride = 5
    with pytest.raises(InputError, match=f"labels of stride {stride}, found 5"):
        cpm_train(spec, "x", 2, transform)


@pytest.mark.parametrize("kernels", [((1, 1, 1),), ((3, 3, 3),), ((11, 11),), ((3, 3), (9, 1))])
def test_widths_solved_for_a_number_of_parameters(kernels):
    spec = CPM(stages=3, kernels=Kernels(stages=kernels))
    found = with_parameters(spec, 8_000_000)
    assert abs(count_parameters(found) - 8_000_000) <= 0.03 * 8_000_000
    assert found == replace(spec, widths=replace(spec.widths, stage=found.widths.stage))
    for other in (found.widths.stage - 1, found.widths.stage + 1):
        parameters = count_parameters(replace(spec, widths=replace(spec.widths, stage=other)))
        assert abs(parameters - 8_000_000) >= abs(count_parameters(found) - 8_000_000)


@pytest.mark.parametrize(
    ("spec", "parameters", "said"),
    [
        (CPM(stages=1), 1000, "expected a second stage"),
        (CPM(stages=2), 1000, "expected 1,000 parameters within 3 %, found .* at 1 channels"),
        (CPM(2, 2, Widths(1, 1, 1, 1)), 16_000, "expected 16,000 parameters within 3 %, found .* channels"),
    ],
)
def test_parameters_out_of_reach_are_told(spec, parameters, said):
    with pytest.raises(InputError, match=said):
        with_parameters(spec, parameters)


@pytest.mark.parametrize(
    ("kernels", "poolings", "said"),
    [
        (Kernels(features=(9, 8, 9)), 3, "odd kernel sizes, found 8"),
        (Kernels(stages=((3, -1),)), 3, "odd kernel sizes, found -1"),
        (Kernels(features=(9, 9)), 3, "3 or more kernels on the image"),
        (Kernels(stages=((3,), ())), 3, "one or more kernels for each later stage"),
        (Kernels(stages=()), 3, "one or more kernels for each later stage"),
        (Kernels(), 0, "1 to 4 poolings, found 0"),
    ],
)
def test_kernels_that_make_no_maps_are_told(kernels, poolings, said):
    with pytest.raises(InputError, match=said):
        cpm_deploy(CPM(kernels=kernels, poolings=poolings))


def test_each_stage_has_its_own_kernels_and_the_last_ones_go_on():
    net = cpm_deploy(CPM(stages=4, kernels=Kernels(stages=((5, 1), (3,)))))
    sizes = {layer.name: layer.convolution_param.kernel_size[0] for layer in net.layer if layer.name[:2] == "Mc"}
    expected = {"Mconv1_stage2": 5, "Mconv2_stage2": 1, "Mconv3_stage2": 1}
    for stage in (3, 4):
        expected |= {f"Mconv1_stage{stage}": 3, f"Mconv2_stage{stage}": 1}
    assert sizes == expected
