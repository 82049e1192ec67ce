"""Write the int8 model as a single operator, ``spam_edge.SpamEncoder``, implemented in :mod:`spam_edge.native`.

The operator computes the model of the int8 file. Its weights are not written again but read from that file, which lies
in the same folder.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from transformers import PreTrainedModel

from export.errors import ExportError
from export.graphs.shared_weights import SharedWeights
from export.quantization.rounding import RoundedLinear
from spam_edge.runtime.custom_operator import DOMAIN, OPERATOR, WEIGHTS

_LINEARS = ("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "ffn.lin1", "ffn.lin2")
_TABLES = ("word_embeddings", "position_embeddings")
_PRODUCT = re.compile(r"(layer\.\d+)/(\w+)/(\w+)/MatMul")
_NO_FLOATS = np.empty(0, dtype=np.float32)
_NO_NUMBERS = np.empty(0, dtype=np.int32)


def write_fused(int8_file: Path, target: Path, *, model: PreTrainedModel, layers: Mapping[str, RoundedLinear]) -> None:
    """Write the single-operator graph beside the int8 file whose weights it reads.

    Args:
        int8_file: file written by :class:`export.quantization.quantize.Quantizer`.
        target: file to write, in the same folder.
        model: model whose linear layers were rounded.
        layers: rounded linear layers by name, such as ``layer.0.ffn.lin1``.

    Raises:
        ExportError: the int8 file does not have the expected form.
    """
    constants = list(_constants(_Int8File.read(int8_file), model, layers))
    weights = SharedWeights(int8_file)
    names = [weights.add(name, value) for name, value in constants]
    config = model.config
    node = helper.make_node(
        OPERATOR,
        ["input_ids", "attention_mask", *names],
        ["logits"],
        domain=DOMAIN,
        layers=config.n_layers,
        heads=config.n_heads,
        epsilon=cast("float", model.get_submodule("distilbert.embeddings.LayerNorm").eps),
    )
    rows = ["batch_size", "sequence_length"]
    graph = helper.make_graph(
        [node],
        "spam-edge",
        [helper.make_tensor_value_info(name, TensorProto.INT64, rows) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch_size", config.num_labels])],
        weights.tensors,
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), target)


@dataclass(frozen=True, slots=True)
class _Int8File:
    """Constants of the int8 file.

    Attributes:
        tensors: arrays by name.
        products: names of the weights and of their scales, by name of the linear layer.
    """

    tensors: Mapping[str, NDArray[Any]]
    products: Mapping[str, tuple[str, str]]

    @classmethod
    def read(cls, path: Path) -> "_Int8File":
        graph = onnx.load(path).graph
        products = {
            ".".join(found.groups()): (node.input[1], node.input[3])
            for node in graph.node
            if node.op_type == "MatMulIntegerToFloat" and (found := _PRODUCT.search(node.output[0]))
        }
        return cls({tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}, products)

    def linear(self, name: str) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """Return weights, shape (columns, outputs), and their scales, shape (outputs,)."""
        if name not in self.products:
            raise ExportError(f"the int8 file has no product of {name}; install the versions in constraints.txt")
        weights, scales = self.products[name]
        return self.tensors[weights], self.tensors[scales]

    def table(self, name: str, part: str) -> NDArray[Any] | None:
        """Return one part of an embedding table, None if absent; see :mod:`export.quantization.embeddings`."""
        return self.tensors.get(f"distilbert.embeddings.{name}.weight_{part}")


def _constants(
    int8: _Int8File, model: PreTrainedModel, layers: Mapping[str, RoundedLinear]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield name and value of each constant in the input order of the operator."""
    for table in _TABLES:
        yield from _table(int8, table)
    yield from _parameters(model, "distilbert.embeddings.LayerNorm")
    for number in range(model.config.n_layers):
        layer = f"layer.{number}"
        for linear in _LINEARS:
            yield from _linear(int8, model, f"{layer}.{linear}", layers[f"{layer}.{linear}"])
        for norm in ("sa_layer_norm", "output_layer_norm"):
            yield from _parameters(model, f"distilbert.transformer.{layer}.{norm}")
    for dense in ("pre_classifier", "classifier"):
        yield from _parameters(model, dense)


def _table(int8: _Int8File, name: str) -> Iterator[tuple[str, NDArray[Any]]]:
    coarse, scales = int8.table(name, "int8"), int8.table(name, "scales")
    if coarse is None or scales is None:
        raise ExportError(f"the int8 file has no table of {name}; install the versions in constraints.txt")
    fine, places = int8.table(name, "left"), int8.table(name, "places")
    if fine is None or places is None:  # no row has 16 bits
        fine, places = np.zeros((1, coarse.shape[1]), dtype=np.int8), np.zeros(len(coarse), dtype=np.int16)
    if places.dtype != np.int16:
        raise ExportError(
            f"the fused operator takes at most 32,767 rows of 16 bits, not {len(fine)}; lower fine_tokens"
        )
    yield from ((f"{name}.coarse", coarse), (f"{name}.scales", scales))
    yield from ((f"{name}.places", places), (f"{name}.fine", fine))


def _linear(
    int8: _Int8File, model: PreTrainedModel, name: str, layer: RoundedLinear
) -> Iterator[tuple[str, NDArray[Any]]]:
    weights, scales = int8.linear(name)
    split = layer.split
    bias = model.get_parameter(f"distilbert.transformer.{name}.bias").detach().numpy()
    values: dict[str, NDArray[Any]] = {
        WEIGHTS.removeprefix("."): weights,
        "scales": scales,
        "bias": bias,
        "shares": split.shares if len(split.repeated) else _NO_FLOATS,
        "repeated": split.repeated.astype(np.int32),
        "offsets": split.offsets,
        "limit": _NO_FLOATS if layer.limit is None else np.array([layer.limit], dtype=np.float32),
        "completed": layer.completed.astype(np.int32) if len(layer.completed) else _NO_NUMBERS,
        "remainder": np.ascontiguousarray(layer.remainder.T) if len(layer.completed) else _NO_FLOATS,
    }
    if layer.limit is None and weights.shape[0] != len(split.columns) + len(split.repeated):
        raise ExportError(
            f"the int8 file has {weights.shape[0]} columns in {name} instead of "
            f"{len(split.columns) + len(split.repeated)}; install the versions in constraints.txt"
        )
    yield from ((f"{name}.{part}", value) for part, value in values.items())


def _parameters(model: PreTrainedModel, name: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the weight, a matrix as (inputs, outputs), and the bias."""
    weight = model.get_parameter(f"{name}.weight").detach().numpy()
    yield f"{name}.weight", np.ascontiguousarray(weight.T)
    yield f"{name}.bias", model.get_parameter(f"{name}.bias").detach().numpy()
