"""Folders of a training run: the partial run beside the output, and the finished checkpoint."""

import importlib.metadata
import json
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from spam_edge.atomic import atomic_directory, atomic_file, is_replaceable, restore_directory
from spam_edge.errors import InputError
from spam_edge.text.normalization.tables import NORMALIZER_NAME, Tables
from spam_edge.training.data.splits import Example, to_json_lines
from spam_edge.training.model.base_model import strip_baked_lengths

RECORD_NAME = "training.json"
_RUN_NAME = "run.json"
LIBRARIES = ("spam-edge", "torch", "transformers", "accelerate", "datasets", "tokenizers", "scikit-learn", "numpy")
"""Libraries that determine the weights."""


def prepare_output(output: Path) -> None:
    """Check that a checkpoint can be written to ``output``, before training starts.

    Raises:
        InputError: ``output`` holds something other than a checkpoint, or the folder cannot be created.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        restore_directory(output)
        if not is_replaceable(output, RECORD_NAME):
            raise InputError(f"{output}: exists and is not a checkpoint; choose another --output")
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); choose another --output") from error


class PartialRun:
    """The folder of an unfinished run: the Trainer's checkpoints and the identity of the run.

    Args:
        output: folder of the finished checkpoint; the partial run is a hidden sibling of it.
    """

    def __init__(self, output: Path) -> None:
        output = output.resolve()
        self.path = output.with_name(f".{output.name}.partial")

    def begin(self, identity: Mapping[str, Any], *, resume: bool) -> str:
        """Resume a run of the same identity, else clear the folder and start a new run.

        Args:
            identity: everything that determines the weights, JSON-serialisable.
            resume: False always starts a new run.

        Returns:
            A message for the user that says which of the two happened.
        """
        found = self._identity()
        if resume and found == json.loads(json.dumps(identity)):
            return "resuming the interrupted run"
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        with atomic_file(self.path / _RUN_NAME) as stream:
            json.dump(identity, stream, indent=2)
        if not resume:
            return "starting a new run"
        if found is None:
            return "no interrupted run to resume; starting a new run"
        return "the interrupted run has different settings, data or versions; starting a new run"

    def precision(self) -> str | None:
        """Return the precision of the unfinished run. Detection measures speeds, so it may find another one today."""
        found = self._identity()
        return found["hardware"]["precision"] if isinstance(found, dict) and "hardware" in found else None

    def discard(self) -> None:
        """Remove the folder, after the checkpoint was written."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _identity(self) -> Any:
        try:
            return json.loads((self.path / _RUN_NAME).read_bytes())
        except (OSError, ValueError):
            return None


def write_checkpoint(
    output: Path,
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    tables: Tables,
    splits: Mapping[str, Sequence[Example]],
    cleaning: str,
    record: Mapping[str, Any],
    plot: bytes,
) -> None:
    """Write the checkpoint to a temporary sibling and rename it to ``output``, which replaces an earlier one."""
    with atomic_directory(output) as folder:
        with named_write_errors(output):
            model.save_pretrained(folder, safe_serialization=True)
        strip_baked_lengths(tokenizer)  # encoding sets truncation and padding on the backend tokenizer
        tokenizer.save_pretrained(folder)
        (folder / NORMALIZER_NAME).write_text(tables.to_json(), encoding="utf-8", newline="\n")
        (folder / "splits").mkdir()
        for split, examples in splits.items():
            (folder / "splits" / f"{split}.jsonl").write_text(to_json_lines(examples), encoding="utf-8", newline="\n")
        (folder / "cleaning.txt").write_text(cleaning, encoding="utf-8", newline="\n")
        (folder / "curves.png").write_bytes(plot)
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / RECORD_NAME).write_text(text, encoding="utf-8")
        # safetensors creates its file with mode 0600; copy the default mode from the record.
        (folder / "model.safetensors").chmod((folder / RECORD_NAME).stat().st_mode)


@contextmanager
def named_write_errors(folder: Path) -> Iterator[None]:
    """Turn an error of safetensors, which does not name its file, into an ``InputError`` that names the folder."""
    try:
        yield
    except SafetensorError as error:
        raise InputError(f"{folder}: cannot be written ({error}); free the disk or choose another --output") from error


def versions(libraries: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """Return the versions of Python and of those libraries that are installed."""
    found = {"python": platform.python_version()}
    for name in libraries:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # running from a checkout that is not installed
            continue
    return found


def git_commit() -> str | None:
    """Return the commit of the checkout this package runs from; None when it is installed from a wheel."""
    git = shutil.which("git")
    if git is None:
        return None
    source = Path(__file__).resolve()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([git, "-C", str(source.parent), *arguments], capture_output=True, text=True, check=False)

    # An environment inside another project's checkout must not report that project's commit.
    if run("ls-files", "--error-unmatch", source.name).returncode != 0:
        return None
    head = run("rev-parse", "HEAD")
    return head.stdout.strip() if head.returncode == 0 else None
