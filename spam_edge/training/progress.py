"""``Trainer`` callbacks: progress output and freezing of the encoder."""

import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from spam_edge.training.model.optimizer import set_trainable

_SECONDS_BETWEEN_LINES = 120


class Progress(TrainerCallback):
    """Report one line per epoch, and a progress bar or a line every 2 minutes in between.

    Args:
        report: called with each line.
        title: prefix of each line, such as ``lr 2e-05``.
        bar: draw a progress bar on stderr in place of the lines every 2 minutes.
    """

    def __init__(self, report: Callable[[str], None], title: str, *, bar: bool) -> None:
        self._report = report
        self._title = title
        self._show = bar
        self._bar: tqdm[Any] | None = None
        self._epoch_began = self._train_began = self._last_line = 0.0
        self._first_step = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock and open the bar, at the first step of a resumed run."""
        self._train_began = self._last_line = time.monotonic()
        self._first_step = state.global_step
        self._bar = tqdm(
            total=state.max_steps,
            initial=state.global_step,
            desc=self._title,
            unit="step",
            leave=False,
            disable=not self._show,
        )

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock of the epoch."""
        self._epoch_began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Advance the bar, or report the step every 2 minutes."""
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)
        if not self._show and time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._say(f"step {state.global_step} of {state.max_steps}", state)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Report the validation metrics of the epoch."""
        metrics: dict[str, float] = kwargs["metrics"]
        self._say(
            f"epoch {round(state.epoch or 0)} of {round(args.num_train_epochs)}: "
            f"validation loss {metrics['eval_loss']:.4f}, PR-AUC {metrics['eval_pr_auc']:.4f}, "
            f"F1 {metrics['eval_f1']:.4f}, {time.monotonic() - self._epoch_began:.0f} s",
            state,
        )

    def _say(self, line: str, state: TrainerState) -> None:
        """Report a line with the remaining time, extrapolated from the mean step time."""
        self._last_line = now = time.monotonic()
        done, left = state.global_step - self._first_step, state.max_steps - state.global_step
        if done and left:
            line += f", about {in_words((now - self._train_began) / done * left)} left"
        with tqdm.external_write_mode():
            self._report(f"{self._title}, {line}")

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Close the bar. Also called after an interruption."""
        if self._bar is not None:
            self._bar.close()


class FreezeBody(TrainerCallback):
    """Train only the head for the first epochs, then all weights.

    The body is frozen after the optimiser is created, so the optimiser already holds its weights. AdamW skips weights
    without a gradient, weight decay included.

    Args:
        epochs: number of epochs with a frozen body.
        embeddings: train the embeddings after those epochs.
    """

    def __init__(self, epochs: int, *, embeddings: bool) -> None:
        self._epochs = epochs
        self._embeddings = embeddings

    def on_epoch_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Freeze or unfreeze the body."""
        model: PreTrainedModel = kwargs["model"]
        body = round(state.epoch or 0) >= self._epochs
        set_trainable(model, body=body, embeddings=body and self._embeddings)


def in_words(seconds: float) -> str:
    """Format a duration as ``40 s``, ``12 min`` or ``1 h 20 min``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
