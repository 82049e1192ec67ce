"""The engines that are timed beside each other, each in its usual form on a GPU."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spam_edge.bundle.locate import Bundle
from spam_edge.decision.calibration import Calibration
from spam_edge.runtime.batching import pad_rows, plan_batches
from tests.benchmarks.engines.tokens import Encoder
from tests.gpu.settings import NO_DEVICE, O4, OURS, Settings, SkippedError

Rows = Sequence[Sequence[int]]
Plan = list[NDArray[np.intp]]
Scores = NDArray[np.float32]
SORTED, OWN_ORDER = "sorted", "own order"
_OURS_BUDGETS = (8192, 16384, 32768, 65536, 131072)
_BUDGETS = (16384, 65536)
_BATCHES = (128, 512)
_NO_CHECKPOINT = "no checkpoint of the bundle: bring it along with --checkpoint"


class Engine(ABC):
    """One way to run the model on a GPU; without CUDA, on the CPU in a small form.

    Attributes:
        title: name in the report.
        usage: how the engine is used, for the report.
    """

    title: ClassVar[str]
    usage: ClassVar[str]

    def __init__(self, settings: Settings, shape: str) -> None:
        self.settings = settings
        self.folder = settings.folder_of(shape)
        self.bundle = Bundle.find(settings.bundle_of(shape))
        self.checkpoint = settings.checkpoint_of(shape)

    @abstractmethod
    def load(self) -> None:
        """Load the model, ready for the first message.

        Raises:
            SkippedError: the engine cannot run here.
        """

    @abstractmethod
    def ways(self) -> dict[str, Any]:
        """Return the batchings that are tried, by name; the fastest counts."""

    @abstractmethod
    def score(self, texts: Sequence[str], way: Any) -> Scores:
        """Return the score of each message in order, without the temperature. This call is timed."""


class RowEngine(Engine):
    """An engine that runs batches of token ids, and can be timed without the tokenizer.

    Attributes:
        budgets: token budgets of its batches.
    """

    budgets: ClassVar[tuple[int, ...]] = _BUDGETS

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each message, without padding."""

    @abstractmethod
    def run(self, rows: Rows, plan: Plan) -> NDArray[np.float32]:
        """Run all batches of a plan and return the logits on the host, in the order of the plan."""

    def ways(self) -> dict[str, Any]:
        """Return each budget in both orders; in the small form, the first budget."""
        budgets = self.budgets if self.settings.full else self.budgets[:1]
        return {f"{order} {budget}": (order, budget) for order in (SORTED, OWN_ORDER) for budget in budgets}

    def score(self, texts: Sequence[str], way: Any) -> Scores:
        """Tokenise, plan, run, and apply the softmax."""
        rows = self.encode(texts)
        return Calibration().scores(self.logits(rows, plan_for(way, [len(row) for row in rows])))

    def logits(self, rows: Rows, plan: Plan) -> NDArray[np.float32]:
        """Return the logits of each row, in order."""
        logits = np.empty((len(rows), 2), dtype=np.float32)
        logits[np.concatenate(plan)] = self.run(rows, plan)
        return logits

    def batches(self, rows: Rows, plan: Plan) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return token ids and attention mask of each batch."""
        pad = self.bundle.manifest.pad_token_id
        return [pad_rows([rows[index] for index in batch], pad_token_id=pad) for batch in plan]


def plan_for(way: tuple[str, int], lengths: Sequence[int]) -> Plan:
    """Return the rows of each batch: sorted by length, or as they come. Padding counts towards the budget."""
    order, budget = way
    if order == SORTED:
        return list(plan_batches(lengths, token_budget=budget))
    plan, start, longest = [], 0, 0
    for end, length in enumerate(lengths):
        longest = max(longest, length)
        if end > start and (end - start + 1) * longest > budget:
            plan.append(np.arange(start, end))
            start, longest = end, length
    return [*plan, np.arange(start, len(lengths))]


class Ours(RowEngine):
    """The runtime of spam-edge."""

    title = OURS
    usage = "the runtime, fp16 without padding; with tokenising: the public API with its normaliser and token budget"
    budgets = _OURS_BUDGETS

    def load(self) -> None:
        """Open the bundle."""
        from spam_edge import ProviderUnavailableError, RuntimeOptions, SpamClassifier

        options = RuntimeOptions(device=self.settings.device, variant="fp16")
        try:
            self._classifier = SpamClassifier.load(self.bundle.path, options)
        except ProviderUnavailableError as error:
            raise SkippedError(str(error)) from error

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Normalise and tokenise; the timed texts have one variant each."""
        return self._classifier.token_ids(texts)

    def run(self, rows: Rows, plan: Plan) -> NDArray[np.float32]:
        """Run the batches one after the other, as the classifier does."""
        return np.concatenate(self._classifier._session_of_this_process().run_all(self.batches(rows, plan)))

    def score(self, texts: Sequence[str], way: Any) -> Scores:
        """Score with the public API, which plans its own batches."""
        return Calibration().scores(self._classifier.logits(list(texts)))

    def bound_run(self, rows: Rows, plan: Plan) -> Callable[[], None]:
        """Return a function that runs a plan whose inputs and outputs stay on the device: what copies cost."""
        from onnxruntime import OrtValue

        opened: Any = self._classifier._session_of_this_process()
        session, device, bindings = opened._session, self.settings.device, []
        for batch in self.batches(rows, plan):
            binding = session.io_binding()
            for name, array in opened._feed(*batch).items():
                binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(array, device, 0))
            binding.bind_output(self.bundle.manifest.output, device)
            bindings.append(binding)

        def run() -> None:
            for binding in bindings:
                session.run_with_iobinding(binding)

        return run


class OnnxRuntimeO4(RowEngine):
    """Optimum's O4 file in a plain session of onnxruntime."""

    title = "ONNX Runtime, Optimum O4"
    usage = "ORTOptimizer with O4, InferenceSession with default options, numpy in and out"

    def load(self) -> None:
        """Open the file."""
        import onnxruntime

        from spam_edge.extras import disable_telemetry

        disable_telemetry()
        provider = "CPUExecutionProvider"
        if self.settings.cuda:
            onnxruntime.preload_dlls()
            provider = "CUDAExecutionProvider"
        self._encode = _tokenizers(self.bundle)
        self._session = onnxruntime.InferenceSession(str(self.folder / O4 / "model.onnx"), providers=[provider])
        if self._session.get_providers()[0] != provider:
            raise RuntimeError(f"the session runs on {self._session.get_providers()[0]}")

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise with the tokenizers library."""
        return self._encode(texts)

    def run(self, rows: Rows, plan: Plan) -> NDArray[np.float32]:
        """Run the batches one after the other."""
        batches = self.batches(rows, plan)
        feeds = [{"input_ids": ids, "attention_mask": mask} for ids, mask in batches]
        return np.concatenate([self._session.run(["logits"], feed)[0] for feed in feeds])


class Torch(RowEngine):
    """The checkpoint in transformers."""

    title = "PyTorch fp16"
    usage = "transformers, scaled dot product attention, inference mode; the host waits once, at the end"
    dtype: ClassVar[str] = "float16"

    def load(self) -> None:
        """Load the checkpoint onto the device."""
        import torch
        from transformers import AutoModelForSequenceClassification

        if self.checkpoint is None:
            raise SkippedError(_NO_CHECKPOINT)
        self._torch = torch
        self._device = "cuda" if self.settings.torch_cuda else "cpu"
        self._encode = _tokenizers(self.bundle)
        self.model: Any = AutoModelForSequenceClassification.from_pretrained(
            self.checkpoint, dtype=getattr(torch, self.dtype), attn_implementation="sdpa"
        ).eval()
        self.model.to(self._device)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenise with the tokenizers library, the fastest way."""
        return self._encode(texts)

    def run(self, rows: Rows, plan: Plan) -> NDArray[np.float32]:
        """Queue all batches, then fetch the logits."""
        torch, found = self._torch, []
        with torch.inference_mode():
            for arrays in self.batches(rows, plan):
                ids, mask = (torch.from_numpy(array).to(self._device, non_blocking=True) for array in arrays)
                found.append(self.model(input_ids=ids, attention_mask=mask).logits)
            logits: NDArray[np.float32] = torch.cat(found).float().cpu().numpy()
        return logits


class TorchBf16(Torch):
    """The same in bfloat16."""

    title = "PyTorch bf16"
    usage = "as PyTorch fp16, in bfloat16"
    dtype = "bfloat16"


class Compiled(Torch):
    """The same with torch.compile."""

    title = "PyTorch fp16, torch.compile"
    usage = "as PyTorch fp16; every layer compiled with dynamic shapes"

    def load(self) -> None:
        """Load the checkpoint and compile its layers, which share one compiled form."""
        if not self.settings.torch_cuda:
            raise SkippedError(NO_DEVICE)
        super().load()
        for layer in self.model.distilbert.transformer.layer:
            layer.compile(dynamic=True)


class CompiledBf16(Compiled):
    """The same in bfloat16."""

    title = "PyTorch bf16, torch.compile"
    usage = "as PyTorch fp16, torch.compile, in bfloat16"
    dtype = "bfloat16"


class Pipeline(Engine):
    """``pipeline("text-classification")`` of transformers."""

    title = "transformers pipeline"
    usage = "text-classification pipeline, fp16, messages in their own order"

    def load(self) -> None:
        """Load the pipeline onto the device."""
        import torch
        from transformers import pipeline

        if self.checkpoint is None:
            raise SkippedError(_NO_CHECKPOINT)
        device = "cuda" if self.settings.torch_cuda else "cpu"
        self._pipeline: Any = pipeline(
            "text-classification", model=str(self.checkpoint), device=device, dtype=torch.float16
        )

    def ways(self) -> dict[str, Any]:
        """Return the batch sizes."""
        return {f"batch size {size}": size for size in (_BATCHES if self.settings.full else _BATCHES[:1])}

    def score(self, texts: Sequence[str], way: Any) -> Scores:
        """Pass all messages in one call."""
        found = self._pipeline(
            list(texts), batch_size=way, top_k=None, truncation=True, max_length=self.bundle.manifest.max_length
        )
        positive = self.bundle.manifest.positive_label
        scores = [next(each["score"] for each in row if each["label"] == positive) for row in found]
        return np.array(scores, dtype=np.float32)


ENGINES: dict[str, type[Engine]] = {
    "ours": Ours,
    "onnxruntime-o4": OnnxRuntimeO4,
    "torch-fp16": Torch,
    "torch-bf16": TorchBf16,
    "pipeline": Pipeline,
    "compiled-fp16": Compiled,
    "compiled-bf16": CompiledBf16,
}


def _tokenizers(bundle: Bundle) -> Encoder:
    """Return the tokenizers library with the tokenizer and the truncation of a bundle."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(bundle.file("tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.enable_truncation(bundle.manifest.max_length)
    return lambda texts: [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
