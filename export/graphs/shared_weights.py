"""Store constants of a graph as external data in the int8 file beside it, so that no weight is written twice."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

_SHARED_BYTES = 1024  # smaller constants are stored in the graph itself


class SharedWeights:
    """Collects constants; those that the int8 file also holds become external data.

    Attributes:
        tensors: collected constants, in order.
    """

    def __init__(self, int8_file: Path) -> None:
        """Read the int8 file; the graph must be written into the same folder."""
        self.tensors: list[TensorProto] = []
        self._file = int8_file.name
        self._bytes = int8_file.read_bytes()

    def add(self, name: str, value: NDArray[Any], *, read_as: "np.dtype[Any] | None" = None) -> str:
        """Add a constant.

        Args:
            name: name in the graph.
            value: the constant.
            read_as: dtype of the same size to reinterpret the bytes as.

        Returns:
            The name.
        """
        tensor = numpy_helper.from_array(value if read_as is None else value.view(read_as), name)
        offset = self._bytes.find(tensor.raw_data) if value.nbytes >= _SHARED_BYTES else -1
        if offset >= 0:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, entry in (("location", self._file), ("offset", offset), ("length", value.nbytes)):
                tensor.external_data.add(key=key, value=str(entry))
        self.tensors.append(tensor)
        return name
