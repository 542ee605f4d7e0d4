"""How much the pose machine sees beside the CPM."""

from dataclasses import replace

import pytest

from cpm_repro.studies.baseline import STAGES, asked_settings
from cpm_repro.studies.data import records_of
from cpm_repro.studies.pose_machine.machine import Settings
from cpm_repro.studies.study import Setting
from cpm_repro.studies.trainer import Trainer
from tests.cpm_repro.studies.tiny import SIZE


@pytest.mark.parametrize("times, copies", [(0.1, 1), (1.4, 1), (3, 3), (40, 10)])
def test_the_pose_machine_sees_a_person_as_often_as_the_cpm(tmp_path, drawn, times, copies):
    iterations = max(1, round(times * records_of(drawn.train) / SIZE.batch))
    size = replace(SIZE, iterations=iterations, pose_machine=Settings(copies=10, trees=3))
    asked = asked_settings(Setting(Trainer(tmp_path, drawn, threads=1), size, seeds=1), seed=5)
    assert asked == Settings(copies=copies, trees=3, stages=STAGES, seed=5)
