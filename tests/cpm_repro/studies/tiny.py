"""A setting in which a study is over in seconds: nets of two channels on crops of 32 px, four pictures to judge."""

from cpm_repro.network.specification import CPM, Widths
from cpm_repro.studies.data import Drawing, drawn_people
from cpm_repro.studies.networks import Size
from cpm_repro.studies.pose_machine.machine import Settings
from cpm_repro.studies.study import Setting
from cpm_repro.studies.trainer import Trainer

SIZE = Size(
    cpm=CPM(stages=2, widths=Widths(2, 2, 2, 24), filler_std=0.05),
    crop=32,
    target_dist=0.12,
    sigma=4,
    sigma_center=4,
    iterations=6,
    batch=2,
    drawn=(12, 4),
    pose_machine=Settings(copies=1, positions=6, trees=2, smallest_leaf=2),
)


def setting(out, seeds=1, size=SIZE):
    """Trained in `out`."""
    return Setting(Trainer(out, drawn_people(out, Drawing(*size.drawn)), threads=1), size, seeds, size.cpm.stages)
