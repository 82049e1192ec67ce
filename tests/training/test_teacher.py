"""Targets that say what a message looks like to a model that does not know its cluster."""

from collections.abc import Callable

import numpy as np
import pytest

from spam_edge.training.messages import HAM, SPAM, Message
from spam_edge.training.splits import Example
from spam_edge.training.teacher import SoftTargets


@pytest.fixture(scope="module")
def examples(make_messages: Callable[[int], list[Message]]) -> list[Example]:
    return [Example(message.text, message.label, n) for n, message in enumerate(make_messages(120))]


def targets(examples: list[Example], *, share: float = 0.5, seed: int = 0) -> SoftTargets:
    return SoftTargets(examples, str.lower, share=share, seed=seed)


def of_whole(soft: SoftTargets, texts: list[str]) -> list[float]:
    found = soft.of(texts)
    assert found.dtype == np.float32
    assert found.sum(axis=1) == pytest.approx(1)
    spam: list[float] = found[:, 1].tolist()
    return spam


def test_the_share_is_how_far_the_teacher_draws(examples: list[Example]) -> None:
    texts = [example.text for example in examples]
    labels = np.array([example.label == SPAM for example in examples])
    assert of_whole(targets(examples, share=0), texts) == labels.tolist()
    verdicts = np.array(of_whole(targets(examples, share=1), texts))
    assert np.mean((verdicts > 0.5) == labels) > 0.9
    assert 0 < verdicts.min() < verdicts.max() < 1
    assert of_whole(targets(examples, share=0.3), texts) == pytest.approx(0.7 * labels + 0.3 * verdicts)


def test_a_wrong_label_is_drawn_to_the_other_side(examples: list[Example]) -> None:
    row = next(n for n, example in enumerate(examples) if example.label == HAM)
    wrong = [*examples]
    wrong[row] = Example(examples[row].text, SPAM, row)
    verdict = of_whole(targets(wrong, share=1), [example.text for example in wrong])[row]
    assert verdict < 0.5


def test_a_message_is_judged_by_those_who_do_not_know_its_cluster(examples: list[Example]) -> None:
    """Two clusters share a mark, spam here and ham there: who knows but the other one is wrong about each."""
    marked = [Example(f"zzzz{n} {n} zzzz{n}", label, 500 + n) for n, label in ((1, SPAM), (2, HAM)) for _ in range(20)]
    rows = [*examples, *marked]
    verdicts = of_whole(targets(rows, share=1), [example.text for example in rows])
    assert max(verdicts[-40:-20]) < 0.5 < min(verdicts[-20:])


def test_it_judges_the_form_and_not_the_message(examples: list[Example]) -> None:
    texts = [example.text for example in examples]
    swapped = [texts[0 if example.label == SPAM else 2] for example in examples]  # a ham for spam, a spam for ham
    soft = targets(examples, share=1)
    verdicts = np.array(of_whole(soft, swapped))
    labels = np.array([example.label == SPAM for example in examples])
    assert np.mean((verdicts > 0.5) == ~labels) > 0.9
    assert of_whole(soft, [text.upper() for text in texts]) == of_whole(soft, texts)  # normalised before


def test_the_same_seed_gives_the_same_targets(examples: list[Example]) -> None:
    """Also where someone has used the global dice meanwhile."""
    texts = [example.text for example in examples]
    first = of_whole(targets(examples), texts)
    np.random.seed(1)
    assert of_whole(targets(examples), texts) == first
    assert of_whole(targets(examples, seed=1), texts) != first


def test_without_enough_clusters_there_is_no_teacher(examples: list[Example]) -> None:
    few = [e for e in examples if e.label == HAM] + [e for e in examples if e.label == SPAM][:4]
    soft = targets(few, share=1)
    assert of_whole(soft, [e.text for e in few]) == [e.label == SPAM for e in few]


def test_notices_have_their_labels_and_are_judged_by_nobody(examples: list[Example]) -> None:
    """Here every label of a notice is the wrong one."""
    notices = [
        Example(f"{example.text} {n}", SPAM if example.label == HAM else HAM, 500 + n, ("notices",))
        for n, example in enumerate(examples[:30])
    ]
    rows = [*examples, *notices]
    soft = targets(rows, share=1)
    assert of_whole(soft, [e.text for e in rows])[-30:] == [e.label == SPAM for e in notices]
