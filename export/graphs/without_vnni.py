"""Write the int8 graph for x86 processors without VNNI, with identical integer sums.

Without VNNI, onnxruntime multiplies uint8 activations by int8 weights with an instruction that adds two products in 16
bits, which can saturate; its products of uint8 and uint8 are exact, but slower. The weights are not written again: the
graph reads the bytes of the int8 file as uint8 and flips their highest bit, which adds 128, and the zero point
subtracts it again. onnxruntime folds this once, when it loads the graph.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.errors import ExportError
from export.graphs.shared_weights import SharedWeights

_HIGHEST_BIT = "highest_bit"


def path_without_vnni(int8_file: Path) -> Path:
    """Return the path of the graph, beside the int8 file."""
    return int8_file.with_name(f"{int8_file.stem}_without_vnni.onnx")


def write_without_vnni(int8_file: Path) -> Path:
    """Write the graph beside the int8 file whose weights it reads, and return its path.

    Raises:
        ExportError: the int8 file has no product of uint8 activations and int8 weights.
    """
    model = onnx.load(int8_file)
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    if not products:
        raise ExportError(
            f"{int8_file} has no product of uint8 activations and int8 weights; install the versions in constraints.txt"
        )
    weights = SharedWeights(int8_file)
    unsigned: dict[str, str] = {}
    for node in products:
        matrix, zero_point = node.input[1], node.input[5]
        if matrix not in unsigned:  # 16-bit activations have two products with the same weights
            bytes_of = weights.add(f"{matrix}_bytes", constants[matrix], read_as=np.dtype(np.uint8))
            unsigned[matrix] = f"{matrix}_unsigned"
            turned = helper.make_node("BitwiseXor", [bytes_of, _HIGHEST_BIT], [unsigned[matrix]])
            graph.node.insert(0, turned)
        node.input[1] = unsigned[matrix]
        node.input[5] = f"{zero_point}_unsigned"
        if node.input[5] not in constants:
            zeros = (constants[zero_point].astype(np.int16) + 128).astype(np.uint8)
            constants[node.input[5]] = zeros
    used = {name for node in graph.node for name in node.input}
    weights.add(_HIGHEST_BIT, np.array(128, dtype=np.uint8))
    for name, value in constants.items():
        if name in used:
            weights.add(name, value)
    del graph.initializer[:]
    graph.initializer.extend(weights.tensors)
    target = path_without_vnni(int8_file)
    onnx.save(model, target)
    return target
