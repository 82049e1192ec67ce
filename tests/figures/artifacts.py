"""Format the figures that documents quote: one function per region, each reading one artifact."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.labels import table as labels_table
from tests.benchmarks.report import brief
from tests.gpu import quote

PEERS = (
    "spam-edge",
    "OpenVINO int8",
    "Optimum ORTModel int8",
    "CTranslate2 int8",
    "PyTorch bf16",
    "transformers pipeline",
)
_ENOUGH = 20
"""Messages of a kind that are enough to name its rate."""
_SHOWN = 8
"""Kinds in a table of the worst."""
_KINDS = {"code": "login and payment codes", "bank": "bank alerts", "personal": "personal messages"}


@dataclass(frozen=True, slots=True)
class Figures:
    """A region of figures.

    Attributes:
        artifact: path of its source, relative to the repository.
        make: turns the parsed artifact into Markdown; None if the artifact must not be quoted.
        is_timing: figures of speed and memory, which vary between runs.
    """

    artifact: str
    make: Callable[[Any], str | None]
    is_timing: bool = False

    def read(self, root: Path) -> str | None:
        """Return the content of the region; None if the artifact is absent or must not be quoted."""
        path = root / self.artifact
        return self.make(json.loads(path.read_bytes())) if path.is_file() else None


def _tracks(manifest: dict[str, Any]) -> str | None:
    metrics = manifest["metrics"]
    if not _is_quotable(manifest) or "today" not in metrics:
        return None
    today, strict = metrics["today"], metrics["today"]["modes"]["low-false-positive"]
    collection = metrics["modes"][manifest["default_mode"]]
    kinds = {title: today["by_kind"].get(kind, {}).get("false_positive_rate") for kind, title in _KINDS.items()}
    known = {title: rate for title, rate in kinds.items() if rate}
    rows = [
        ["today: notices held out by template", *_both(today)],
        *([f"of these, {title}", _rate(rate), ""] for title, rate in known.items()),
        ["SMS Spam Collection, 2003 to 2011, one vote per template", *_both(collection)],
        ["the notices again, `--mode low-false-positive`", *_both(strict)],
    ]
    false_positives, missed = (
        round(100 * share) for share in (today["false_positive_rate"]["value"], 1 - today["recall"]["value"])
    )
    return (
        table(["messages not trained on", "false-positive rate", "recall"], rows)
        + f"\nOf 100 harmless notices about {false_positives} are called spam. "
        f"Of 100 spam messages about {missed} are missed{_weakest(today['by_kind'])}.\n"
    )


def _kinds(manifest: dict[str, Any]) -> str | None:
    """Render the kinds of notices with the most errors."""
    today = manifest["metrics"].get("today")
    if not _is_quotable(manifest) or not today:
        return None
    tables = []
    for title, side, wrong in (("ham", "false_positive_rate", 1), ("spam", "recall", -1)):
        rates = {
            kind: both[side] for kind, both in today["by_kind"].items() if both.get(side, {}).get("n", 0) >= _ENOUGH
        }
        worst = sorted(rates, key=lambda kind: -wrong * rates[kind]["value"])[:_SHOWN]
        header = [f"kind of {title}", side.replace("_p", "-p").replace("_", " ")]
        tables.append(table(header, [[kind.replace("-", " "), _rate(rates[kind])] for kind in worst]))
    return "\n".join(tables)


def _weakest(by_kind: dict[str, Any]) -> str:
    """Name the kinds with the lowest recall, among those with enough messages."""
    recall = {
        kind: rates["recall"] for kind, rates in by_kind.items() if rates.get("recall", {}).get("n", 0) >= _ENOUGH
    }
    lowest = sorted(recall, key=lambda kind: recall[kind]["value"])[:2]
    named = [f"{kind.replace('-', ' ')} ({100 * recall[kind]['value']:.0f} % caught)" for kind in lowest]
    return f", most often of the kinds {' and '.join(named)}" if named else ""


def _both(rates: dict[str, Any]) -> list[str]:
    return [_rate(rates[name]) for name in ("false_positive_rate", "recall")]


def _rate(rate: dict[str, Any]) -> str:
    low, high = (f"{100 * rate[end]:.1f}" for end in ("low", "high"))
    return f"{100 * rate['value']:.1f} % [{low}, {high}], n {rate['n']}"


def _quality(manifest: dict[str, Any]) -> str | None:
    if not _is_quotable(manifest):
        return None
    names = {"int8": "int8", "int8_one_per_cluster": "int8, one vote per cluster", "pytorch": "PyTorch"}
    keys = ("n", "accuracy", "precision", "recall", "f1", "mcc", "pr_auc", "recall_at_fpr_0.5pct")
    measured = manifest["metrics"]["test"]
    rows = [
        [title, f"{measured[name]['n']}", *(f"{measured[name][key]:.3f}" for key in keys[1:])]
        for name, title in names.items()
    ]
    header = ["file", "messages", "accuracy", "precision", "recall", "F1", "MCC", "PR-AUC", "recall at 0.5 % FPR"]
    return table(header, rows)


def _sizes(manifest: dict[str, Any]) -> str | None:
    if not _is_quotable(manifest):
        return None
    rows = [[name, f"`{each['file']}`", f"{each['bytes'] / 1e6:.1f} MB"] for name, each in manifest["variants"].items()]
    return table(["variant", "file", "size"], rows)


def _parity(parity: dict[str, Any]) -> str:
    rows = [
        [
            each["variant"],
            f"{each['rows']}, {each['n']} messages",
            f"{each['flips']}",
            f"{each['max_abs_dp']:.4f}",
            f"{each['mean_abs_dp']:.4f}",
        ]
        for each in parity["measured"]
        if each["variant"] in {"int8", "fused"}
    ]
    return table(["variant", "messages", "label flips", "max score difference", "mean"], rows)


def _training(record: dict[str, Any]) -> str:
    hardware = record["hardware"]
    return (
        f"Training `{record['base_model']['name']}` took {record['seconds'] / 60:.0f} minutes on "
        f"{hardware['threads']} {hardware['device']} threads ({hardware['precision']}), to a validation loss of "
        f"{record['validation']['loss']:.6f}.\n"
    )


def _peers(results: dict[str, Any]) -> str:
    shape = next(iter(results["shapes"].values()))
    done = {each["title"]: each for each in shape["engines"].values() if each["status"] == "ok"}
    rows = [
        [
            title,
            f"{done[title]['best']['median']:.4g}",
            f"{done[title]['one_message_ms']['p50']:.2f} ms",
            f"{done[title]['cold_start_s']['median']:.2f} s",
            f"{done[title]['peak_memory_mib']:.0f} MiB",
        ]
        for title in PEERS
        if title in done
    ]
    return table(["engine", "messages/s", "one message, p50", "cold start", "memory"], rows)


def _batch(results: dict[str, Any]) -> str:
    rows = [
        [
            name,
            f"{each['rows_per_s']['median']:,.0f}",
            f"{each['rows_per_core_hour']['median'] / 1e6:.1f} million" if "rows_per_core_hour" in each else "",
            f"{each['parent_mib']:.0f} MiB",
            f"{each['worker_mib']:.0f} MiB",
        ]
        for name, each in results["engines"].items()
    ]
    header = ["engine", "rows/s", "rows per core-hour", "parent", "largest worker"]
    return f"{results['settings']['rows']:,} rows.\n\n" + table(header, rows)


def _batch_memory(results: dict[str, Any]) -> str:
    first, *later = (point["tree_mib"] for point in results["curve"])
    return (
        f"A job of {results['rows']:,} rows took {first:.0f} MiB in the first twelfth of the rows and at most "
        f"{max(later):.0f} MiB after it. From the first tenth to the last it grew by {results['growth_mib']:.0f} MiB.\n"
    )


def _growth(results: dict[str, Any]) -> str:
    small, large = results["messages"][0], results["messages"][-1]
    fit = results["fits"]["messages"]
    longest = results["characters"][-1]
    whole = longest["ms"]["words, all of them tokenised"]
    return (
        f"{small['size']:,} messages took {small['seconds']:.3f} s; {large['size']:,} took {large['seconds']:.0f} s. "
        f"A straight line of {1000 * fit['slope']:.3f} s per 1,000 messages is at most {fit['worst']:.1%} away. "
        f"Resident memory was {small['resident_mib']:.1f} MiB and {large['resident_mib']:.1f} MiB. A text of "
        f"{longest['size']:,} characters was tokenised in {longest['ms']['words']:.1f} ms as far as the model reads, "
        f"and in {whole:.0f} ms as a whole.\n"
    )


def _start(results: dict[str, Any]) -> str:
    return (
        f"One message takes {results['start_to_verdict_s']:.2f} s from process start to verdict, of which a bare "
        f"Python takes {results['bare_python_s']:.2f} s. Peak memory is {results['peak_memory_mib']:.0f} MiB; the "
        f"installed packages take {results['environment_mib']:.0f} MiB.\n"
    )


def _normalizer(results: dict[str, Any]) -> str:
    return f"With the normaliser the speed is {results['ratio']:.3f} of that without.\n"


def _labels(results: dict[str, Any]) -> str:
    return f"{labels_table(results)}\n"


def _evaluation(evaluation: dict[str, Any]) -> str | None:
    from tests.evaluation.report.quote import markdown

    return None if evaluation.get("quick") else markdown(evaluation)


def _is_quotable(manifest: dict[str, Any]) -> bool:
    """Return whether a bundle was trained on the default corpus."""
    return bool(manifest["provenance"]["training"]["corpus"]["source"] != "files")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (header, ["---"] * len(header), *rows))


_MANIFEST, _BENCHMARK = "artifacts/bundle/manifest.json", "artifacts/benchmark"
CUDA_RUN = "docs/gpu.json"
"""Results of ``python -m tests.gpu`` on a GPU, which few machines can make again."""
FIGURES = {
    "tracks": Figures(_MANIFEST, _tracks),
    "kinds": Figures(_MANIFEST, _kinds),
    "quality": Figures(_MANIFEST, _quality),
    "sizes": Figures(_MANIFEST, _sizes),
    "parity": Figures("artifacts/bundle/parity.json", _parity),
    "training": Figures("artifacts/checkpoint/training.json", _training, is_timing=True),
    "evaluation": Figures("artifacts/report/evaluation.json", _evaluation),
    "peers": Figures(f"{_BENCHMARK}/benchmark.json", _peers, is_timing=True),
    "benchmark": Figures(f"{_BENCHMARK}/benchmark.json", brief, is_timing=True),
    "batch": Figures(f"{_BENCHMARK}/batch.json", _batch, is_timing=True),
    "batch-memory": Figures(f"{_BENCHMARK}/batch_memory.json", _batch_memory, is_timing=True),
    "growth": Figures(f"{_BENCHMARK}/growth.json", _growth, is_timing=True),
    "start": Figures(f"{_BENCHMARK}/start.json", _start, is_timing=True),
    "normalizer": Figures(f"{_BENCHMARK}/normalizer.json", _normalizer, is_timing=True),
    "labels": Figures(f"{_BENCHMARK}/labels.json", _labels),
    "cuda-brief": Figures(CUDA_RUN, quote.brief, is_timing=True),
    "cuda": Figures(CUDA_RUN, quote.tables, is_timing=True),
    "cuda-training": Figures(CUDA_RUN, quote.training, is_timing=True),
}
"""Regions by name, without ``transcript``, which is made by running its commands."""
