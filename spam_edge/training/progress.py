"""Callbacks for the ``Trainer``: what a person sees while it runs, and which weights may move."""

import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_SECONDS_BETWEEN_LINES = 120


class Progress(TrainerCallback):
    """One line per epoch, and a bar of steps where ``bar`` says that someone is watching, else a line every 2 minutes.

    Args:
        report: called with each line.
        title: what is being trained, in two words.
        bar: draw the bar on stderr.
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
        """Start the clock and open the bar, at the step where a resumed run goes on."""
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
        """Move the bar, or say how far it is."""
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
        """Say how the epoch went."""
        metrics: dict[str, float] = kwargs["metrics"]
        self._say(
            f"epoch {round(state.epoch or 0)} of {round(args.num_train_epochs)}: "
            f"validation loss {metrics['eval_loss']:.4f}, PR-AUC {metrics['eval_pr_auc']:.4f}, "
            f"F1 {metrics['eval_f1']:.4f}, {time.monotonic() - self._epoch_began:.0f} s",
            state,
        )

    def _say(self, line: str, state: TrainerState) -> None:
        """Report a line with the time that is left, at the speed so far."""
        self._last_line = now = time.monotonic()
        done, left = state.global_step - self._first_step, state.max_steps - state.global_step
        if done and left:
            line += f", about {in_words((now - self._train_began) / done * left)} left"
        with tqdm.external_write_mode():
            self._report(f"{self._title}, {line}")

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away, also after an interruption."""
        if self._bar is not None:
            self._bar.close()


class FreezeBody(TrainerCallback):
    """Train the head alone for the first epochs, then everything.

    The body is frozen after the optimiser was made, so that its weights are in the optimiser when their turn comes;
    until then they have no gradient and AdamW leaves them, decay included.

    Args:
        epochs: how many epochs the body stands still.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def on_epoch_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Freeze or free the body."""
        model: PreTrainedModel = kwargs["model"]
        model.base_model.requires_grad_(round(state.epoch or 0) >= self._epochs)


def in_words(seconds: float) -> str:
    """Return a duration, as ``40 s``, ``12 min`` or ``1 h 20 min``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
