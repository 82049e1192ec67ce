"""Ray Data with real actors: scores equal a single process, nulls, one model per actor, actor crashes."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spam_edge import BundleIntegrityError
from spam_edge.integrations.ray import RayClassifier
from spam_edge.runtime.providers import CPU, CUDA
from tests.integrations.conftest import Rows, Verdict
from tests.support.cuda import NEEDS_CUDA
from tests.support.workers import CountedRay, MortalRay

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    # Ray sets deprecated options of its own.
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.data\."),
]


@pytest.fixture(scope="module", autouse=True)
def _cluster(load_files: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=200 * 2**20,
            logging_level="ERROR",
            log_to_driver=False,
        )
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield
        ray.shutdown()


def _map(rows: Rows, kind: type[RayClassifier], *, blocks: int, batch_format: str, **arguments: Any) -> list[Verdict]:
    """Return the verdicts in order of the ids; each id occurs once."""
    items = [{"id": number, "text": text} for number, text in enumerate(rows.texts)]
    dataset = ray.data.from_items(items, override_num_blocks=blocks).map_batches(
        kind,
        fn_constructor_kwargs=arguments,
        batch_format=batch_format,
        batch_size=512,
        compute=ray.data.ActorPoolStrategy(size=2),
        num_cpus=0.5,
    )
    mapped = sorted(dataset.take_all(), key=lambda row: row["id"])
    assert [row["id"] for row in mapped] == list(range(len(rows.texts)))
    assert [row["text"] for row in mapped] == rows.texts
    return [(row["label"], row["spam_score"], row["truncated"]) for row in mapped]


@pytest.mark.parametrize(("blocks", "batch_format"), [(4, "pyarrow"), (7, "pandas"), (5, "numpy")])
def test_ray_data_equals_single_process_verdicts(
    rows: Rows, tiny_bundle: Path, loads: Callable[[], dict[int, int]], blocks: int, batch_format: str
) -> None:
    verdicts = _map(rows, CountedRay, blocks=blocks, batch_format=batch_format, bundle=tiny_bundle)
    if batch_format == "numpy":  # float arrays have no null
        verdicts = [(label, None if math.isnan(score or 0) else score, cut) for label, score, cut in verdicts]
    assert verdicts == rows.verdicts
    opened = loads()
    assert set(opened.values()) == {1}
    assert len(opened) <= 2


def test_crashed_actor_is_replaced_without_changing_verdicts(
    rows: Rows, tiny_bundle: Path, tmp_path: Path, loads: Callable[[], dict[int, int]]
) -> None:
    verdicts = _map(rows, MortalRay, blocks=6, batch_format="pyarrow", bundle=tiny_bundle, marker=tmp_path / "died")
    assert (tmp_path / "died").exists()
    assert verdicts == rows.verdicts
    opened = loads()
    assert set(opened.values()) == {1}
    assert 2 <= len(opened) <= 3  # one of them replaced the crashed actor


def test_actor_threads_equal_assigned_cores() -> None:
    class Actor:
        def threads(self) -> int | None:
            return RayClassifier.default_options().threads

    actors = [ray.remote(num_cpus=cores)(Actor).remote() for cores in (0.5, 1.5)]
    assert ray.get([actor.threads.remote() for actor in actors]) == [1, 1]
    for actor in actors:
        ray.kill(actor)
    assert ray.get(ray.remote(num_cpus=2)(Actor).remote().threads.remote()) == 2
    assert RayClassifier.default_options().threads == 1  # this process is not an actor


@pytest.mark.gpu
@NEEDS_CUDA
def test_actor_with_gpu_share_runs_on_cuda(tiny_bundle: Path) -> None:
    class Actor:
        def provider(self) -> str:
            return RayClassifier(tiny_bundle).classifier.provider

    # Two actors on one GPU, and one that Ray gives none: it falls back to the CPU.
    actors = [ray.remote(num_cpus=0.5, num_gpus=share)(Actor).remote() for share in (0.5, 0.5, 0)]
    assert ray.get([actor.provider.remote() for actor in actors]) == [CUDA, CUDA, CPU]


def test_node_with_other_bundle_digest_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(BundleIntegrityError, match=r"has the digest [0-9a-f]{64}, not 0000"):
        RayClassifier(tiny_bundle, digest="0000")


def test_documentation_recipe_finds_one_spam_message(run_recipe: Callable[[str], str]) -> None:
    shown = run_recipe("ray")
    assert shown.count("SPAM") == 1
    assert "HAM" not in shown
