"""Videos: read and written whole, people followed between looks, and one sentence for what is none."""

import os
import sys

import numpy as np
import pytest

from cpm_repro.inference import video
from cpm_repro.inference.beliefs import Pose
from cpm_repro.inference.crops import Person
from cpm_repro.inference.protocol import Protocol
from prototxt_import.files import InputError

pytest.importorskip("cv2", reason="no OpenCV")


def write(path, frames=5, size=(64, 48)):
    with video.written_clip(path, 12.5, size) as add:
        for number in range(frames):
            add(np.full((size[1], size[0], 3), 10 + 20 * number, np.uint8))
    return path


def test_what_is_written_is_read_again(tmp_path):
    with video.open_clip(write(tmp_path / "clip.mp4")) as clip:
        assert (clip.rate, clip.count) == (12.5, 5)
        frames = list(clip.frames)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 5
    means = [frame.mean() for frame in frames]
    np.testing.assert_allclose(means, 10 + 20 * np.arange(5), atol=4)


def test_a_clip_that_breaks_off_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), video.written_clip(tmp_path / "clip.mp4", 12, (64, 48)):
        _ = 1 / 0
    assert not list(tmp_path.iterdir())


def test_what_is_no_video_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    for source in (tmp_path / "a.mp4", tmp_path / "none.mp4", 77):
        where = f"camera {source}" if source == 77 else str(source)
        with pytest.raises(InputError, match=f"^{where}: expected a video"), video.open_clip(source):
            pass
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match="expected OpenCV for videos"), video.open_clip(tmp_path / "a.mp4"):
        pass


def test_people_are_followed_and_looked_for_again(monkeypatch):
    frames = [np.full((40, 60, 3), number, np.uint8) for number in range(video.LOOK_AGAIN + 2)]
    looked, asked = [], []

    def find(frame):
        looked.append(int(frame[0, 0, 0]))
        return [] if looked[-1] == 0 else [Person(frame, (10.0, 10.0), 0.2)]

    def beliefs(people, net, protocol):
        for person in people:
            asked.append((int(person.image[0, 0, 0]), person.center))
            x = person.center[0] + 1
            joints = np.tile([[x - 5, 5.0], [x + 5, 25.0]], (7, 1))
            pose = Pose(joints, np.ones(14), np.zeros((15, 1, 1), np.float32))
            yield type("Beliefs", (), {"pose": lambda self, p=pose: p})()

    monkeypatch.setattr(video, "estimate_beliefs", beliefs)
    seen = list(video.follow(iter(frames), find, None, Protocol(64, 0.2)))
    assert looked == [0, 1, video.LOOK_AGAIN]
    assert [len(people) for _, people in seen] == [0] + [1] * (len(frames) - 1)
    assert asked[:3] == [(1, (10.0, 10.0)), (2, (11.0, 15.0)), (3, (12.0, 15.0))]
    assert asked[video.LOOK_AGAIN - 1] == (video.LOOK_AGAIN, (10.0, 10.0))


def test_a_clip_that_lacks_frames_is_refused(tmp_path):
    """As when the disk is full; here a frame of another size, of which OpenCV says as little."""
    with (
        pytest.raises(InputError, match=r"clip\.mp4: cannot be written: expected 2 frames, found 1"),
        video.written_clip(tmp_path / "clip.mp4", 12, (64, 48)) as add,
    ):
        add(np.zeros((48, 64, 3), np.uint8))
        add(np.zeros((20, 20, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_not_utf_8(tmp_path):
    path = write(tmp_path / os.fsdecode(b"clip\xff.mp4"))
    with video.open_clip(path) as clip:
        assert len(list(clip.frames)) == 5
