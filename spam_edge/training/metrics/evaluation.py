"""Metrics from logits, and model selection from metrics."""

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
from spam_edge.training.data.messages import HAM, LABELS, SPAM
from spam_edge.training.data.splits import Example, one_per_cluster
from spam_edge.training.metrics.by_corpus import metrics_by_corpus
from spam_edge.training.metrics.metric import SpamMetric, spam_metrics

SELECTION_METRIC = "selection"


def select_epoch(epochs: Sequence[Mapping[str, float]]) -> int:
    """Return the index of the latest epoch whose loss is within one standard error of the lowest.

    This is the one-standard-error rule of Breiman et al. (1984), 3.4.3, applied to epochs. On a few hundred messages
    the best PR-AUC or loss is noise and has fallen on the first of four epochs. The last epochs have the lowest
    learning rate and the most stable weights.

    The loss is measured after temperature scaling, which the export applies too. Epochs that rank better are often
    overconfident: on both tracks the last of three epochs had a higher unscaled loss than the first, but a PR-AUC of
    0.971 instead of 0.92.

    Args:
        epochs: at least one epoch, with ``calibrated_loss`` on validation and ``loss_error``, its standard error.
    """
    lowest = min(epochs, key=lambda epoch: epoch["calibrated_loss"])
    limit = lowest["calibrated_loss"] + lowest["loss_error"]
    return max(n for n, epoch in enumerate(epochs) if epoch["calibrated_loss"] <= limit)


class KeepEpoch(TrainerCallback):
    """Make the Trainer keep the epoch of :func:`select_epoch`, through a metric that grows with each kept epoch."""

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Add the selection metric: the number of the evaluated epoch if it is selected, else 0."""
        names = ("calibrated_loss", "loss_error")
        evaluated = [entry for entry in state.log_history if "eval_loss_error" in entry]
        epochs = [{name: entry[f"eval_{name}"] for name in names} for entry in evaluated]
        kept = select_epoch(epochs) == len(epochs) - 1
        kwargs["metrics"][f"eval_{SELECTION_METRIC}"] = len(epochs) if kept else 0


def selection_score(pr_auc: float, loss: float) -> float:
    """Score a learning rate by PR-AUC on validation, with ties resolved by the lower loss.

    PR-AUC depends on the ranking of all messages; F1 and accuracy depend on the few near 0.5. On a few hundred
    messages a PR-AUC difference of 0.001 is noise, and an easy corpus reaches 1 in the first epoch. So PR-AUC is
    rounded to three decimals.
    """
    return round(pr_auc, 3) - 0.000_5 * min(loss, 1.0)


class MetricsOfLogits:
    """``compute_metrics`` of the Trainer: :class:`SpamMetric` of the SPAM probabilities, and the calibrated loss.

    Args:
        cache: cache folder of the metric.
    """

    def __init__(self, cache: Path) -> None:
        self._metric = SpamMetric(keep_in_memory=True, cache_dir=str(cache))

    def __call__(self, output: EvalPrediction) -> dict[str, float]:
        """Return the metrics of one evaluation.

        Raises:
            InputError: training diverged.
        """
        scores = spam_scores(output.predictions)
        if not np.isfinite(scores).all():
            raise InputError("training diverged (logits are not finite); lower --learning-rate")
        metrics = dict(self._metric.compute(predictions=scores, references=output.label_ids))
        losses = calibrated_losses(output.predictions, np.asarray(output.label_ids) == LABELS.index(SPAM))
        error = losses.std() / np.sqrt(len(losses))
        return metrics | {"calibrated_loss": float(losses.mean()), "loss_error": float(error)}


def calibrated_losses(logits: Any, is_spam: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the negative log-likelihood of each message after temperature scaling (Guo et al. 2017).

    The temperature, from 1 to 10, minimises the mean over the given messages.

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


def calibrated_loss(trainer: Trainer, data: datasets.Dataset) -> float:
    """Return the mean of :func:`calibrated_losses` of the trainer's model."""
    metrics: Mapping[str, float] = trainer.predict(data).metrics or {}
    return metrics["test_calibrated_loss"]


def spam_scores(logits: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the probability of SPAM, shape (n,), for logits of shape (n, 2)."""
    probabilities = softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return np.asarray(probabilities[:, LABELS.index(SPAM)])


def evaluate(trainer: Trainer, data: datasets.Dataset, examples: Sequence[Example]) -> dict[str, Any]:
    """Evaluate the trainer's model on one split.

    Args:
        trainer: holds the model.
        data: the encoded ``examples``.
        examples: n messages.

    Returns:
        Loss and metrics per message; ``one_per_cluster``, the metrics with one vote per near-duplicate cluster; and
        ``by_corpus``, the result of :func:`metrics_by_corpus`.
    """
    # With group_by_length Trainer.predict returns rows in the sampler's order, which the caller cannot map back to
    # examples. Sorting by length here keeps padding low.
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
