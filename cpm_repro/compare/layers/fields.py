"""What a layer makes of its bottoms if any one of its settings has another value: each field of its message in turn.

`settings` knows the mistakes that need more than one field, or none that Caffe has; here nothing is known of a
layer but its message, so that every type has these. Of some types the numbers are fitted to what a side holds, and then
must make all of it: an MVN's eps, an LRN's alpha and k, the coefficients of a sum.
"""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor

from prototxt_import.formats import schema
from prototxt_import.formats.messages import is_repeated

from .runs import Alternative, Bottoms, LayerRun

_OF_ALL_LAYERS = ("transform_param", "loss_param", "own_param")
_NO_NUMBERS = ("engine", "num_output", "num_axes", "bias_term")  # say nothing of values, or are the weights'
_USUAL = (*(2.0**-i for i in range(6, 0, -1)), *(i / 10 for i in range(1, 10)), 0.01, 0.05, 0.25, 0.75, 2, 10)
"""What fractions often are: shares, and one pixel of a map against the picture's."""
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
_VARIED = 0.05  # of the largest deviation: how much the others must differ to tell an eps from a factor
_SPARE = 10  # times as many values as numbers that are fitted
_SAME = 1e-4  # relative difference from a setting, below which it is the same


def other_fields(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The blob as the first layer makes it with another value in one field."""
    layer = run.first
    for path in _messages(layer):
        message = _at(layer, path)
        for field in sorted(message.DESCRIPTOR.fields, key=_is_number):
            if field.name.endswith(("_h", "_w")) and not message.HasField(field.name):
                continue  # another way to say what is said
            own = getattr(message, field.name)
            for value in (*_absent(field, message), *_others(field, own, _numbers(message))):
                changed = schema.LayerParameter()
                changed.CopyFrom(layer)
                _set(_at(changed, path), field.name, value)
                with_it = f"without {field.name}" if value is None else f"with {field.name} {_shown(field, value)}"
                what = f"{layer.type} {with_it}; layer {layer.name} has {_shown(field, own)}"
                yield Alternative(what, run.top(bottoms, changed))


def _at(layer: "schema.LayerParameter", path: Sequence[str]) -> Any:
    """The message that lies there, one in the other."""
    return functools.reduce(getattr, path, layer)


def _absent(field: FieldDescriptor, message: Any) -> Iterator[None]:
    """None, if it can be left out and means something else then than any value."""
    single = not is_repeated(field) and field.message_type is None and not field.has_default_value
    if single and message.HasField(field.name) and field.name not in _NO_NUMBERS:
        yield None


def _is_number(field: FieldDescriptor) -> bool:
    """Those that are one of few values come first: they explain more."""
    return field.cpp_type in (*_FLOATS, *_INTEGERS)


def _messages(layer: "schema.LayerParameter") -> list[tuple[str, ...]]:
    """The messages in which the layer's settings are: those that are set, or that of its type, and those that are set
    inside of these; of a loss what it is divided by, too."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", layer.type).lower() + "_param"
    known = {field.name for field in layer.DESCRIPTOR.fields if field.message_type and not is_repeated(field)}
    found = [field.name for field, _ in layer.ListFields() if field.name in known and field.name.endswith("_param")]
    names = [n for n in dict.fromkeys((*found, *({name} & known))) if n not in _OF_ALL_LAYERS]
    names += ["loss_param"] * layer.type.endswith("Loss")
    inside = [(n, f.name) for n in names for f, _ in getattr(layer, n).ListFields() if f.name.endswith("_param")]
    return [*((n,) for n in names), *inside]


def _numbers(message: Any) -> list[float]:
    fields = (field for field in message.DESCRIPTOR.fields if not is_repeated(field))
    values = (getattr(message, field.name) for field in fields if field.cpp_type in (*_FLOATS, *_INTEGERS))
    return [float(value) for value in values if value not in (0, 1)]


_INTEGERS = (
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT64,
)


def _others(field: FieldDescriptor, own: Any, numbers: list[float]) -> Iterator[Any]:
    """Values that the field may have in its place, each once."""
    if field.name in _NO_NUMBERS or field.message_type is not None:
        return
    if is_repeated(field):
        yield from _other_lists(field, list(own))
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        yield not own
    elif field.enum_type is not None:
        yield from (value.number for value in field.enum_type.values if value.number != own)
    elif field.cpp_type in (*_FLOATS, *_INTEGERS):
        yield from _other_numbers(field, own, numbers)


def _other_numbers(field: FieldDescriptor, own: float, numbers: list[float]) -> Iterator[float]:
    tried = [
        *([] if is_repeated(field) else [field.default_value]),
        0,
        1,
        -own,
        2 * own,
        own / 2,
        *([1 / own] if own else []),
    ]
    if field.cpp_type in _FLOATS:
        tried += [v for n in numbers for v in (own * n, own / n)]
        tried += [] if is_repeated(field) else _USUAL
    else:
        tried = [*(v for v in tried if v == int(v)), own - 1, own + 1, own - 2, own + 2, 2]
        unsigned = field.cpp_type in (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
        tried = [int(v) for v in tried if v >= 0 or not unsigned]
    yield from (value for value in dict.fromkeys(tried) if value != own and float(np.float32(value)) != own)


def _other_lists(field: FieldDescriptor, own: list[float]) -> Iterator[list[float]]:
    if not own or field.cpp_type not in (*_FLOATS, *_INTEGERS):
        return
    yield []
    if own[::-1] != own:
        yield own[::-1]
    for i, number in enumerate(own[:4]):
        for value in _other_numbers(field, number, []):
            yield [*own[:i], value, *own[i + 1 :]]


def _set(message: Any, name: str, value: Any) -> None:
    if isinstance(value, list):
        del getattr(message, name)[:]
        getattr(message, name).extend(value)
    else:
        message.ClearField(name) if value is None else setattr(message, name, value)


def _shown(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None and not is_repeated(field):
        return str(field.enum_type.values_by_number[value].name)
    if is_repeated(field):
        return "[" + ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def fitted_settings(run: LayerRun, bottoms: Bottoms, wrong: np.ndarray) -> Iterator[Alternative]:
    """The blob with the numbers that fit `wrong` best, where nothing follows in place that would hide them, but for a
    sum's ReLU."""
    in_place = [layer.type for layer in run.layers[1:]]
    if run.first.type in _FITS and (not in_place or (run.first.type == "Eltwise" and in_place == ["ReLU"])):
        arrays = [values.astype(np.float64) for values in bottoms.values()]
        if all(values.shape == wrong.shape and np.isfinite(values).all() for values in (*arrays, wrong)):
            yield from _FITS[run.first.type](run, arrays, wrong.astype(np.float64))


def _mvn(run: LayerRun, arrays: list[np.ndarray], wrong: np.ndarray) -> Iterator[Alternative]:
    """What each map is divided by tells the eps."""
    p, x = run.first.mvn_param, arrays[0]
    axes = tuple(range(1 if p.across_channels else 2, x.ndim))
    if not p.normalize_variance or not axes:
        return
    centred, deviation = x - x.mean(axes, keepdims=True), x.std(axes, keepdims=True)
    along, size = (wrong * centred).sum(axes, keepdims=True), (centred * centred).sum(axes, keepdims=True)
    known = (along > 0) & (deviation > 0)
    if not known.any() or np.ptp(deviation[known]) < _VARIED * deviation[known].max():
        return  # an eps and a factor are the same
    divisor = (size / np.where(known, along, 1))[known]
    for what, power in (("added to the deviation", 1), ("under the root", 2)):
        eps = float(np.median(divisor**power - deviation[known] ** power))
        if eps >= 0:
            made = centred / (deviation**power + eps) ** (1 / power)
            yield Alternative(f"MVN with an eps of {eps:.3g} {what}; layer {run.first.name} has {p.eps:g}", made)


def _lrn(run: LayerRun, arrays: list[np.ndarray], wrong: np.ndarray) -> Iterator[Alternative]:
    """(x / y)^(1 / beta) is a straight line over the window's sum of squares: k, and alpha divided by its size."""
    p, x = run.first.lrn_param, arrays[0]
    if p.norm_region != p.ACROSS_CHANNELS or x.ndim != 4:
        return
    reach = p.local_size // 2
    padded = np.pad(x * x, ((0, 0), (reach, reach), (0, 0), (0, 0)))
    sums = np.sum([padded[:, i : i + x.shape[1]] for i in range(p.local_size)], axis=0)
    used = (x * wrong) > 0
    if used.sum() < 2 * _SPARE or np.ptp(sums[used]) == 0:
        return
    for beta in dict.fromkeys((p.beta, 0.75, 0.5, 1.0)):
        powers = (x[used] / wrong[used]) ** (1 / beta)
        share, k = (float(number) for number in np.polyfit(sums[used], powers, 1))
        if k > 0 and share >= 0:
            found = {"alpha": (share * p.local_size, p.alpha), "k": (k, p.k), "beta": (beta, p.beta)}
            other = {n: (v, own) for n, (v, own) in found.items() if abs(v - own) > _SAME * max(abs(own), abs(v))}
            theirs, owns = (" and ".join(f"{n} {pair[i]:.4g}" for n, pair in other.items()) for i in (0, 1))
            made = x / (k + share * sums) ** beta
            yield Alternative(f"LRN with {theirs}; layer {run.first.name} has {owns}", made)


def _eltwise(run: LayerRun, arrays: list[np.ndarray], wrong: np.ndarray) -> Iterator[Alternative]:
    """A sum with the coefficients that fit, by least squares."""
    p, count = run.first.eltwise_param, len(arrays)
    if p.operation != p.SUM or count < 2 or wrong.size < _SPARE * count:
        return
    columns = np.column_stack([values.ravel() for values in arrays])
    used = wrong.ravel() > (-np.inf if len(run.layers) == 1 else 0)
    found, _, rank, _ = np.linalg.lstsq(columns[used], wrong.ravel()[used], rcond=None)
    if rank == count:  # else bottoms are the same, and any share of them would do
        theirs, own = (", ".join(f"{c + 0:.4g}" for c in row) for row in (found.round(6), p.coeff or [1.0] * count))
        what = f"the sum of the bottoms times {theirs}; layer {run.first.name} has {own}"
        yield Alternative(what, run.rest((columns @ found).reshape(wrong.shape)))


_FITS: dict[str, Callable[[LayerRun, list[np.ndarray], np.ndarray], Iterator[Alternative]]] = {
    "MVN": _mvn,
    "LRN": _lrn,
    "Eltwise": _eltwise,
}
