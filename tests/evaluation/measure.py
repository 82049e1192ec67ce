"""``python -m tests.evaluation.measure``: measure a bundle on held-out messages, in seconds.

Nothing is trained. The corpora are split again with the bundle's seed; their test splits, the harmless controls and
the files of ``--extra`` are scored. One bundle is one training run: ``python -m tests.evaluation`` measures the
variance between runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from spam_edge.classifier import SpamClassifier
from spam_edge.errors import SpamEdgeError
from spam_edge.options import RuntimeOptions
from spam_edge.training.attacks import CONTROLS, disguised_ham, ham_controls
from spam_edge.training.data.corpus import Prepared, prepare
from spam_edge.training.data.messages import HAM, SPAM
from spam_edge.training.data.notices import MARKETING, NOTICES, with_notices
from spam_edge.training.data.sources import load_corpus
from spam_edge.training.data.splits import Example
from spam_edge.training.options import corpus_options, take_read_options
from tests.evaluation.extras import MEANS, Extra, extra_figures, extra_option, mean_over_files
from tests.evaluation.modes import mode_figures
from tests.evaluation.statistics import one_vote_per_label

_VARIANT = "int8"


@click.command(
    epilog="Example: python -m tests.evaluation.measure --extra newer=labelled.tsv",
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 120},
)
@corpus_options
@click.option("--bundle", type=click.Path(path_type=Path), default=Path("artifacts/bundle"), help="Bundle to measure.")
@extra_option
def main(*, data: tuple[str, ...], bundle: Path, extra: Sequence[Extra], **options: Any) -> None:
    """Print the false-positive rate and recall of a bundle in every mode, each with its 95 % interval and n.

    Rows: the test splits of the collection and of the notices (also by kind), the controls, and each file.
    """
    options.pop("notices")  # the bundle's fingerprint tells whether it was trained on notices
    try:
        classifier = SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant=_VARIANT))
        prepared = prepare(load_corpus(data, take_read_options(options)), _seed(classifier))
        files = [extra_figures(one, classifier) for one in extra]
        sets = [*_held_out(classifier, prepared), *_controls(classifier, prepared), *files]
    except SpamEdgeError as error:
        raise click.ClickException(str(error)) from error
    for line in table(sets, list(classifier.manifest.thresholds)):
        click.echo(line)
    for line in _means(files, list(classifier.manifest.thresholds)):
        click.echo(line)


def table(sets: Sequence[Mapping[str, Any]], modes: Sequence[str]) -> Iterator[str]:
    """Yield a header and one line per label of each set: n, and the rate in each mode."""
    width = max((len(each["name"]) for each in sets), default=0) + 2
    yield f"{'set':<{width}}{'rate':<14}{'n':>6}" + "".join(f"  {mode:<22}" for mode in modes)
    for each in sets:
        for name, n in (("false_positive_rate", each["n_ham"]), ("recall", each["n_spam"])):
            if n:
                cells = (_cell(each["modes"][mode][name]) for mode in modes)
                title = "FPR" if name == "false_positive_rate" else "recall"
                yield f"{each['name']:<{width}}{title:<14}{n:>6}" + "".join(f"  {cell:<22}" for cell in cells)


def _cell(rate: Mapping[str, float]) -> str:
    return f"{100 * rate['value']:.1f} % [{100 * rate['low']:.1f}, {100 * rate['high']:.1f}]"


def _means(files: Sequence[Mapping[str, Any]], modes: Sequence[str]) -> Iterator[str]:
    for kind, rate in MEANS.items():
        means = {mode: mean_over_files(files, kind, mode) for mode in modes}
        text = ", ".join(f"{mode} {100 * mean:.1f} %" for mode, mean in means.items() if mean is not None)
        if text:
            yield f"mean {rate.replace('_', ' ')} over files of {kind}: {text}"


def _seed(classifier: SpamClassifier) -> int:
    return int(classifier.manifest.provenance["training"]["settings"]["seed"])


def _held_out(classifier: SpamClassifier, prepared: Prepared) -> Iterator[dict[str, Any]]:
    """Yield the figures of the test splits if the bundle was trained on the other splits of the same corpus."""
    both = with_notices(prepared, _seed(classifier))
    if classifier.manifest.provenance["training"]["corpus"]["fingerprint"] not in (
        prepared.fingerprint,
        both.fingerprint,
    ):
        click.echo(
            "the bundle was trained on other messages, so the test splits are left out; give its corpus with --data",
            err=True,
        )
        return
    yield _figures("collection, test", prepared.splits["test"], classifier)
    notices = [example for example in both.splits["test"] if NOTICES in example.corpus]
    counted = [example for example in notices if example.kind != MARKETING]
    yield _figures("notices, test", counted, classifier)
    for kind in sorted({example.kind for example in notices}):
        yield _figures(f"  {kind}", [example for example in notices if example.kind == kind], classifier)


def _figures(name: str, examples: Sequence[Example], classifier: SpamClassifier) -> dict[str, Any]:
    """Return the figures of examples, one vote per label of each cluster."""
    is_spam = np.array([example.label == SPAM for example in examples])
    votes = one_vote_per_label(np.array([example.cluster for example in examples]), is_spam)
    return _rates(name, [examples[row].text for row in votes], is_spam[votes].tolist(), classifier)


def _controls(classifier: SpamClassifier, prepared: Prepared) -> Iterator[dict[str, Any]]:
    ham = [example.text for example in prepared.splits["test"] if example.label == HAM]
    disguised = [
        said for row, text in enumerate(ham) for said in disguised_ham(text, level="medium", row_id=f"{row}").values()
    ]
    texts = {**ham_controls(), "N7": disguised}
    for name, control in CONTROLS.items():
        yield _rates(f"{name} {control.title}"[:40], texts[name], [False] * len(texts[name]), classifier)


def _rates(name: str, texts: Sequence[str], labels: Sequence[bool], classifier: SpamClassifier) -> dict[str, Any]:
    is_spam = np.array(labels, dtype=np.bool_)
    scores = classifier.score(list(texts)).astype(np.float64)
    modes = mode_figures(scores, is_spam, classifier.manifest.thresholds)
    return {"name": name, "n_ham": int((~is_spam).sum()), "n_spam": int(is_spam.sum()), "modes": modes}


if __name__ == "__main__":
    main(prog_name="python -m tests.evaluation.measure")
