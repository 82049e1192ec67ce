"""Run the fp16 graph without padding by the definitions of its operators, where no GPU can run it.

The operators of onnxruntime have no kernels for the CPU. Here they are computed with numpy in fp32, and their results
are rounded to fp16. A GPU sums in another order.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from scipy.special import erf

from spam_edge.runtime.batching import pack_rows, pad_rows

_TOKENS_AT_ONCE = 4096
Half = NDArray[np.float16]
Single = NDArray[np.float32]


def packed_logits(path: Path, token_ids: Sequence[Sequence[int]], *, pad_token_id: int) -> Single:
    """Return the logits of a graph without padding, shape (messages, 2).

    Args:
        path: file written by :func:`export.graphs.packing.write_packed`.
        token_ids: token ids of each message.
        pad_token_id: token id for padding.
    """
    evaluator = evaluator_of(onnx.load(path))
    size = max(1, _TOKENS_AT_ONCE // max(map(len, token_ids)))
    found: list[Single] = []
    for start in range(0, len(token_ids), size):
        batch = pad_rows(token_ids[start : start + size], pad_token_id=pad_token_id)
        found.extend(np.asarray(each) for each in evaluator.run(None, pack_rows(*batch)))
    return np.concatenate(found)


def evaluator_of(model: onnx.ModelProto) -> ReferenceEvaluator:
    """Return an evaluator of a graph without padding."""
    return ReferenceEvaluator(model, new_ops=_OPERATORS)


class PackedAttention(OpRun):  # noqa: D101 - named like the operator, as ReferenceEvaluator wants
    op_domain = "com.microsoft"

    def _run(self, tokens: Half, weights: Half, bias: Half, offsets: Any, ends: Any, *_: Any, num_heads: int) -> Any:
        projected = _single(tokens) @ _single(weights) + bias
        return (np.concatenate([_attend(projected[a:b], num_heads) for a, b in pairwise(ends)]).astype(np.float16),)


class SkipLayerNormalization(OpRun):  # noqa: D101
    op_domain = "com.microsoft"

    def _run(self, hidden: Half, skip: Half, *constants: Half, epsilon: float) -> Any:
        scale, shift, bias = constants
        rows = _single(hidden) + skip + bias
        rows -= rows.mean(axis=-1, keepdims=True)
        rows /= np.sqrt(np.square(rows).mean(axis=-1, keepdims=True) + epsilon)
        return ((rows * scale + shift).astype(np.float16),)


class BiasGelu(OpRun):  # noqa: D101
    op_domain = "com.microsoft"

    def _run(self, hidden: Half, bias: Half) -> Any:
        rows = _single(hidden) + bias
        return ((rows * 0.5 * (1 + erf(rows / np.float32(np.sqrt(2))))).astype(np.float16),)


class MatMul(OpRun):  # noqa: D101 - numpy has no fast product in fp16
    def _run(self, left: Half, right: Half) -> Any:
        return ((_single(left) @ _single(right)).astype(np.float16),)


_OPERATORS = [PackedAttention, SkipLayerNormalization, BiasGelu, MatMul]


def _attend(projected: Single, num_heads: int) -> Single:
    """Return the attention of one message, shape (tokens, hidden), from queries, keys and values side by side."""
    query, key, value = (
        part.reshape(len(projected), num_heads, -1).swapaxes(0, 1) for part in np.split(projected, 3, axis=1)
    )
    scores = query @ key.swapaxes(1, 2) / np.sqrt(np.float32(query.shape[2]))
    shares = np.exp(scores - scores.max(axis=2, keepdims=True))
    shares /= shares.sum(axis=2, keepdims=True)
    attended: Single = (shares @ value).swapaxes(0, 1).reshape(len(projected), -1)
    return attended


def _single(values: Half) -> Single:
    return values.astype(np.float32)
