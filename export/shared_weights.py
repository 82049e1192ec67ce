"""Constants of a graph that lie in the int8 file beside it, so that no weight is written twice."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

_SHARED_BYTES = 1024  # a constant of at least so many bytes is looked for in the int8 file


class SharedWeights:
    """Collects constants; those that the int8 file has as well stay there.

    Attributes:
        tensors: what was collected, in order.
    """

    def __init__(self, int8_file: Path) -> None:
        """Read the file; the graph is to be written into the same folder."""
        self.tensors: list[TensorProto] = []
        self._file = int8_file.name
        self._bytes = int8_file.read_bytes()

    def add(self, name: str, value: NDArray[Any], *, read_as: "np.dtype[Any] | None" = None) -> str:
        """Add a constant.

        Args:
            name: its name in the graph.
            value: what to look for, or to write.
            read_as: another type of the same size, as which the graph is to read the bytes.

        Returns:
            Its name.
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
