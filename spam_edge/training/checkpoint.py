"""The two folders of a run: the unfinished one beside the output, and the checkpoint that takes the output's name."""

import importlib.metadata
import json
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerFast

from spam_edge.atomic import atomic_directory, atomic_file, is_replaceable, restore_directory
from spam_edge.errors import InputError
from spam_edge.normalization.tables import NORMALIZER_NAME, Tables
from spam_edge.training.base_model import strip_baked_lengths
from spam_edge.training.splits import Example, to_json_lines

RECORD_NAME = "training.json"
_RUN_NAME = "run.json"
_LIBRARIES = ("spam-edge", "torch", "transformers", "accelerate", "datasets", "tokenizers", "scikit-learn", "numpy")


def prepare_output(output: Path) -> None:
    """Make sure that the checkpoint can be put at ``output``, before hours are spent on it.

    Raises:
        InputError: something else stands there, or the folder cannot be made.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        restore_directory(output)
        if not is_replaceable(output, RECORD_NAME):
            raise InputError(f"{output}: holds something that is not a checkpoint of ours; choose another --output")
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); choose another --output") from error


class PartialRun:
    """The folder of an unfinished run: the Trainer's checkpoints, and what they were made from.

    Args:
        output: where the finished checkpoint will stand; the folder lies beside it.
    """

    def __init__(self, output: Path) -> None:
        output = output.resolve()
        self.path = output.with_name(f".{output.name}.partial")

    def begin(self, identity: Mapping[str, Any], *, resume: bool) -> str:
        """Go on with what lies there if it was made from the same data with the same settings, else start afresh.

        Args:
            identity: everything that decides the weights, as JSON.
            resume: False starts afresh in any case.

        Returns:
            What was done, in words.
        """
        found = self._identity()
        if resume and found == json.loads(json.dumps(identity)):
            return "going on with the interrupted run"
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        with atomic_file(self.path / _RUN_NAME) as stream:
            json.dump(identity, stream, indent=2)
        if not resume:
            return "starting afresh"
        if found is None:
            return "no interrupted run to go on with: starting afresh"
        return "the interrupted run had other settings or data: starting afresh"

    def discard(self) -> None:
        """Remove the folder once the checkpoint stands."""
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
    """Write the checkpoint beside ``output`` and rename it: an earlier one stays until this one is whole."""
    with atomic_directory(output) as folder:
        model.save_pretrained(folder, safe_serialization=True)
        strip_baked_lengths(tokenizer)  # the last batch encoded left its own
        tokenizer.save_pretrained(folder)
        (folder / NORMALIZER_NAME).write_text(tables.to_json(), encoding="utf-8", newline="\n")
        (folder / "splits").mkdir()
        for side, examples in splits.items():
            (folder / "splits" / f"{side}.jsonl").write_text(to_json_lines(examples), encoding="utf-8", newline="\n")
        (folder / "cleaning.txt").write_text(cleaning, encoding="utf-8", newline="\n")
        (folder / "curves.png").write_bytes(plot)
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / RECORD_NAME).write_text(text, encoding="utf-8")
        # safetensors makes its file readable by its owner alone; the record has the rights of any new file.
        (folder / "model.safetensors").chmod((folder / RECORD_NAME).stat().st_mode)


def versions() -> dict[str, str]:
    """Python and the libraries that decide the weights."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # run from a checkout that was never installed
            continue
    return found


def git_commit() -> str | None:
    """Commit of the checkout this package runs from, or None when it is installed from a wheel."""
    git = shutil.which("git")
    if git is None:
        return None
    source = Path(__file__).resolve()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([git, "-C", str(source.parent), *arguments], capture_output=True, text=True, check=False)

    # An environment inside somebody else's checkout must not borrow its commit.
    if run("ls-files", "--error-unmatch", source.name).returncode != 0:
        return None
    head = run("rev-parse", "HEAD")
    return head.stdout.strip() if head.returncode == 0 else None
