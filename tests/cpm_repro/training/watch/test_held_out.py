"""When held-out people are scored, and where it is said."""

from types import SimpleNamespace

from cpm_repro.training.loop import Step
from cpm_repro.training.watch.held_out import Scores


def scored(rank=0):
    """The iterations after which there is a score, of 7 in all."""
    said, written = [], []
    people = SimpleNamespace(score=lambda weights: {"PCK@0.2": 12.5})
    hook = Scores(people, 3, said.append, lambda iteration, values: written.append((iteration, values)))
    for iteration in range(1, 8):
        run = SimpleNamespace(
            param=SimpleNamespace(max_iter=7),
            solver=SimpleNamespace(iteration=iteration),
            share=SimpleNamespace(rank=rank),
            net=SimpleNamespace(to_caffemodel=lambda: "weights"),
        )
        hook.after_step(run, Step(iteration - 1, 0.1, 1.0, {}), stopped=False)
    assert [f"Held out, after {iteration} iterations: PCK@0.2 = 12.5" for iteration, _ in written] == said
    return [iteration for iteration, _ in written]


def test_scores_come_every_so_often_and_at_the_end_from_the_first_process():
    assert scored() == [3, 6, 7] and scored(rank=1) == []
