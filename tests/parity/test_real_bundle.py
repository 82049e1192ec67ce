"""The bundle built by `make train export`, compared with PyTorch, optimum and a transformers pipeline.

The reference is never the runtime itself.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from export.parity.gate import LIMITS
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.bundle.locate import Bundle
from spam_edge.diagnostics.verify import verify_bundle
from spam_edge.runtime.processor import this_processor
from spam_edge.text.normalization import NORMALIZER_NAME, Normalizer
from spam_edge.training.data.messages import SPAM
from spam_edge.training.data.notices import MARKETING, NOTICES
from spam_edge.training.data.sources import PACKAGED

VARIANTS = (pytest.param("fused", marks=pytest.mark.fused), "int8", "fp16", "fp32")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unseen_rows(real_checkpoint: Path) -> list[dict[str, Any]]:
    """The test split: text, label, cluster, corpus and kind of each message."""
    lines = (real_checkpoint / "splits" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    return [{"corpus": [], "kind": ""} | json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def texts(real_checkpoint: Path, unseen_rows: list[dict[str, Any]]) -> list[str]:
    """Normalised test messages with a single text variant, from short to long.

    optimum and transformers neither normalise nor join text. The parity gate of the export compares all raw messages
    with PyTorch, in both text variants.
    """
    chosen = sorted((row["text"] for row in unseen_rows), key=len)[::30]
    vocabulary = AutoTokenizer.from_pretrained(real_checkpoint).get_vocab()
    normalizer = Normalizer.open(real_checkpoint / NORMALIZER_NAME, vocabulary.__contains__)
    variants = [normalizer.variants(text) for text in ["", *chosen, chosen[-1] * 5]]
    return [variant.text for variant in variants if variant.joined is None]


@pytest.fixture(scope="module")
def max_length(real_bundle: Path) -> int:
    return Bundle.find(real_bundle).manifest.max_length


@pytest.fixture(scope="module")
def reference(real_checkpoint: Path, texts: list[str], max_length: int) -> np.ndarray:
    """PyTorch logits in fp32, shape (messages, 2), computed one message at a time, without padding."""
    tokenizer = AutoTokenizer.from_pretrained(real_checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(real_checkpoint, dtype=torch.float32).eval()
    encoded = [tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt") for text in texts]
    with torch.inference_mode():
        rows = [model(**row).logits[0] for row in encoded]
    return torch.stack(rows).numpy()


def _load(bundle: Path, variant: str) -> SpamClassifier:
    if variant not in Bundle.find(bundle).manifest.variants:
        pytest.skip(f"the bundle has no {variant} variant")
    return SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant=variant))


def _scores(classifier: SpamClassifier, logits: np.ndarray) -> np.ndarray:
    scaled = logits.astype(np.float64) / classifier.manifest.temperature
    result: np.ndarray = 1 / (1 + np.exp(scaled[:, 0] - scaled[:, 1]))
    return result


def test_token_ids_match_transformers(
    real_bundle: Path, real_checkpoint: Path, texts: list[str], max_length: int
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(real_checkpoint)
    expected = tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
    assert _load(real_bundle, "int8").token_ids(texts) == expected


@pytest.mark.parametrize("variant", ["fp32", "fp16"])
def test_float_variants_match_pytorch_logits(
    real_bundle: Path, texts: list[str], reference: np.ndarray, variant: str
) -> None:
    limit = LIMITS[variant].max_abs_dlogit
    assert limit is not None
    assert np.abs(_load(real_bundle, variant).logits(texts) - reference).max() <= limit


@pytest.mark.parametrize("variant", VARIANTS)
def test_labels_match_pytorch_away_from_threshold(
    real_bundle: Path, texts: list[str], reference: np.ndarray, variant: str
) -> None:
    """Scores close to the threshold are excluded. More than 80% of the messages remain."""
    classifier = _load(real_bundle, variant)
    expected = _scores(classifier, reference)
    clear = np.abs(expected - classifier.threshold) > (LIMITS[variant].high_abs_dp or 0.01)
    labels = np.array([prediction.label for prediction in classifier.classify_batch(texts)])
    assert np.array_equal((labels == "SPAM")[clear], (expected >= classifier.threshold)[clear])
    assert clear.mean() > 0.8


def test_int8_scores_match_pytorch_within_parity_limits(
    real_bundle: Path, texts: list[str], reference: np.ndarray, int8_variant: str
) -> None:
    classifier = _load(real_bundle, int8_variant)
    difference = np.abs(_scores(classifier, classifier.logits(texts)) - _scores(classifier, reference))
    limits = LIMITS[int8_variant]
    assert limits.high_abs_dp is not None
    assert limits.mean_abs_dp is not None
    assert np.quantile(difference, 0.999, method="higher") <= limits.high_abs_dp
    assert difference.mean() <= limits.mean_abs_dp


@pytest.mark.parametrize("variant", VARIANTS)
def test_exported_bundle_passes_verification(real_bundle: Path, variant: str) -> None:
    report = verify_bundle(real_bundle, _load(real_bundle, variant).options)
    assert report.ok, report.checks


@pytest.fixture(scope="module")
def default_model(real_bundle: Path) -> SpamClassifier:
    """A classifier trained and exported with default options."""
    classifier = SpamClassifier.load(real_bundle, RuntimeOptions(device="cpu"))
    training = classifier.manifest.provenance["training"]
    if (training["base_model"]["source"], training["corpus"]["source"]) != (PACKAGED, PACKAGED):
        pytest.skip("the bounds apply to the packaged base model and corpus")
    return classifier


def _verdicts(classifier: SpamClassifier, rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the predicted and the true spam flags, each of shape (rows,)."""
    predicted = [prediction.label == SPAM for prediction in classifier.classify_batch([row["text"] for row in rows])]
    return np.array(predicted), np.array([row["label"] == SPAM for row in rows])


# The bounds leave a wide margin to the results on all tested processors and seeds.


def test_default_model_meets_accuracy_and_f1_bounds(
    default_model: SpamClassifier, unseen_rows: list[dict[str, Any]]
) -> None:
    """Typical F1 on the collection is 0.85 to 0.97. Predicting ham for all gives accuracy 0.88 and F1 0."""
    predicted, spam = _verdicts(default_model, [row for row in unseen_rows if NOTICES not in row["corpus"]])
    assert (predicted == spam).mean() >= 0.95
    assert 2 * (predicted & spam).sum() / (predicted.sum() + spam.sum()) >= 0.75


def test_default_model_meets_recall_and_false_positive_bounds_on_notices(
    default_model: SpamClassifier, unseen_rows: list[dict[str, Any]]
) -> None:
    """Uses every third notice: genuine and fraudulent messages from templates outside the training split."""
    rows = [row for row in unseen_rows if NOTICES in row["corpus"] and row["kind"] != MARKETING][::3]
    if not rows:
        pytest.skip("the model was trained without notices")
    predicted, spam = _verdicts(default_model, rows)
    assert predicted[spam].mean() >= 0.75
    assert predicted[~spam].mean() <= 0.20


@pytest.mark.filterwarnings("ignore")  # optimum and transformers warn while loading
@pytest.mark.parametrize(
    "file_name",
    ["model_quantized_without_vnni.onnx" if this_processor().saturates else "model_quantized.onnx", "model.onnx"],
)
def test_optimum_and_transformers_pipeline_match_runtime(
    real_bundle: Path, texts: list[str], max_length: int, file_name: str
) -> None:
    from optimum.onnxruntime import ORTModelForSequenceClassification

    model: Any = ORTModelForSequenceClassification.from_pretrained(real_bundle, subfolder="onnx", file_name=file_name)
    tokenizer = AutoTokenizer.from_pretrained(real_bundle)
    batch = tokenizer(texts, truncation=True, max_length=max_length, padding=True, return_tensors="pt")
    optimum_logits = model(**batch).logits.numpy()
    classifier = _load(real_bundle, "int8" if "quantized" in file_name else "fp32")
    runtime_logits = classifier.logits(texts)
    # Another summation order rounds to other quantised values. Both runs are within the error band of PyTorch.
    limit = max(0.05, 2 * (classifier.manifest.variants["int8"].error_band or 0)) if "quantized" in file_name else 1e-4
    assert np.abs(runtime_logits - optimum_logits).max() <= limit

    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, truncation=True, max_length=max_length)
    verdicts = [{entry["label"]: entry["score"] for entry in row} for row in classify(texts[1:], top_k=None)]
    assert all(set(verdict) == {"HAM", "SPAM"} for verdict in verdicts)
    expected = 1 / (1 + np.exp(runtime_logits[1:, 0] - runtime_logits[1:, 1]))
    # The logistic function has a maximum slope of 1/4.
    assert np.abs(np.array([verdict["SPAM"] for verdict in verdicts]) - expected).max() <= 2 * limit / 4
    clear = np.abs(expected - 0.5) > 2 * limit / 4
    labels = np.array([max(verdict, key=lambda label: verdict[label]) for verdict in verdicts])
    assert np.array_equal(labels[clear], np.where(expected > 0.5, "SPAM", "HAM")[clear])
