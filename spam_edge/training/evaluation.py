"""From logits to metrics, and from metrics to a choice."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from transformers import (
    EvalPrediction,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from spam_edge.errors import InputError
from spam_edge.training.by_corpus import metrics_by_corpus
from spam_edge.training.messages import HAM, LABELS, SPAM
from spam_edge.training.metrics import SpamMetric, spam_metrics
from spam_edge.training.splits import Example, one_per_cluster

SELECTION_METRIC = "selection"


def kept_epoch(epochs: Sequence[Mapping[str, float]]) -> int:
    """Index of the epoch whose weights are kept: the latest whose loss is within a standard error of the lowest.

    The loss is that after temperature scaling. The export scales, and an epoch that ranks better is often too sure of
    itself: measured on both tracks, the last of three epochs had a higher loss than the first and a PR-AUC of 0.971
    instead of 0.92.

    This is the one-standard-error rule of Breiman et al. (1984), 3.4.3, for epochs. On some hundred messages the best
    PR-AUC or loss is a matter of luck, and has been seen to fall on the first of four epochs; at the end, when the
    learning rate has come down to nothing, weights are steadier than any before.

    Args:
        epochs: ``calibrated_loss`` on validation and ``loss_error``, the standard error of that mean, of at least one
            epoch.
    """
    lowest = min(epochs, key=lambda epoch: epoch["calibrated_loss"])
    limit = lowest["calibrated_loss"] + lowest["loss_error"]
    return max(n for n, epoch in enumerate(epochs) if epoch["calibrated_loss"] <= limit)


class KeepEpoch(TrainerCallback):
    """Has the Trainer keep the epoch of :func:`kept_epoch`: as its metric grows, the latest of the choices wins."""

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Add the metric: the number of the epoch that was evaluated, or 0 if it is not kept."""
        names = ("calibrated_loss", "loss_error")
        evaluated = [entry for entry in state.log_history if "eval_loss_error" in entry]
        epochs = [{name: entry[f"eval_{name}"] for name in names} for entry in evaluated]
        kept = kept_epoch(epochs) == len(epochs) - 1
        kwargs["metrics"][f"eval_{SELECTION_METRIC}"] = len(epochs) if kept else 0


def selection_score(pr_auc: float, loss: float) -> float:
    """What the best learning rate is chosen by: PR-AUC on validation, then the lower loss.

    PR-AUC ranks all messages, where F1 and accuracy turn on the few that happen to lie beside 0.5. On some hundred
    messages a thousandth of it is noise, and on an easy corpus the first epoch already reaches 1: what agrees to
    three decimals counts as equal, and the loss decides.
    """
    return round(pr_auc, 3) - 0.000_5 * min(loss, 1.0)


class MetricsOfLogits:
    """``compute_metrics`` of the Trainer: probability of SPAM from the logits, then :class:`SpamMetric`.

    Args:
        cache: folder the metric may use.
    """

    def __init__(self, cache: Path) -> None:
        self._metric = SpamMetric(keep_in_memory=True, cache_dir=str(cache))

    def __call__(self, output: EvalPrediction) -> dict[str, float]:
        """Return the metrics of one evaluation.

        Raises:
            InputError: the model has diverged.
        """
        scores = spam_scores(output.predictions)
        if not np.isfinite(scores).all():
            raise InputError("the model diverged: its output is not a number; lower --learning-rate")
        metrics = dict(self._metric.compute(predictions=scores, references=output.label_ids))
        losses = calibrated_losses(output.predictions, np.asarray(output.label_ids) == LABELS.index(SPAM))
        error = losses.std() / np.sqrt(len(losses))
        return metrics | {"calibrated_loss": float(losses.mean()), "loss_error": float(error)}


def calibrated_losses(logits: Any, is_spam: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Negative log-likelihood of each message at the temperature, from 1 to 10, with the lowest mean (Guo et al. 2017).

    Args:
        logits: shape (n, 2).
        is_spam: shape (n,).
    """
    logits = np.asarray(logits, dtype=np.float64)
    margins = np.where(is_spam, 1, -1) * (logits[:, LABELS.index(SPAM)] - logits[:, LABELS.index(HAM)])

    def losses(log_temperature: float) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.logaddexp(0.0, -margins / np.exp(log_temperature))
        return found

    best = minimize_scalar(lambda x: losses(x).mean(), bounds=(0.0, np.log(10)), method="bounded")
    return losses(best.x)


def spam_scores(logits: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Probability of SPAM, shape (n,), from logits of shape (n, 2)."""
    probabilities = softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return np.asarray(probabilities[:, LABELS.index(SPAM)])


def evaluate(trainer: Trainer, data: datasets.Dataset, examples: Sequence[Example]) -> dict[str, Any]:
    """Evaluate the trainer's model on one side.

    Args:
        trainer: with a model.
        data: the encoded ``examples``.
        examples: n messages.

    Returns:
        Loss and metrics per message, ``one_per_cluster``: the metrics with one vote per near-duplicate cluster, and
        ``by_corpus``: those of each corpus apart, as :func:`metrics_by_corpus` gives them.
    """
    # Grouping by length makes Trainer.predict return rows in the sampler's order. Without it they come in the order
    # given, which has to be known here to tell the clusters apart; sorted by length, little of a batch is padding.
    order = np.argsort([len(ids) for ids in data["input_ids"]], kind="stable")
    grouped, trainer.args.group_by_length = trainer.args.group_by_length, False
    try:
        output = trainer.predict(data.select(order))
    finally:
        trainer.args.group_by_length = grouped
    scores = np.empty(len(examples))
    scores[order] = spam_scores(output.predictions)
    is_spam = np.array([example.label == SPAM for example in examples], dtype=np.int64)
    votes = one_per_cluster(examples)
    return {
        "loss": (output.metrics or {})["test_loss"],
        **spam_metrics(scores, is_spam),
        "one_per_cluster": spam_metrics(scores[votes], is_spam[votes]),
        "by_corpus": metrics_by_corpus(
            scores,
            is_spam,
            clusters=[example.cluster for example in examples],
            corpora=[example.corpus for example in examples],
        ),
    }
