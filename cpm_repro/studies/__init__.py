"""The paper's experiments, each repeated by one command (`cpm study NAME`): trainings, scores, figures, a verdict.

In reading order: data (whom they train on), recipes (a training, completely), networks (the nets, and what studies
change in them), trainer (trains each recipe once), scores, study (what a study is; its report); then one module for
each experiment: stages (figure 6c), ways (figure 6b: four ways to train), gradients (figure 5), receptive_field
(figure 4), more_data (figures 8 and 9: a second training set), center_map (sections 3.3 and 4.2); subsets (the LMDBs
that these two make); baseline (figure 6a: the pose machine of 2014, which is in pose_machine) and viewpoint (figure
11).
"""

from .baseline import STUDY as POSE_MACHINE
from .center_map import STUDY as CENTER_MAP
from .gradients import STUDY as GRADIENTS
from .more_data import STUDY as DATA
from .receptive_field import STUDY as RECEPTIVE_FIELD
from .stages import STUDY as STAGES
from .viewpoint import STUDY as VIEWPOINT
from .ways import STUDY as TRAINING

STUDIES = {
    study.name: study
    for study in (STAGES, TRAINING, GRADIENTS, RECEPTIVE_FIELD, DATA, CENTER_MAP, POSE_MACHINE, VIEWPOINT)
}
"""By name, in the order in which `cpm study all` runs them."""
