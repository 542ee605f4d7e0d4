"""OpenCV's reader of Caffe's files, in a process of its own: there are nets on which it raises no error but dies.

The file itself is that process's program (`python process.py FOLDER`), so that it starts without torch.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

Output = tuple[str, int, str]
"""A layer's name, which of its tops, and that top's name."""


class NotRun(Exception):
    """Why there are no blobs of OpenCV's."""


def opencvs_blobs(
    folder: Path, prototxt: str, weights: Path, inputs: Mapping[str, np.ndarray], outputs: Iterable[Output]
) -> tuple[str, list[np.ndarray]]:
    """OpenCV's version, and the outputs as it computes them, exchanged through an empty folder; or NotRun."""
    if find_spec("cv2") is None:
        raise NotRun("not installed, not compared")
    (folder / "net.prototxt").write_text(prototxt, encoding="utf-8")
    for place, values in enumerate(inputs.values()):
        np.save(folder / f"input{place}.npy", values)
    job = {"weights": str(weights.absolute()), "inputs": list(inputs), "outputs": list(outputs)}
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    ended = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, check=False)
    if ended.returncode:
        raise NotRun(f"its own process ended with {_ending(ended.returncode)}, not compared")
    reply = json.loads((folder / "reply.json").read_text(encoding="utf-8"))
    if reply["error"]:
        raise NotRun(f"cannot run this net, not compared ({reply['error'][:120]})")
    return reply["version"], [np.load(folder / f"output{place}.npy") for place in range(len(job["outputs"]))]


def _ending(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def _main(folder: Path) -> None:
    reply = {"version": "", "error": ""}
    try:
        reply["version"] = _run(folder)
    except Exception as error:  # cv2.error, or that version 5 has no reader for Caffe's files
        reply["error"] = " ".join(str(error).split())
    (folder / "reply.json").write_text(json.dumps(reply), encoding="utf-8")


def _run(folder: Path) -> str:
    import cv2

    job: dict[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    net = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), job["weights"])
    for place, name in enumerate(job["inputs"]):
        net.setInput(np.load(folder / f"input{place}.npy"), name)
    known = net.getLayerNames()  # a Convolution is called by its top
    names = [(layer if layer in known else top) + f".{i}" * (i > 0) for layer, i, top in job["outputs"]]
    for place, values in enumerate(net.forward(names)):
        np.save(folder / f"output{place}.npy", values)
    return str(cv2.__version__)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
