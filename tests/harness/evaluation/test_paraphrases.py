"""Test that the paraphrases of E16 cover distinct templates, reword them, and keep their numbers."""

import re

from spam_edge.training.data.messages import SPAM
from spam_edge.training.data.splits import one_per_cluster
from tests.evaluation.folds import grouped_folds
from tests.evaluation.paraphrases import paraphrases
from tests.support.corpora import packaged


def test_paraphrases_cover_distinct_templates_tested_in_folds() -> None:
    tests = [fold.splits["test"] for fold in grouped_folds(packaged(), seed=42)]
    voting = [test[row] for test in tests for row in one_per_cluster(test)]
    spam = {example.text: example.cluster for example in voting if example.label == SPAM}
    assert len(paraphrases()) == 200
    assert len({spam[text] for text in paraphrases()}) == 200


def test_paraphrases_reword_messages_and_keep_numbers() -> None:
    for text, paraphrase in paraphrases().items():
        before, after = (set(re.findall(r"[a-z']+", each.lower())) for each in (text, paraphrase))
        assert len(before & after) / len(before | after) < 0.6, paraphrase
        numbers = re.findall(r"\d{5,}", text)
        assert all(number in paraphrase for number in numbers), paraphrase
