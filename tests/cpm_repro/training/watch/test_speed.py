"""Iterations per second and the time that is left."""

from cpm_repro.training.watch.speed import Speed


def test_speed_is_measured_from_one_call_to_the_next():
    times = iter([10.0, 14.0, 15.0, 16.0])
    speed = Speed(batch=8, clock=lambda: next(times))
    assert speed.since_last(0) is None
    assert speed.since_last(20) == 5
    assert speed.since_last(30) == 10
    assert speed.since_last(30) is None
    assert speed.sentence(2.0, 7201) == "2 iterations/s, 16 images/s, 1:00:00 left"
