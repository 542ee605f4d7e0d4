"""The part tables agree with one another; left and right are what their names say."""

import pytest

from data_lmdb import joints


def test_stored_order_becomes_the_networks_order():
    assert joints.STORED_TO_14 == (9, 8, 12, 11, 10, 13, 14, 15, 2, 1, 0, 3, 4, 5)


def test_the_28_pairs_are_those_of_the_original():
    first = [9, 8, 12, 11, 10, 13, 14, 15, 2, 1, 0, 3, 4, 5, 7, 6, 9, 8, 12, 11, 8, 13, 14, 2, 1, 3, 4, 6]
    second = [9, 8, 12, 11, 10, 13, 14, 15, 2, 1, 0, 3, 4, 5, 7, 6, 8, 12, 11, 10, 13, 14, 15, 1, 0, 4, 5, 7]
    assert list(joints.PAIRS_28) == list(zip(first, second, strict=True))
    assert len(joints.PARTS_28) == 28


@pytest.mark.parametrize("number_of_parts", [9, 14, 28])
def test_swaps_exchange_left_and_right(number_of_parts):
    names = joints.PARTS[number_of_parts]
    one, other = joints.SWAPS[number_of_parts]
    mirrored = list(names)
    for a, b in zip(one, other, strict=True):
        mirrored[a], mirrored[b] = names[b], names[a]
    sides = {"r_": "l_", "l_": "r_"}

    def mirror(name: str) -> str:
        return "-".join(sides.get(joint[:2], joint[:2]) + joint[2:] for joint in name.split("-"))

    assert mirrored == [mirror(name) for name in names]
    assert [names[part] for part in joints.mirrored(names)] == mirrored


@pytest.mark.parametrize("number_of_parts", [9, 14, 28])
def test_limbs_and_torso_join_existing_parts(number_of_parts):
    names = joints.PARTS[number_of_parts]
    assert [names[part] for part in joints.TORSO[number_of_parts]] == ["l_shoulder", "r_hip"]
    for (start, end), colour in joints.LIMBS[number_of_parts].items():
        assert start != end and max(start, end) < number_of_parts
        assert len(colour) == 3 and all(0 <= value <= 255 for value in colour)


def test_stored_limbs_are_those_of_the_14_parts_and_the_trunk():
    names = joints.STORED_16
    stored = {(names[start], names[end]): colour for (start, end), colour in joints.LIMBS[16].items()}
    parts = {(joints.PARTS_14[start], joints.PARTS_14[end]): colour for (start, end), colour in joints.LIMBS_14.items()}
    assert parts.items() <= stored.items()
    assert stored.keys() - parts.keys() == {("neck", "thorax"), ("thorax", "pelvis")}


@pytest.mark.parametrize("number_of_parts", [9, 14])
def test_table_rows_take_every_part_once(number_of_parts):
    taken = [part for parts in joints.TABLE_ROWS[number_of_parts].values() for part in parts]
    assert sorted(taken) == list(range(number_of_parts))


def test_parts_as_pictures_name_them():
    assert [joints.spoken(name) for name in ("r_wrist", "l_hip", "head", "part_0", "background", "r_")] == [
        "right wrist", "left hip", "head", "part_0", "background", "r_",
    ]  # fmt: skip
