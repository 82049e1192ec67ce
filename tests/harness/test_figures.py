"""Test parsing, running and refreshing of documents, with artificial pages and artifacts."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.figures import __main__ as command
from tests.figures.artifacts import FIGURES
from tests.figures.pages import parse_blocks, parse_commands, parse_regions, replace_regions
from tests.figures.scratch import Scratch, run_page
from tests.figures.transcripts import rewrite_transcripts
from tests.support.gpu_results import results

PAGE = """\
Text.

```console
$ printf 'WINNER!! Call now\\n' > one.txt
```

<!-- not run: needs a cluster -->
```console
$ exit 1
```

<!-- trained bundle -->
```console
$ exit 1
```

```python
value = 6
```

```python
print(value * 7)
```

<!-- figures: transcript -->
```console
$ cat one.txt \\
> | wc -l
stale
$ spam-edge classify one.txt
```
<!-- end -->
"""


def rate(value: float) -> dict[str, Any]:
    return {"value": value, "low": value / 2, "high": min(1.0, 2 * value), "n": 100}


def manifest(source: str = "packaged") -> dict[str, Any]:
    both = {"false_positive_rate": rate(0.04), "recall": rate(0.9), "precision": rate(0.95)}
    test = dict.fromkeys(("accuracy", "precision", "recall", "f1", "mcc", "pr_auc", "recall_at_fpr_0.5pct"), 0.5)
    kinds = {"code": {"false_positive_rate": rate(0.07)}, "prize": {"recall": rate(0.8)}}
    return {
        "default_mode": "balanced",
        "provenance": {"training": {"corpus": {"source": source}}},
        "variants": {"int8": {"file": "onnx/model_quantized.onnx", "bytes": 27_200_000}},
        "metrics": {
            "test": {name: {"n": 904} | test for name in ("int8", "int8_one_per_cluster", "pytorch")},
            "modes": {"balanced": both},
            "today": {**both, "by_kind": kinds, "modes": {"low-false-positive": both}},
        },
    }


def engine(title: str) -> dict[str, Any]:
    return {
        "title": title,
        "status": "ok",
        "best": {"median": 1147.3},
        "one_message_ms": {"p50": 1.3},
        "cold_start_s": {"median": 0.22},
        "peak_memory_mib": 124.2,
        "share_of_peak": 0.66,
        "difference": {"max_abs_dp": 0.0012},
    }


GROWN = [{"size": size, "seconds": size / 1000, "resident_mib": 133.6} for size in (100, 1_000_000)]
LABELS = {
    "labels": 200,
    "spam": 25,
    "seed": 1,
    "seconds": 61.2,
    "test": {"n": 806, "n_spam": 78, "recall_at_fpr_0.5pct": 0.64, "f1": 0.5, "pr_auc": 0.85},
}
ARTIFACTS: dict[str, tuple[dict[str, Any], str]] = {
    "kinds": (manifest(), "| prize | 80.0 % [40.0, 100.0], n 100 |\n"),
    "tracks": (
        manifest(),
        "Of 100 harmless notices about 4 are called spam. Of 100 spam messages about 10 are missed, "
        "most often of the kinds prize (80 % caught).\n",
    ),
    "quality": (manifest(), "| PyTorch | 904 | 0.500 | 0.500 |"),
    "sizes": (manifest(), "| int8 | `onnx/model_quantized.onnx` | 27.2 MB |\n"),
    "parity": (
        {
            "measured": [
                {"variant": "int8", "rows": "test", "n": 80, "flips": 2, "max_abs_dp": 0.04, "mean_abs_dp": 0.001}
            ]
        },
        "| int8 | test, 80 messages | 2 | 0.0400 | 0.0010 |\n",
    ),
    "training": (
        {
            "base_model": {"name": "tiny"},
            "seconds": 1083.4,
            "hardware": {"device": "cpu", "threads": 2, "precision": "bf16"},
            "validation": {"loss": 0.1234567},
        },
        "Training `tiny` took 18 minutes on 2 cpu threads (bf16), to a validation loss of 0.123457.\n",
    ),
    "peers": (
        {"shapes": {"base": {"engines": {name: engine(name) for name in ("spam-edge", "another")}}}},
        "| spam-edge | 1147 | 1.30 ms | 0.22 s | 124 MiB |\n",
    ),
    "benchmark": (
        {"shapes": {"b": {"name": "b", "model": {"dim": 384}, "engines": {"a": engine("A")}, "ratios": {"to A": 1.5}}}},
        "| A | 1147 | 1.30 ms | 0.22 s | 124 MiB | 66% | 0.0012 |\n",
    ),
    "batch": (
        {
            "settings": {"rows": 100_000},
            "engines": {
                "ray": {"rows_per_s": {"median": 1072.0}, "parent_mib": 250.0, "worker_mib": 217.0},
            },
        },
        "| ray | 1,072 |  | 250 MiB | 217 MiB |\n",
    ),
    "batch-memory": (
        {
            "rows": 5_000_000,
            "growth_mib": 8.2,
            "curve": [{"tree_mib": 411.0}, {"tree_mib": 421.0}, {"tree_mib": 420.0}],
        },
        "took 411 MiB in the first twelfth of the rows and at most 421 MiB after it.",
    ),
    "growth": (
        {
            "messages": GROWN,
            "fits": {"messages": {"slope": 0.000614, "worst": 0.055}},
            "characters": [{"size": 1_000_000, "ms": {"words": 0.3, "words, all of them tokenised": 325.0}}],
        },
        "A straight line of 0.614 s per 1,000 messages is at most 5.5% away.",
    ),
    "start": (
        {"start_to_verdict_s": 0.257, "bare_python_s": 0.012, "peak_memory_mib": 107.4, "environment_mib": 208.0},
        "One message takes 0.26 s from process start to verdict, of which a bare Python takes 0.01 s.",
    ),
    "normalizer": ({"ratio": 0.956}, "With the normaliser the speed is 0.956 of that without.\n"),
    "labels": ({"runs": [LABELS]}, "| 200 | 25 | 1 | 0.640 | 0.500 | 0.850 | 61 |\n"),
    "cuda-brief": (results(), "differs from PyTorch in fp32 by at most 0.0007 in a score; 6 of 1,100 labels differ. "),
    "cuda": (results(), "| spam-edge |  | 200,000 | 30,000 | 1.26 ms | 2.0 s |"),
    "cuda-training": (results(), "took 61 s, 1,234 messages/s.\n"),
}


@pytest.mark.parametrize("name", sorted(FIGURES.keys() - {"evaluation"}))
def test_figures_are_rendered_only_from_existing_artifact(name: str, tmp_path: Path) -> None:
    artifact, expected = ARTIFACTS[name]
    assert FIGURES[name].read(tmp_path) is None
    path = tmp_path / FIGURES[name].artifact
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(artifact), encoding="utf-8")
    rendered = FIGURES[name].read(tmp_path)
    assert rendered is not None
    assert expected in rendered
    assert rendered.endswith("\n")


def test_custom_data_models_and_quick_evaluations_are_not_quoted() -> None:
    assert [FIGURES[name].make(manifest("files")) for name in ("tracks", "quality", "sizes")] == [None] * 3
    assert FIGURES["evaluation"].make({"quick": True}) is None


def test_parsed_blocks_have_language_line_and_run_options() -> None:
    blocks = list(parse_blocks(PAGE))
    assert [block.language for block in blocks] == ["console"] * 3 + ["python"] * 2 + ["console"]
    assert [block.not_run for block in blocks] == [None, "needs a cluster", None, None, None, None]
    assert [block.needs_trained_bundle for block in blocks] == [False, False, True, False, False, False]
    assert [block.region for block in blocks] == [None] * 5 + ["transcript"]
    assert PAGE.splitlines()[blocks[3].line - 1] == "```python"


def test_console_block_is_parsed_into_commands_and_output() -> None:
    first, second = parse_commands("$ cat \\\n> one.txt\nshown\n> shown\n$ true\n")
    assert (first.text, first.shown) == ("cat \\\none.txt", "shown\n> shown\n")
    assert (second.text, second.shown) == ("true", "")
    with pytest.raises(ValueError, match="begins with `\\$ `"):
        parse_commands("cat one.txt\n")


def test_page_blocks_share_folder_and_python_namespace(tmp_path: Path, tiny_bundle: Path) -> None:
    ran = [printed for _, printed in run_page(PAGE, Scratch(tmp_path, tiny_bundle), trained=False)]
    assert ran[:3] == [[""], [""], ["42\n"]]
    assert ran[3][0].strip() == "1"
    assert ran[3][1].startswith("SPAM\t")


def test_failing_page_command_raises_error(tmp_path: Path, tiny_bundle: Path) -> None:
    with pytest.raises(RuntimeError, match=r"\$ exit 1\nexit code 1"):
        list(run_page(PAGE, Scratch(tmp_path, tiny_bundle), trained=True))


def test_stale_transcript_is_rewritten_with_actual_output(tmp_path: Path, tiny_bundle: Path) -> None:
    page = PAGE.replace("<!-- trained bundle -->", "<!-- not run: it fails -->")
    after = rewrite_transcripts(page, Scratch(tmp_path, tiny_bundle))
    assert after.replace(" ", "") == page.replace("stale", "1").replace(" ", "")


def test_command_rewrites_stale_pages_and_check_reports_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    region = "<!-- figures: normalizer -->\n{}<!-- end -->\n"
    absent = "<!-- figures: start -->\nas it was\n<!-- end -->\n"
    page.write_text(region.format("old\n") + absent, encoding="utf-8")
    path = tmp_path / FIGURES["normalizer"].artifact
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"ratio": 0.9}), encoding="utf-8")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "PAGES", (page,))
    checked = CliRunner().invoke(command.main, ["--check"])
    assert (checked.exit_code, checked.output) == (1, "page.md is stale\n")
    assert CliRunner().invoke(command.main).output == "page.md rewritten\n"
    expected = "With the normaliser the speed is 0.900 of that without.\n"
    assert page.read_text(encoding="utf-8") == region.format(expected) + absent
    assert CliRunner().invoke(command.main, ["--check"]).exit_code == 0


def test_page_regions_are_parsed_and_replaced_by_name() -> None:
    text = "a\n<!-- figures: one -->\nold\n<!-- end -->\nb\n"
    assert parse_regions(text) == {"one": "old\n"}
    after = replace_regions(text, lambda name, content: f"{name}, not {content}")
    assert parse_regions(after) == {"one": "one, not old\n"}
    assert after.startswith("a\n<!-- figures")
