"""The paper's experiments, each repeated by one command (`cpm study NAME`): trainings, scores, figures, a verdict.

In reading order: data (whom they train on), recipes (a training, completely), networks (the nets, and what studies
change in them), trainer (trains each recipe once), scores, study (what a study is; its report); then one module for
each experiment: stages (figure 6c), ways (figure 6b: four ways to train), gradients (figure 5).
"""

from .gradients import STUDY as GRADIENTS
from .stages import STUDY as STAGES
from .ways import STUDY as TRAINING

STUDIES = {study.name: study for study in (STAGES, TRAINING, GRADIENTS)}
"""By name, in the order in which `cpm study all` runs them."""
