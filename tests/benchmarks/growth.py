"""Measure time and memory against the number of messages and against their length.

python -m tests.benchmarks.growth --model artifacts/bundle
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from spam_edge.resources import available_threads
from tests.benchmarks.conductor import write_json
from tests.benchmarks.fits import exponents, line
from tests.benchmarks.fresh import identify, in_fresh_process, resident_memory
from tests.benchmarks.generated import messages_of, mixed_messages, whole_words
from tests.benchmarks.growth_chart import draw
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.worker import peak_memory

COUNTS = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
LENGTHS = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512)
CHARACTERS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
QUICK = {"largest": 3_000, "singles": 20, "batch": 64, "rounds": 3}
TEXTS: dict[str, Callable[[list[str], int], str]] = {
    "words": lambda words, size: messages_of(words, size // 2, 1, seed=0)[0][:size],
    "ideographs": lambda _, size: ("漢字" * size)[:size],
    "spaces": lambda _, size: " " * size,
    "one word": lambda _, size: "x" * size,
}
"""Texts by number of characters: two kinds that exceed the model's token limit, and two that never do."""
WHOLE = "words, all of them tokenised"
MIB = 2**20
_REPEATED_BELOW = 10_000  # messages; longer streams take seconds, and one run is enough


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--model", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="Bundle.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/benchmark"), help="Output folder.")
@click.option("--largest", type=click.IntRange(COUNTS[0]), default=COUNTS[-1], help="Largest number of messages.")
@click.option("--singles", default=100, help="Messages per length classified one by one.")
@click.option("--batch", default=1_024, help="Messages per length classified in one call.")
@click.option("--rounds", default=5, help="Repeats of short measurements; medians are shown.")
@click.option("--threads", type=int, default=available_threads, show_default="all", help="Threads of the classifier.")
@click.option("--seed", default=0, help="Seed of the messages.")
@click.option("--quick", is_flag=True, help=f"Few messages and rounds: {QUICK}. A first look, not for quoting.")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Print time and memory against the number and the length of messages; write growth.json and growth.png.

    Each point runs in a new process. Keep the machine quiet.
    """
    if options.pop("quick"):
        given = {name for name in QUICK if context.get_parameter_source(name) == ParameterSource.COMMANDLINE}
        options |= {name: value for name, value in QUICK.items() if name not in given}
    output: Path = options.pop("output")
    results = _measure(output / "growth.json", **options)
    draw(results, output / "growth.png")
    click.echo("\n".join(_report(results)))
    click.echo(f"written to {output}: growth.json, growth.png", err=True)


def _measure(
    path: Path, *, model: Path, largest: int, singles: int, batch: int, rounds: int, threads: int, seed: int
) -> dict[str, Any]:
    words = whole_words(model)
    settings = {"singles": singles, "batch": batch, "rounds": rounds, "seed": seed}
    results: dict[str, Any] = {"machine": describe_machine(threads), "settings": settings, "messages": []}
    results |= {"tokens": [], "characters": []}

    def add(table: str, size: int, measure: Callable[..., dict[str, Any]], *args: Any, **kwargs: Any) -> None:
        click.echo(f"{table}: {size:,}", err=True)
        point = in_fresh_process(measure, str(model), threads, *args, **kwargs)
        results["model"] = point.pop("model")
        results[table].append({"size": size, **point})
        write_json(results, path)

    for count in [count for count in COUNTS if count <= largest]:
        repeats = max(1, min(rounds, _REPEATED_BELOW // count))
        add("messages", count, measure_count, partial(mixed_messages, words, count), seed=seed, repeats=repeats)
    for length in LENGTHS:
        texts = messages_of(words, length, singles + rounds * batch, seed=seed)
        add("tokens", length, measure_length, texts, singles=singles, rounds=rounds)
    for size in CHARACTERS:
        texts_of_size = {kind: make(words, size) for kind, make in TEXTS.items()}
        add("characters", size, measure_text, texts_of_size, rounds=rounds)
    results["fits"] = {
        "messages": line(*_columns(results["messages"], "seconds")),
        "tokens, one by one": line(*_columns(_read(results), "single_ms")),
        "tokens, in a batch": line(*_columns(_read(results), "batch_ms")),
    }
    write_json(results, path)
    return results


def measure_count(
    bundle: str, threads: int, texts: Callable[..., Iterator[str]], *, seed: int, repeats: int
) -> dict[str, Any]:
    """Time a stream of messages, with new messages in each repeat. Memory covers all repeats."""
    classifier = _load(bundle, threads)
    loaded = resident_memory()
    seconds = []
    for repeat in range(repeats):
        messages = texts(seed=seed + repeat)
        began = time.perf_counter()
        for _ in classifier.classify_stream(messages):
            pass
        seconds.append(time.perf_counter() - began)
    return {"seconds": statistics.median(seconds), "repeats": repeats} | _memory(classifier, loaded)


def measure_length(bundle: str, threads: int, texts: Sequence[str], *, singles: int, rounds: int) -> dict[str, Any]:
    """Time messages of one length, one by one and then in batches. No message is used twice."""
    classifier = _load(bundle, threads)
    loaded = resident_memory()
    one_by_one = [_milliseconds(partial(classifier.classify, text)) for text in texts[:singles]]
    size = (len(texts) - singles) // rounds
    calls = [texts[start : start + size] for start in range(singles, len(texts), size)]
    in_batches = [_milliseconds(partial(classifier.classify_batch, call)) / size for call in calls]
    read = len(classifier.token_ids(texts[:1])[0])
    figures = {"read": read, "single_ms": statistics.median(one_by_one), "batch_ms": statistics.median(in_batches)}
    return figures | _memory(classifier, loaded)


def measure_text(bundle: str, threads: int, texts: dict[str, str], *, rounds: int) -> dict[str, Any]:
    """Time tokenising one text of each kind, and the tokenizers library on a whole text."""
    from tokenizers import Tokenizer

    from spam_edge.bundle.locate import TOKENIZER_NAME

    classifier = _load(bundle, threads)
    loaded = resident_memory()

    def median(run: Callable[[], object]) -> float:
        return statistics.median(_milliseconds(run) for _ in range(rounds))

    figures = {kind: median(partial(classifier.token_ids, [text])) for kind, text in texts.items()}
    memory = _memory(classifier, loaded)
    tokenizer = Tokenizer.from_file(str(Path(bundle) / TOKENIZER_NAME))
    tokenizer.no_padding()
    tokenizer.enable_truncation(classifier.manifest.max_length)
    figures[WHOLE] = median(partial(tokenizer.encode_batch_fast, [texts["words"]]))
    return {"ms": figures} | memory


def _load(bundle: str, threads: int) -> Any:
    from spam_edge import RuntimeOptions, SpamClassifier

    classifier = SpamClassifier.load(bundle, RuntimeOptions(threads=threads))
    classifier.classify_batch(["see you at 5 then", "Free entry! Txt WIN to 80086"])  # warm-up
    return classifier


def _memory(classifier: Any, loaded: int) -> dict[str, Any]:
    sizes = {"loaded_mib": loaded / MIB, "resident_mib": resident_memory() / MIB, "peak_mib": peak_memory() / MIB}
    return sizes | {"model": identify(classifier)}


def _milliseconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)


def _columns(points: Sequence[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:
    return [point["size"] for point in points], [point[name] for point in points]


def _read(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the points whose messages fit within the model's token limit."""
    return [point for point in results["tokens"] if point["read"] == point["size"] + 2]


def _report(results: dict[str, Any]) -> Iterator[str]:
    fits = results["fits"]
    yield "by number of messages, through classify_stream()"
    yield f"{'messages':>10} {'seconds':>10} {'messages/s':>11} {'exponent':>9} {'resident MiB':>13} {'peak MiB':>9}"
    points = results["messages"]
    for point, exponent in zip(points, exponents(*_columns(points, "seconds")), strict=True):
        rate = point["size"] / point["seconds"]
        yield f"{point['size']:>10,} {point['seconds']:>10.3f} {rate:>11,.0f} {_number(exponent):>9} " + _sizes(point)
    fit = fits["messages"]
    yield f"seconds = {fit['start']:.3f} + {1000 * fit['slope']:.3f} / 1,000 messages, {_worst(fit)}"
    yield ""
    yield "by length, without [CLS] and [SEP]: one message at a time, and per message of one call with many"
    yield (
        f"{'tokens':>10} {'read':>6} {'one, ms':>9} {'exponent':>9} {'batch, ms':>12} {'exponent':>9} "
        f"{'resident MiB':>13} {'peak MiB':>9}"
    )
    points = results["tokens"]
    steps = (exponents(*_columns(points, name)) for name in ("single_ms", "batch_ms"))
    for point, single, batch in zip(points, *steps, strict=True):
        yield (
            f"{point['size']:>10,} {point['read']:>6,} {point['single_ms']:>9.3f} {_number(single):>9} "
            f"{point['batch_ms']:>12.4f} {_number(batch):>9} " + _sizes(point)
        )
    for name in ("tokens, one by one", "tokens, in a batch"):
        fit = fits[name]
        yield f"{name}, within the token limit: ms = {fit['start']:.3f} + {fit['slope']:.4f} x tokens, {_worst(fit)}"
    yield ""
    yield "by length of the text: ms to tokenise"
    kinds = list(results["characters"][0]["ms"])
    yield f"{'characters':>10} " + " ".join(f"{kind:>{_width(kind)}}" for kind in kinds) + f" {'peak MiB':>9}"
    for point in results["characters"]:
        cells = " ".join(f"{point['ms'][kind]:>{_width(kind)}.2f}" for kind in kinds)
        yield f"{point['size']:>10,} {cells} {point['peak_mib']:>9.1f}"
    yield "exponent: growth of time with size since the line above; 1 is linear, a step is a knee"


def _sizes(point: dict[str, Any]) -> str:
    return f"{point['resident_mib']:>13.1f} {point['peak_mib']:>9.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _worst(fit: dict[str, float]) -> str:
    return f"points at most {fit['worst']:.1%} away"


def _width(kind: str) -> int:
    return max(10, len(kind))


if __name__ == "__main__":
    main()
