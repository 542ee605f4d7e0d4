"""Layers of the reader's own: `Python` layers by module and name, fields that no message here has, and what is said of
a type that nobody registered. docs/own-layer.md shows how to register one.
"""

import ast
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.forks import fork_of_module, fork_of_type, origin

if TYPE_CHECKING:
    from .layer import Layer

PYTHON_LAYERS: dict[tuple[str, str], type["Layer"]] = {}
"""By python_param's module and layer."""


def unknown_type(spec: "schema.LayerParameter") -> InputError:
    """What is wrong with a layer whose type nobody registered."""
    found, way = f"'{spec.type}'{fork_of_type(spec.type)}", f'@register("{spec.type}")'
    if spec.type == "Python":
        p = spec.python_param
        found = f"module '{p.module}', layer '{p.layer}'{fork_of_module(p.module)}"
        way = f'@register_python("{p.module}", "{p.layer}")'
    expected = "a known Python layer" if spec.type == "Python" else "a known type"
    return InputError(
        f"layer '{spec.name}': expected {expected}, found {found} "
        f"(a class of your own computes it after {way}: docs/own-layer.md)"
    )


def check_own_fields(spec: "schema.LayerParameter", taken: bool) -> None:
    """InputError for what no message has a place for, unless the layer's class takes it."""
    for field in () if taken else spec.own_param:
        is_value = "." in field.message  # an enum stands inside a message
        name = field.text if is_value else field.name.rpartition(".")[2]
        found = f"{field.name}: {field.text}" if is_value else field.name
        raise InputError(
            f"layer '{spec.name}' ({spec.type}): expected a {'value' if is_value else 'field'} that {field.message} "
            f"has, found '{found}' in line {field.line}{origin(field.message, name)}"
        )


def python_param(spec: "schema.LayerParameter", known: Collection[str]) -> dict[str, Any]:
    """What `param_str` of a Python layer says as public ones do: a dict of Python's or its content alone, on one line
    or several, with YAML's tuples. InputError for what is neither, and for a name that is not among those `known`."""
    text = spec.python_param.param_str
    plain = re.sub(r"!!python/\w+", "", text).strip()
    inner = plain[1:-1] if plain.startswith("{") else plain
    inner = re.sub(r"\n(?=\s*['\"]?\w+['\"]?\s*:)", ",", inner)
    inner = re.sub(r"(?<![\w'\"])([A-Za-z_]\w*)\s*:", r"'\1':", inner)
    try:
        given = ast.literal_eval("{" + inner + "}")
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        given = None
    unknown = [str(name) for name in given if name not in known] if isinstance(given, dict) else [text]
    if unknown:
        raise InputError(
            f"layer '{spec.name}' (Python, {spec.python_param.layer}): expected a param_str of "
            f"{', '.join(repr(name) for name in known)}, found {unknown[0]!r} (a class of your own computes it after "
            f'@register_python("{spec.python_param.module}", "{spec.python_param.layer}"): docs/own-layer.md)'
        )
    assert isinstance(given, dict)
    return given
