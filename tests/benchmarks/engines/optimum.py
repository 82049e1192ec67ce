"""Optimum's ORTModel: the plain fp32 export, and its stock int8 quantisation."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spam_edge.extras import disable_telemetry
from spam_edge.runtime.batching import pad_rows
from tests.benchmarks.engines.base import SIDE_BY_SIDE, BatchedEngine
from tests.benchmarks.engines.tokens import with_transformers
from tests.benchmarks.model import Model, build_once, identity

ONNX = "model.onnx"


def exported(model: Model) -> Path:
    """Return the folder of Optimum's fp32 export, and export it first if it is absent."""

    def export(folder: Path) -> None:
        from optimum.exporters.onnx import main_export

        checkpoint = str(model.checkpoint)
        main_export(checkpoint, folder, task="text-classification", library_name="transformers", do_validation=False)

    return build_once(model.cache / "optimum-fp32", {"weights": identity(model)}, export)


class OptimumFp32(BatchedEngine):
    """``ORTModelForSequenceClassification`` on the fp32 file, whose operators onnxruntime fuses at load."""

    title = "Optimum ORTModel fp32"
    precision = "fp32"
    settings = "ORTModelForSequenceClassification, numpy in and out, all of onnxruntime's graph optimisations"
    modules = ("torch", "transformers", "optimum", "onnxruntime")
    folder = "optimum-fp32"

    def build(self) -> None:
        """Export the checkpoint."""
        exported(self.model)

    def files(self) -> Iterable[Path]:
        """Return the ONNX file."""
        return [self.model.cache / self.folder / ONNX]

    def load(self) -> None:
        """Load the file with all threads."""
        disable_telemetry()
        self._encode = with_transformers(self.model)
        self._open(self.threads)

    def enter(self, mode: str) -> None:
        """Reload the file if the number of threads changes, because it is fixed at construction."""
        if (mode == SIDE_BY_SIDE) != (self.mode == SIDE_BY_SIDE):
            del self._model
            self._open(1 if mode == SIDE_BY_SIDE else self.threads)
        super().enter(mode)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise with transformers."""
        return self._encode(texts)

    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Run one batch, padded to its longest message."""
        ids, mask = pad_rows(rows, pad_token_id=int(self.model.config["pad_token_id"]))
        logits: NDArray[np.float32] = self._model(input_ids=ids, attention_mask=mask).logits
        return logits

    def _open(self, threads: int) -> None:
        from onnxruntime import SessionOptions
        from optimum.onnxruntime import ORTModelForSequenceClassification

        options = SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._model = ORTModelForSequenceClassification.from_pretrained(
            self.model.cache / self.folder, file_name=ONNX, session_options=options, provider="CPUExecutionProvider"
        )


class OptimumInt8(OptimumFp32):
    """The fp32 export after Optimum's own optimiser and quantiser."""

    title = "Optimum ORTModel int8"
    precision = "int8"
    settings = "stock: O2, then avx512_vnni(is_static=False, per_channel=True)"
    folder = "optimum-int8"

    def build(self) -> None:
        """Optimise and quantise the export."""
        build_once(self.model.cache / self.folder, {"weights": identity(self.model)}, self._quantize)

    def _quantize(self, folder: Path) -> None:
        import onnx
        from onnxruntime.tools.symbolic_shape_infer import SymbolicShapeInference
        from optimum.onnxruntime import AutoOptimizationConfig, AutoQuantizationConfig, ORTOptimizer, ORTQuantizer

        fused, quantized = folder / "fused", folder / "quantized"
        optimizer = ORTOptimizer.from_pretrained(exported(self.model), file_names=[ONNX])
        optimizer.optimize(save_dir=fused, optimization_config=AutoOptimizationConfig.O2(), file_suffix="")
        # the quantiser needs inferred types to find the weights next to fused operators
        onnx.save(SymbolicShapeInference.infer_shapes(onnx.load(fused / ONNX), auto_merge=True), fused / ONNX)
        quantizer = ORTQuantizer.from_pretrained(fused, file_name=ONNX)
        configuration = AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)
        quantizer.quantize(save_dir=quantized, quantization_config=configuration, file_suffix="")
        shutil.copytree(quantized, folder, dirs_exist_ok=True)
        for scratch in (fused, quantized):
            shutil.rmtree(scratch)
