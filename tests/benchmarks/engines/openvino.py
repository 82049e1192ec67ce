"""OpenVINO: the ONNX export in fp32 and bf16, and quantised to int8 by NNCF."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spam_edge.runtime.batching import pad_rows
from tests.benchmarks.corpus import comparable, evenly, read_texts
from tests.benchmarks.engines.base import SIDE_BY_SIDE, BatchedEngine
from tests.benchmarks.engines.optimum import ONNX, exported
from tests.benchmarks.engines.tokens import with_tokenizers
from tests.benchmarks.model import build_once, identity

CALIBRATION_TEXTS = 300  # NNCF's default


class OpenVinoFp32(BatchedEngine):
    """The model compiled for latency, or for throughput with several streams in side-by-side mode."""

    title = "OpenVINO fp32"
    precision = "fp32"
    settings = "hint LATENCY; side by side: THROUGHPUT with a stream per thread"
    modules: ClassVar[tuple[str, ...]] = ("openvino", "tokenizers", "optimum", "torch")
    hints: ClassVar[dict[str, str]] = {"INFERENCE_PRECISION_HINT": "f32"}
    folder_name: ClassVar[str] = "openvino-fp32"

    @property
    def folder(self) -> Path:
        """Folder of the model in OpenVINO's format."""
        return self.model.cache / self.folder_name

    def build(self) -> None:
        """Convert the ONNX export."""
        build_once(self.folder, {"weights": identity(self.model)}, self._convert)

    def files(self) -> Iterable[Path]:
        """Return graph and weights."""
        return [self.folder / "model.xml", self.folder / "model.bin"]

    def load(self) -> None:
        """Compile the model for all threads."""
        self._encode = with_tokenizers(self.model)
        self._compile(self.mode)

    def enter(self, mode: str) -> None:
        """Recompile the model if the performance hint changes."""
        if (mode == SIDE_BY_SIDE) != (self.mode == SIDE_BY_SIDE):
            del self._compiled, self._requests
            self._compile(mode)
        super().enter(mode)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise with the tokenizers library."""
        return self._encode(texts)

    def run(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Run one batch, padded to its longest message, with this thread's inference request."""
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.create_infer_request()
        ids, mask = pad_rows(rows, pad_token_id=int(self.model.config["pad_token_id"]))
        result = self._requests.own.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True)
        logits: NDArray[np.float32] = result[0]
        return logits

    def _compile(self, mode: str) -> None:
        import openvino

        hints: dict[str, Any] = {**self.hints, "INFERENCE_NUM_THREADS": self.threads, "PERFORMANCE_HINT": "LATENCY"}
        if mode == SIDE_BY_SIDE:
            hints |= {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(self.threads)}
        self._compiled = openvino.Core().compile_model(self.folder / "model.xml", "CPU", hints)
        self._requests = threading.local()

    def _convert(self, folder: Path) -> None:
        import openvino

        model = openvino.Core().read_model(exported(self.model) / ONNX)
        openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)


class OpenVinoBf16(OpenVinoFp32):
    """The same model with inference in bf16, if the processor supports it."""

    title = "OpenVINO bf16"
    precision = "bf16"
    settings = "as fp32, inference precision bf16"
    hints: ClassVar[dict[str, str]] = {"INFERENCE_PRECISION_HINT": "bf16"}

    def unavailable_reason(self) -> str:
        """Ask OpenVINO for bf16 support: without it, bf16 is emulated silently, a hundred times slower than fp32."""
        import openvino

        offered = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return "" if "BF16" in offered else "OpenVINO reports no bf16 support on this processor and would emulate it"


class OpenVinoInt8(OpenVinoFp32):
    """Post-training quantisation with activation ranges from messages of the training split."""

    title = "OpenVINO int8"
    precision = "int8"
    settings = (
        f"nncf.quantize, ModelType.TRANSFORMER, {CALIBRATION_TEXTS} training messages; hints as fp32, precision left "
        "to OpenVINO"
    )
    modules = (*OpenVinoFp32.modules, "nncf")
    hints: ClassVar[dict[str, str]] = {}
    folder_name = "openvino-int8"

    def _convert(self, folder: Path) -> None:
        import nncf
        import openvino

        encode = with_tokenizers(self.model)

        def feed(text: str) -> dict[str, NDArray[np.int64]]:
            ids = np.array(encode([text]))
            return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

        checkpoint = self.model.checkpoint
        texts = evenly(comparable(read_texts(checkpoint, ["train"]), checkpoint), CALIBRATION_TEXTS)
        model = openvino.Core().read_model(exported(self.model) / ONNX)
        quantized = nncf.quantize(
            model, nncf.Dataset(texts, feed), model_type=nncf.ModelType.TRANSFORMER, subset_size=CALIBRATION_TEXTS
        )
        openvino.save_model(quantized, folder / "model.xml", compress_to_fp16=False)
