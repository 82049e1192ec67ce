"""Bundles that were made to harm: valid by their manifests, and each without end or measure."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

GIB = 2**30


def put(bundle: Path, name: str, content: bytes) -> None:
    """Replace a file of a bundle, and its entry in the manifest."""
    (bundle / name).write_bytes(content)
    list_file(bundle, name, sha256(content).hexdigest(), len(content))


def list_file(bundle: Path, name: str, digest: str, size: int) -> None:
    """Replace the entry of a file in the manifest."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["files"][name] = {"sha256": digest, "bytes": size}
    path.write_text(json.dumps(manifest), encoding="utf-8")


def with_growing_tokenizer(bundle: Path) -> None:
    """Let the tokenizer replace one letter by sixteen of them, and each of these again, sixteen times."""
    tokenizer: dict[str, Any] = json.loads((bundle / "tokenizer.json").read_bytes())
    step = {"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 16}
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [step] * 16}
    put(bundle, "tokenizer.json", json.dumps(tokenizer).encode())


def with_endless_graph(bundle: Path) -> None:
    """Let the fp32 graph count to 2**62 before it answers."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    count = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["sum", "sum"], ["next"])],
        "body",
        [
            count("step", TensorProto.INT64, []),
            count("go", TensorProto.BOOL, []),
            count("sum", TensorProto.FLOAT, [None, 2]),
        ],
        [count("on", TensorProto.BOOL, []), count("next", TensorProto.FLOAT, [None, 2])],
    )
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["ids", "mask"], ["both"]),
        helper.make_node("ReduceSum", ["both", "axes"], ["one"], keepdims=1),
        helper.make_node("Concat", ["one", "one"], ["first"], axis=1),
        helper.make_node("Loop", ["trips", "yes", "first"], ["logits"], body=body),
    ]
    constants = {"axes": np.array([1]), "trips": np.array(2**62), "yes": np.array(True)}
    graph = helper.make_graph(
        nodes,
        "endless",
        [count(name, TensorProto.INT64, [None, None]) for name in ("input_ids", "attention_mask")],
        [count("logits", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    put(bundle, "onnx/model.onnx", model.SerializeToString())


def with_sparse_file(bundle: Path) -> None:
    """Let the fp32 graph be a terabyte of nothing."""
    with (bundle / "onnx" / "model.onnx").open("wb") as stream:
        stream.truncate(1024 * GIB)
    list_file(bundle, "onnx/model.onnx", "0" * 64, 1024 * GIB)


def with_huge_manifest(bundle: Path) -> None:
    """Let the manifest be 64 GiB long."""
    os.truncate(bundle / "manifest.json", 64 * GIB)


def with_huge_tables(bundle: Path) -> None:
    """Let the normaliser have tables that are short on disk and long in memory."""
    tables = (bundle / "normalizer.json").read_bytes().rstrip()
    put(bundle, "normalizer.json", tables[:-1] + b',"more":[' + b"[]," * 20_000_000 + b"[]]}")
