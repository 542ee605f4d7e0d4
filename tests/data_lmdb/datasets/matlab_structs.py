"""Builds MATLAB struct arrays as MATLAB itself saves them: every element has the same fields, absent values are []."""

import numpy as np
import scipy.io

EMPTY = np.zeros((0, 0))


def struct_array(elements, names=None):
    """(1, n) structs of dicts; a value that an element lacks is []. `names` fixes the fields."""
    names = names or list(dict.fromkeys(name for element in elements for name in element))
    array = np.empty((1, len(elements)), [(name, object) for name in names])
    for index, element in enumerate(elements):
        for name in names:
            array[0, index][name] = element.get(name, EMPTY)
    return array


def struct(**fields):
    return struct_array([fields])


def save(path, **variables):
    scipy.io.savemat(path, variables, do_compression=True)
    return path
