"""The models that come with the package: their names, their files, and what is known of each."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from prototxt_import.files import InputError, parse_json, read_bytes, require

FOLDER = Path(__file__).parent
DEFAULT = "lsp-small"
"""The network for poses that is used where nobody names one."""
DETECTOR = "person-small"
"""The person detector that is used beside a model of the package where nobody says where people are."""


@dataclass(frozen=True)
class Model:
    """A trained network. target_dist and sigma_center (px) as in its training, see `inference.protocol`.

    scales: multiples of a person's size that its scores were measured at; scores: of each test set, in percent; speed,
    data, terms and training (commands) are for people to read.
    """

    name: str
    folder: Path
    title: str
    target_dist: float
    sigma_center: float
    scales: tuple[float, ...]
    sha256: str
    scores: Mapping[str, float]
    speed: str
    data: str
    terms: str
    training: tuple[str, ...]

    @property
    def prototxt(self) -> Path:
        """The deploy network."""
        return self.folder / "deploy.prototxt"

    @property
    def weights(self) -> Path:
        """The file of weights, as it was shipped; InputError if its bytes are others."""
        path = self.folder / "weights.caffemodel"
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(f"{path}: expected the weights of {self.name}: {error.strerror}") from None
        if found != self.sha256:
            raise InputError(f"{path}: expected SHA-256 {self.sha256[:12]}…, found {found[:12]}…: install it again")
        return path

    @property
    def trained(self) -> dict[str, float]:
        """What a net of it knows of its training (`Net.trained`)."""
        return {"target_dist": self.target_dist, "sigma_center": self.sigma_center}

    @property
    def size(self) -> int:
        """Bytes of the weights."""
        return (self.folder / "weights.caffemodel").stat().st_size


def names(folder: Path = FOLDER) -> list[str]:
    """Of all models, in order."""
    return sorted(path.parent.name for path in folder.glob("*/model.json"))


def find(name: str, folder: Path = FOLDER) -> Model:
    """The model of this name; InputError lists the names if there is none."""
    if name not in names(folder):
        raise InputError(f"{name}: expected a model's name, {' or '.join(names(folder))}, found none of them")
    path = folder / name / "model.json"
    card = parse_json(read_bytes(path), path)
    expected = sorted({field.name for field in fields(Model)} - {"name", "folder"})
    found = sorted(card) if isinstance(card, dict) else type(card).__name__
    require(path, found == expected, f"what is known of a model ({', '.join(expected)})", f"{found}: install it again")
    card["scales"], card["training"] = tuple(card["scales"]), tuple(card["training"])
    return Model(name=name, folder=folder / name, **card)
