"""Measurement and choice of settings. No test depends on speed: choices are tested with invented figures."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from spam_edge import InputError, RuntimeOptions, SpamClassifier
from spam_edge.bench import contenders, measuring
from spam_edge.bench.contenders import thread_counts, why_skipped
from spam_edge.bench.figures import Choice, Figures, choose
from spam_edge.bench.measuring import Contender, Turns, run_rounds
from spam_edge.bench.run import BenchReport, run_bench
from spam_edge.bench.workload import Workload, read_texts
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.bundle.manifest import Variant
from spam_edge.readers.windows import ReadOptions
from spam_edge.resources import available_threads
from spam_edge.runtime import session
from spam_edge.runtime.providers import CPU, CUDA
from spam_edge.runtime.session import open_session
from tests.support.cuda import on_the_cpu, pretend_cuda

TEXTS = ["see you at 5 then", "WINNER!! Call 09061701461 to claim your prize", "ok", "ok", "OK", ""]
VARIANTS = {
    "int8": Variant("int8.onnx", (CPU,), 1),
    "fused": Variant("fused.onnx", (CPU,), 1, fused=True),
    "fp16": Variant("fp16.onnx", (CUDA, CPU), 1),
    "fp32": Variant("fp32.onnx", (CPU, CUDA), 1),
}
CPU_OPTIONS = RuntimeOptions(device="cpu")


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Path) -> SpamClassifier:
    return SpamClassifier.load(tiny_bundle, RuntimeOptions(device="cpu", threads=1))


@pytest.fixture(scope="module")
def report(tiny_bundle: Path) -> BenchReport:
    bundle = Bundle.find(tiny_bundle)
    return run_bench(bundle, CPU_OPTIONS, Golden.read(bundle).texts, source="golden", seconds=0)


def figures(*rates: float, **options: Any) -> Figures:
    return Figures(RuntimeOptions(**options), "int8", options.get("threads", 2), 256, 64, rates, ())


def setting(measured: Figures) -> str:
    return measured.setting


class TestWorkload:
    def test_generated_messages_are_distinct_with_given_token_lengths(self, classifier: SpamClassifier) -> None:
        workload = Workload.build(TEXTS, classifier.token_ids, size=200)
        ids = [tuple(row) for row in classifier.token_ids(workload.texts)]
        assert len(set(ids)) == len(ids) == 200
        assert [len(row) for row in ids] == list(workload.tokens) == sorted(workload.tokens)
        assert {len(row) for row in ids} == {len(row) for row in classifier.token_ids(TEXTS)}
        assert workload.given == 4  # "ok" is counted once
        assert set(workload.texts) >= {TEXTS[0], TEXTS[1], "ok", ""}

    def test_workload_for_same_texts_is_deterministic(self, classifier: SpamClassifier) -> None:
        first, second = (Workload.build(TEXTS, classifier.token_ids, size=50) for _ in range(2))
        assert first == second

    def test_workload_does_not_exceed_requested_size(self, classifier: SpamClassifier) -> None:
        workload = Workload.build([f"see you at {n}" for n in range(50)], classifier.token_ids, size=20)
        assert len(workload.texts) == workload.given == 20

    @pytest.mark.parametrize("texts", [[""], ["hello"], ["", " ", "hello", "HELLO"]])
    def test_messages_that_cannot_be_varied_are_not_repeated(
        self, classifier: SpamClassifier, texts: list[str]
    ) -> None:
        workload = Workload.build(texts, classifier.token_ids)
        assert len(workload.texts) == workload.given == len({text.strip().lower() for text in texts})

    def test_workload_without_messages_is_refused(self, classifier: SpamClassifier) -> None:
        with pytest.raises(InputError, match="no messages"):
            Workload.build([], classifier.token_ids)

    def test_calls_cover_all_messages_exactly_once(self, classifier: SpamClassifier) -> None:
        workload = Workload.build(TEXTS, classifier.token_ids, size=50)
        calls = [workload.call(4, number) for number in range(4)]
        assert sorted(text for texts, _ in calls for text in texts) == sorted(workload.texts)
        assert sum(amount for _, amount in calls) == pytest.approx(50)
        assert workload.call(4, 5) == calls[1]

    def test_single_messages_are_spread_over_whole_workload(self, classifier: SpamClassifier) -> None:
        workload = Workload.build(TEXTS, classifier.token_ids, size=50)
        places = [workload.texts.index(text) for number in range(20) for text in workload.singles(5, number)]
        assert [place // 10 for place in places] == [0, 1, 2, 3, 4] * 20
        assert len(set(places)) > 40
        assert workload.singles(0, 3) == []


def test_file_is_read_only_up_to_limit(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(b"\xff\n" + b"see you\n" * 3000)
    texts, bad = read_texts(path, ReadOptions(), limit=1500)
    assert (len(texts), bad) == (1500, 1)


def test_file_without_messages_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("\n\n")
    with pytest.raises(InputError, match=r"in\.txt has no messages"):
        read_texts(path, ReadOptions())


@pytest.mark.parametrize(
    ("available", "counts"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8]), (9, [1, 2, 4, 8, 9])],
)
def test_thread_counts_are_powers_of_two_and_maximum(available: int, counts: list[int]) -> None:
    assert thread_counts(available) == counts


@pytest.mark.parametrize(
    ("name", "provider", "reason"),
    [
        ("int8", CPU, None),
        ("int8", CUDA, "does not support CUDA"),
        ("fp16", CPU, "intended for CUDA"),
        ("fp16", CUDA, None),
        ("fp32", CPU, None),
        ("fp32", CUDA, None),
        ("fused", CPU, "no such operator here"),
    ],
)
def test_unsuitable_variants_are_skipped_with_reason(
    monkeypatch: pytest.MonkeyPatch, name: str, provider: str, reason: str | None
) -> None:
    monkeypatch.setattr(contenders, "unavailable_reason", lambda: "no such operator here")
    result = why_skipped(name, VARIANTS[name], provider)
    assert (result is None) if reason is None else (reason in str(result))


class TestChoice:
    @pytest.mark.parametrize(
        ("default", "other", "best", "reason"),
        [
            ((100, 101, 102), (110, 111, 112), 1, "1 thread was 9.9% faster than int8 on 2 threads, the default"),
            ((100, 101, 102), (90, 91, 92), 0, "int8 on 2 threads, the default, was the fastest"),
            ((100, 101, 112), (110, 111, 113), 0, "within the noise"),
            ((100, 101, 102), (103, 104, 105), 0, "too small to matter, so the default stays"),
            ((100, 101), (200, 201), 0, "fewer than 3 rounds cannot rule out noise"),
        ],
    )
    def test_default_is_kept_unless_difference_exceeds_noise(
        self, default: Sequence[float], other: Sequence[float], best: int, reason: str
    ) -> None:
        measured = [figures(*default), figures(*other, threads=1)]
        choice = choose(measured, RuntimeOptions(), setting)
        assert choice.default is measured[0]
        assert choice.best is measured[best]
        assert reason in choice.reason

    def test_fastest_setting_beyond_noise_is_chosen(self) -> None:
        measured = [figures(200, 200, 90, threads=4), figures(120, 120, 120, threads=1), figures(99, 100, 101)]
        assert choose(measured, RuntimeOptions(), setting).best is measured[1]

    def test_single_measured_setting_is_reported_as_only_choice(self) -> None:
        choice = choose([figures(1, threads=1)], RuntimeOptions(threads=1), setting)
        assert choice.reason == "int8 on 1 thread was the only setting to measure"


def two_contenders(classifier: SpamClassifier) -> list[Contender]:
    return [Contender(classifier, RuntimeOptions(), threads, 256) for threads in (1, 2)]


@pytest.mark.parametrize(("seconds", "rounds"), [(-1, 1), (0, 1), (50, 1), (60, 2), (500, 18)])
def test_rounds_fill_time_budget_with_at_least_one(
    classifier: SpamClassifier, monkeypatch: pytest.MonkeyPatch, seconds: float, rounds: int
) -> None:
    """The fake clock advances by one second per reading, so the test does not depend on the machine."""
    monkeypatch.setattr(measuring, "perf_counter", itertools.count().__next__)
    workload = Workload.build(TEXTS, classifier.token_ids, size=64)
    ticks: list[str] = []
    turns = Turns(rounds=3, per_thread=16, singles=5)
    measured = run_rounds(two_contenders(classifier), workload, turns, until=seconds, tick=lambda: ticks.append("turn"))
    assert [each.threads for each in measured] == [1, 2]
    assert {len(each.rates) for each in measured} == {rounds}
    assert {len(each.milliseconds) for each in measured} == {5 * rounds}
    assert len(ticks) == 2 + 2 * rounds  # each setting warms up first


def test_call_size_grows_with_threads_and_speed(classifier: SpamClassifier) -> None:
    workload = Workload.build(TEXTS, classifier.token_ids, size=128)
    turns = Turns(rounds=1, per_thread=32, singles=0)
    slow = run_rounds(two_contenders(classifier), workload, turns, until=perf_counter(), tick=lambda: None)
    assert [each.call for each in slow] == [32, 64]
    fast = run_rounds(
        two_contenders(classifier), workload, turns, until=perf_counter() + 2, tick=lambda: None, rate=1e6
    )
    assert [each.call for each in fast] == [128, 128]


def test_zero_seconds_measures_every_setting_once(report: BenchReport, tiny_bundle: Path) -> None:
    counts = thread_counts(available_threads())
    variants = [name for name in Bundle.find(tiny_bundle).manifest.variants if name not in report.skipped]
    measured = [(each.variant, each.threads, each.token_budget) for each in report.settings.measured]
    bundle = Bundle.find(tiny_bundle)
    usual = {name: open_session(bundle, replace(CPU_OPTIONS, variant=name)).token_budget for name in variants}
    assert measured == [(variant, threads, usual[variant]) for variant in variants for threads in counts]
    default = SpamClassifier.load(tiny_bundle, CPU_OPTIONS).variant
    assert report.settings.default.variant == default
    budgets = [(each.variant, each.threads, each.token_budget) for each in report.token_budgets.measured]
    factors = (0.5, 1, 2, 4)
    assert budgets == [(default, available_threads(), factor * usual[default]) for factor in factors]
    assert all(len(each.rates) == 1 for each in (*report.settings.measured, *report.token_budgets.measured))
    assert "fp16" in report.skipped
    assert {"int8", "fp32"} <= set(variants)
    assert report.budget == 0
    assert report.seconds > 0


def test_single_round_recommends_default_settings(report: BenchReport) -> None:
    assert report.to_dict()["best"] == {
        "device": "cpu",
        "variant": "auto",
        "threads": None,
        "token_budget": None,
        "exact": False,
    }
    assert (report.flags, report.expression) == (["--device", "cpu"], 'RuntimeOptions(device="cpu")')


def test_best_settings_agree_as_json_flags_and_expression(report: BenchReport, tiny_bundle: Path) -> None:
    wanted = RuntimeOptions(device="cpu", variant="fp32", threads=1, token_budget=512, exact=True)
    best = replace(report.token_budgets.measured[2], options=wanted)
    result = replace(report, token_budgets=Choice((best,), report.best, best, "because"))
    assert RuntimeOptions(**result.to_dict()["best"]) == wanted
    assert eval(result.expression) == wanted
    assert result.flags == ["--device", "cpu", "--variant", "fp32", "--threads", "1", "--exact"]


def test_fixed_options_are_not_varied(tiny_bundle: Path) -> None:
    options = RuntimeOptions(device="cpu", variant="fp16", threads=3, token_budget=64)
    result = run_bench(Bundle.find(tiny_bundle), options, TEXTS, source="here", seconds=0)
    for choice in (result.settings, result.token_budgets):
        (measured,) = choice.measured
        assert (measured.variant, measured.threads, measured.token_budget) == ("fp16", 3, 64)
    assert result.best.options == options
    assert result.skipped == {}


def test_progress_steps_do_not_exceed_elapsed_time(tiny_bundle: Path) -> None:
    passed: list[float] = []
    start = perf_counter()
    run_bench(Bundle.find(tiny_bundle), CPU_OPTIONS, TEXTS, source="here", seconds=0.2, progress=passed.append)
    assert min(passed) >= 0
    assert 0 < sum(passed) <= perf_counter() - start


def test_cuda_variants_are_measured_with_one_thread(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mocked: the sessions run on the CPU."""
    pretend_cuda(monkeypatch, on_the_cpu())
    monkeypatch.setattr(session, "available_threads", lambda: 4)
    result = run_bench(Bundle.find(tiny_bundle), RuntimeOptions(device="cuda"), TEXTS, source="here", seconds=0)
    assert {(each.variant, each.threads) for each in result.settings.measured} == {("fp16", 1), ("fp32", 1)}
    assert {each.threads for each in result.token_budgets.measured} == {1}
    assert result.skipped == dict.fromkeys(("fused", "int8"), "does not support CUDA")
