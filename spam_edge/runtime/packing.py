"""Pack the weights of the fused operator ahead of its session, so that they lie in memory once.

onnxruntime holds the constants of a graph as long as the session, and the operator needs its weights in another order.
Weights that are packed before are used where they are, also by forked processes.
"""

import ctypes
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spam_edge.runtime.custom_operator import WEIGHTS
from spam_edge.runtime.graph import ExternalTensor, Graph

_ALIGNMENT = 64  # bytes
_LARGEST = 2**20  # rows and columns; the operator refuses more


def pack_weights(graph: Graph, library: Path) -> Graph:
    """Return a graph of the fused operator with packed weights, and give their bytes in its files back to the system.

    Args:
        graph: the graph, which cannot be used afterwards.
        library: the library of the operator, which packs in an order of its own; see ``native/operator.c``.
    """
    pack = _Packer(library)
    values, kept = dict(graph.values), dict.fromkeys(graph.files, 0)
    ordered = sorted(graph.external, key=lambda tensor: (tensor.location, tensor.offset))
    for tensor, following in zip_longest(ordered, ordered[1:]):
        file, end = tensor.location, tensor.offset + tensor.length
        if _is_packed(tensor, values[tensor.name]):
            values[tensor.name] = pack(values[tensor.name])
            if following is not None and following.location == file:
                end = min(end, following.offset)  # others may have the rest
            graph.files[file].give_back(max(tensor.offset, kept[file]), end)
        else:
            kept[file] = max(kept[file], end)
    return graph._replace(values=values)


def _is_packed(tensor: ExternalTensor, value: NDArray[np.generic]) -> bool:
    named = tensor.name.endswith(WEIGHTS)
    return named and value.dtype == np.int8 and value.ndim == 2 and 0 < min(value.shape) <= max(value.shape) <= _LARGEST


class _Packer:
    """Calls a library."""

    def __init__(self, library: Path) -> None:
        loaded = ctypes.CDLL(str(library))
        self._set_shape, self._pack = loaded.SpamEncoderPackedShape, loaded.SpamEncoderPack
        self._set_shape.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]
        self._pack.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]
        self._set_shape.restype = self._pack.restype = None

    def __call__(self, weights: NDArray[np.generic]) -> NDArray[np.uint8]:
        """Return weights, shape (columns, outputs), packed."""
        shape = np.empty(2, dtype=np.uintp)
        self._set_shape(*weights.shape, shape.ctypes.data)
        size = int(shape.prod())
        memory = np.empty(size + _ALIGNMENT, dtype=np.uint8)
        start = -memory.ctypes.data % _ALIGNMENT
        packed = memory[start : start + size].reshape(shape.tolist())
        self._pack(weights.ctypes.data, *weights.shape, packed.ctypes.data)
        return packed
