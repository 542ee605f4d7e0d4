"""Which files are a run's own: the log `<snapshot_prefix>.log`, which it holds a lock on, and its snapshots.

Two runs of one prefix, or a run and workers that a killed torchrun left behind, would write over each other.
"""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from prototxt_import.files import InputError, first_five

from .output import LogFile

_SNAPSHOT = re.compile(r"_iter_(\d+)\.(caffemodel|solverstate)(\.h5)?")


@contextmanager
def own_log(path: Path, going_on: Path | None, overwrite: bool) -> Iterator[LogFile]:
    """The log at `path`, `<snapshot_prefix>.log`, to append to; other runs of that prefix are refused as long as this
    one has it.

    InputError if another run has it or if snapshots of another run are there, unless `overwrite`; those that
    `going_on`, the solver state to continue from, is one of are this run's.
    """
    with closing(LogFile(path)) as file:
        file.lock()
        if not overwrite:
            _check_nobody_elses(file, going_on)
        yield file


def snapshots_beside(log: Path) -> list[Path]:
    """The weights and solver states of that log's prefix, by iteration; none if all there is are weights of one
    iteration, as a run leaves them that was killed in its first snapshot."""
    prefix, found = log.name.removesuffix(".log"), []
    for path in log.parent.iterdir():
        match = _SNAPSHOT.fullmatch(path.name[len(prefix) :]) if path.name.startswith(prefix) else None
        if match:
            found.append((int(match[1]), path))
    return [path for _, path in sorted(found)] if len(found) > 1 else []


def _check_nobody_elses(file: LogFile, going_on: Path | None) -> None:
    found = snapshots_beside(file.path)
    if not found or (going_on is not None and going_on.resolve() in [path.resolve() for path in found]):
        return
    if not file.begun:
        file.path.unlink(missing_ok=True)
    raise InputError(
        f"{file.path.parent}: expected no snapshots of another run with this snapshot_prefix, found "
        f"{first_five([path.name for path in found])}: --snapshot goes on from a solver state, --overwrite starts anew"
    )
