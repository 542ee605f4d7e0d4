"""Writes docs/api.md: what there is to call from Python, from signatures and docstrings.

python docs/api_page.py
"""

import inspect
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import ModuleType

import cpm_repro
from cpm_repro import array_comparison
from cpm_repro.convert import weights
from cpm_repro.inference import beliefs, everybody, person_detection, protocol
from data_lmdb.records import reader, record
from prototxt_import import engine, net
from prototxt_import.formats import caffemodel, prototxt

PAGE = Path(__file__).with_name("api.md")
SECTIONS: dict[str, list[tuple[ModuleType, str]]] = {
    "Networks": [
        (cpm_repro, "load"), (net, "load_net"), (net, "Net"), (engine, "make_engine"), (weights, "convert"),
    ],
    "Poses": [
        (cpm_repro, "estimate_pose"), (cpm_repro, "estimate_all_poses"), (beliefs, "Pose"),
        (beliefs, "estimate_beliefs"), (beliefs, "Beliefs"), (protocol, "Protocol"), (person_detection, "find_people"),
        (everybody, "find_everybody"),
    ],
    "Caffe's files": [
        (prototxt, "read_net"), (caffemodel, "read_caffemodel"), (caffemodel, "write_caffemodel"),
        (reader, "LmdbReader"), (record, "decode"),
    ],
    "Numbers side by side": [(array_comparison, "compare_arrays"), (array_comparison, "ArrayComparison")],
}  # fmt: skip


def page() -> str:
    """The page's text."""
    lines = [
        "# From Python",
        "",
        "What there is to call, by what it is for; written by `docs/api_page.py` from signatures and docstrings. What",
        "is not here may change without notice.",
    ]
    for title, entries in SECTIONS.items():
        lines += ["", f"## {title}"]
        for module, name in entries:
            lines += ["", *_entry(module, name)]
    return "\n".join(lines) + "\n"


def _entry(module: ModuleType, name: str) -> list[str]:
    found = getattr(module, name)
    lines = [f"### {module.__name__}.{name}", "", "```python", *_described(name, found)]
    if inspect.isclass(found):
        for member, value in vars(found).items():
            if member.startswith("_") or not inspect.getdoc(value):
                continue
            if inspect.isfunction(value):
                lines += ["", *_described(f"{name}.{member}", value)]
            elif isinstance(value, property | cached_property):
                lines += ["", f"{name}.{member}", *_docstring(value)]
    return [*lines, "```"]


def _described(name: str, found: Callable[..., object]) -> list[str]:
    """The signature and the docstring, as they are."""
    signature = str(inspect.signature(found)).replace("pathlib._local.", "pathlib.")  # as Python 3.13 calls it
    return [*_wrapped(f"{name}{signature}"), *_docstring(found)]


def _docstring(found: object) -> list[str]:
    text = inspect.getdoc(found) or ""
    return [f"    {line}".rstrip() for line in text.splitlines()]


def _wrapped(text: str) -> list[str]:
    """A signature, an argument a line where it is long."""
    if len(text) <= 110 or "(" not in text:
        return [text]
    name, _, rest = text.partition("(")
    inside, _, result = rest.rpartition(")")
    arguments, depth, start = [], 0, 0
    for place, letter in enumerate(inside):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            arguments.append(inside[start:place].strip())
            start = place + 1
    arguments.append(inside[start:].strip())
    return [f"{name}(", *(f"    {argument}," for argument in arguments), f"){result}"]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
