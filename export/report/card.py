"""Write the model card, ``README.md`` of the bundle; every figure is measured."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from export.checkpoint import Checkpoint
from export.parity.audit import Audit
from export.parity.gate import Parity
from export.report.first_screen import controls, kinds, tracks
from export.report.markdown import table
from export.report.measurements import Measurements
from export.report.plots import draw_evaluation
from export.report.tracks import Track
from spam_edge.bundle.manifest import Manifest
from spam_edge.bundle.metrics import RATES
from spam_edge.decision.intervals import rate_text
from spam_edge.runtime.processor import this_processor
from spam_edge.training.data.messages import MEANING
from spam_edge.training.data.splits import NOTICES

_TEMPLATE = Path(__file__).with_name("model_card.md")
_FUSED = """\
The fused file is the int8 model as one operator, which spam-edge ships for Linux on x86-64 with AVX2 or better and
on ARM64; scores are bit-identical on all. It reads its weights from the int8 file and differs from it by rounding only.
Other programs, and spam-edge on other processors, use the other files."""
_BY_CORPUS = """\
## By corpus

The int8 file on the test messages of each corpus, one vote per near-duplicate cluster. A message of several corpora
counts in each; a corpus without test messages is omitted.

"""
_UCI = """\
The messages are from the [SMS Spam Collection](https://doi.org/10.24432/C5CC84) of Tiago A. Almeida and José María
Gómez Hidalgo, licensed [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/). They were de-duplicated and split.
"""
_NOTICES = """
The notices were written by a language model for this package, as templates with slots. They are part of its code
and licensed under the Apache License 2.0.
"""
_UCI_LIMITS = """\
- Short messages in English. The SMS Spam Collection was gathered in the United Kingdom and Singapore between 2003 and
  2011: premium-rate numbers and ringtones, not parcels and log-in pages. Results on newer messages of other countries
  are above, under "Other corpora", if `make evaluate` was given any.
- No other language: words of scripts that the corpus lacks are unknown tokens, which favour neither spam nor ham.
"""
_OWN = "The messages came from the user's own files; their licence and origin are the user's to state.\n"
_OWN_LIMITS = "- The model was trained on the user's own files; apart from them, only the controls were measured.\n"
_WITH_NOTICES = """\
- Current kinds of messages were learned from notices written by a language model. The test notices have the same
  author: real messages are likely to be harder.
"""
_WITHOUT_NOTICES = """\
- Trained without notices: codes, deliveries, bills and other business messages may be called spam. The controls above
  show how often.
"""
_OWN_MEANING = "SPAM and HAM are the labels of the user's own files; their meaning is the user's to state."
_METRICS = {
    "accuracy": "accuracy",
    "precision": "spam precision",
    "recall": "spam recall",
    "f1": "spam F1",
    "mcc": "MCC",
    "pr_auc": "PR-AUC",
    "recall_at_fpr_0.1pct": "recall at 0.1 % false positives",
    "recall_at_fpr_0.5pct": "recall at 0.5 % false positives",
}


def write_card(
    folder: Path,
    manifest: Manifest,
    checkpoint: Checkpoint,
    measurements: Measurements,
    *,
    corpus: Track,
    resolution: str,
) -> None:
    """Write ``README.md`` and its plots into the bundle.

    Args:
        folder: the bundle.
        manifest: complete except for the hashes of the files written here.
        checkpoint: exported checkpoint.
        measurements: measurements of the files.
        corpus: test messages of the corpus, without notices.
        resolution: result of :func:`export.report.resolution.resolution`.
    """
    draw_evaluation(
        folder / "evaluation.png",
        corpus.scores,
        corpus.split.is_positive,
        threshold=manifest.threshold,
        labels=checkpoint.labels,
    )
    pictures = ["![Precision and recall, scores](evaluation.png)"]
    if (checkpoint.path / "curves.png").is_file():
        shutil.copyfile(checkpoint.path / "curves.png", folder / "curves.png")
        pictures.append("![Training curves](curves.png)")
    training = manifest.provenance["training"]
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=manifest.name,
        version=manifest.version,
        base_model=training["base_model"]["name"],
        base_source=training["base_model"]["source"],
        corpus=training["corpus"]["name"],
        fingerprint=training["corpus"]["fingerprint"],
        meaning=_meaning(checkpoint),
        attribution=(_OWN if checkpoint.is_of_own_files else _UCI) + (_NOTICES if checkpoint.knows_notices else ""),
        limits=_limits(checkpoint),
        max_length=manifest.max_length,
        default_mode=manifest.default_mode,
        modes=_modes(manifest),
        resolution=resolution,
        **{f"unsure_{name}": rate_text(rate) for name, rate in manifest.metrics["unsure"].items()},
        temperature=f"{manifest.temperature:.3f}",
        settings=_settings(training["settings"]),
        splits=_splits(training["splits"]),
        tracks=tracks(manifest, _title(checkpoint)),
        controls=controls(manifest),
        kinds=kinds(manifest),
        corpus_title=_title(checkpoint),
        metrics=_metrics(manifest.metrics["test"]),
        by_corpus=_by_corpus(manifest.metrics["test_by_corpus"]),
        n=len(corpus.scores),
        n_ham=int((corpus.split.is_positive == 0).sum()),
        n_spam=int(corpus.split.is_positive.sum()),
        parity=_parity(measurements.parities),
        fused=_FUSED if any(variant.fused for variant in manifest.variants.values()) else "",
        processors=_processors(measurements.audit, manifest.variants["int8"].without_vnni),
        files=_files(manifest),
        pictures="\n".join(pictures),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _title(checkpoint: Checkpoint) -> str:
    return "the corpus" if checkpoint.is_of_own_files else "the SMS Spam Collection"


def _meaning(checkpoint: Checkpoint) -> str:
    if not checkpoint.is_of_own_files:
        return MEANING
    return f"{_OWN_MEANING} In the notices: {MEANING}" if checkpoint.knows_notices else _OWN_MEANING


def _limits(checkpoint: Checkpoint) -> str:
    notices = _WITH_NOTICES if checkpoint.knows_notices else "" if checkpoint.is_of_own_files else _WITHOUT_NOTICES
    return ((_OWN_LIMITS if checkpoint.is_of_own_files else _UCI_LIMITS) + notices).rstrip()


def _metrics(measured: Mapping[str, Mapping[str, float]]) -> str:
    rows = [[name, *(f"{values[key]:.4f}" for values in measured.values())] for key, name in _METRICS.items()]
    counts = [["messages", *(f"{values['n']:.0f}" for values in measured.values())]]
    return table(["metric", *(name.replace("_", " ") for name in measured)], counts + rows)


def _by_corpus(measured: Mapping[str, Mapping[str, float]]) -> str:
    if len(measured) < 2:
        return ""
    shown = {"recall": "spam recall", "false_positive_rate": "false-positive rate", "f1": "spam F1"}
    rows = [
        [
            name.replace("|", "\\|"),
            *(values[key] for key in ("n", "n_spam")),
            *(f"{values[key]:.4f}" if key in values else "" for key in shown),
        ]
        for name, values in measured.items()
    ]
    return _BY_CORPUS + table(["corpus", "n", "spam", *shown.values()], rows)


def _modes(manifest: Manifest) -> str:
    header = ["mode", "threshold", "spam precision", "spam recall", "false-positive rate"]
    today = manifest.metrics.get("today", {}).get("modes", {})
    rows = [
        [
            mode,
            f"{threshold:.4f}{_same(manifest, mode)}",
            *(rate_text(manifest.metrics["modes"][mode][name]) for name in RATES),
            *(rate_text(today[mode][name]) for name in RATES[1:] if today),
        ]
        for mode, threshold in manifest.thresholds.items()
    ]
    return table(header + ["today: spam recall", "today: false-positive rate"] * bool(today), rows)


def _same(manifest: Manifest, mode: str) -> str:
    return f", the same as {same}" if (same := manifest.same_as(mode)) else ""


def _parity(parities: Sequence[Parity]) -> str:
    header = [
        "variant",
        "messages",
        "n",
        "max logit difference",
        "max score difference",
        "mean score difference",
        "label flips",
    ]
    rows = [
        [p.variant, p.rows, p.n, f"{p.max_abs_dlogit:.1e}", f"{p.max_abs_dp:.5f}", f"{p.mean_abs_dp:.6f}", p.flips]
        for p in parities
    ]
    return table(header, rows)


def _processors(audit: Audit, exact: str | None) -> str:
    return (
        f"On x86 without VNNI, onnxruntime adds pairs of int8 products in 16 bits. On the {audit.n} golden messages, "
        f"{audit.saturating:,} of {audit.pairs:,} such sums would saturate; emulated, a score changes by up to "
        f"{audit.max_abs_dp:.2f} and {audit.flips} labels flip. There spam-edge opens `{exact}` with basic graph "
        "optimisation, which reads the same weights and has exact sums; other programs should do the same. "
        f"This export ran on {this_processor().name}; no other kind of processor was tested."
    )


def _files(manifest: Manifest) -> str:
    rows = [
        [name, f"`{variant.file}`", f"{variant.bytes / 1e6:.1f} MB", ", ".join(variant.providers)]
        for name, variant in manifest.variants.items()
    ]
    return table(["variant", "file", "size", "providers"], rows)


def _settings(settings: Mapping[str, Any]) -> str:
    return table(["setting", "value"], [[name.replace("_", " "), value] for name, value in settings.items()])


def _splits(splits: Mapping[str, Mapping[str, Any]]) -> str:
    keys = [key for key in next(iter(splits.values())) if key != "by_corpus"]
    rows = [
        [name, *(counts[key] for key in keys), counts.get("by_corpus", {}).get(NOTICES, {}).get("rows", 0)]
        for name, counts in splits.items()
    ]
    return table(["split", *keys, "of which notices"], rows)
