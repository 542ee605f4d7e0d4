"""One training of a study, completely: the nets, the solver, what they start from; its digest is its name.

A study is a list of recipes and what is read off their results. Two studies that need the same training share it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cpm_repro.training.loop import Hook
from prototxt_import.files import write_text
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import format_prototxt, relative_path

TRAIN, DEPLOY, SOLVER = "train.prototxt", "deploy.prototxt", "solver.prototxt"


def stage_of(layer: str) -> int | None:
    """The stage that a layer belongs to, by its name; None for those that all stages share."""
    stage = layer.rpartition("_stage")[2]
    return int(stage) if layer != stage and stage.isdigit() else None


@dataclass(frozen=True, eq=False)
class Recipe:
    """A training: `train`, with its data layer, by `solver`, whose weights `deploy` takes.

    name: for people, such as "3 stages, seed 1". lmdb: what the data layer reads; data: its digest. start: the
    recipe whose weights it begins with. observe: makes, for the training's folder, who watches it; what that writes
    there is read when the training is over.
    """

    name: str
    train: schema.NetParameter
    deploy: schema.NetParameter
    solver: schema.SolverParameter
    lmdb: Path
    data: str
    start: "Recipe | None" = None
    observe: Callable[[Path], Hook] | None = None

    @property
    def digest(self) -> str:
        """Of all that decides the weights, and of what is observed."""
        net = schema.NetParameter()
        net.CopyFrom(self.train)
        for layer in net.layer:
            if layer.HasField("cpmdata_param"):
                layer.cpmdata_param.ClearField("source")  # `data` says what is there, wherever it lies
        texts = [format_prototxt(message) for message in (net, self.deploy, self.solver)]
        watched = self.observe.__name__ if self.observe else ""
        parts = [*texts, self.data, self.start.digest if self.start else "", watched]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]

    @property
    def lineage(self) -> "list[Recipe]":
        """The recipes that have to be trained, this one last."""
        return [*(self.start.lineage if self.start else []), self]

    @property
    def iterations(self) -> int:
        """Of this training alone."""
        return self.solver.max_iter

    @property
    def stages(self) -> int:
        """How many its net has."""
        return max(stage_of(layer.name) or 1 for layer in self.deploy.layer)

    @property
    def samples(self) -> int:
        """How many training samples it sees, those of its start included."""
        layer = next(layer for layer in self.train.layer if layer.HasField("cpmdata_param"))
        own = self.iterations * self.solver.iter_size * layer.cpmdata_param.batch_size
        return own + (self.start.samples if self.start else 0)

    def write(self, folder: Path) -> None:
        """The prototxts, as `cpm train` takes them; the LMDB's path in them begins at the folder."""
        train = schema.NetParameter()
        train.CopyFrom(self.train)
        for layer in train.layer:
            if layer.HasField("cpmdata_param"):
                layer.cpmdata_param.source = relative_path(self.lmdb, folder, str(self.lmdb))
        for name, message in ((TRAIN, train), (DEPLOY, self.deploy), (SOLVER, self.solver)):
            write_text(folder / name, format_prototxt(message))
