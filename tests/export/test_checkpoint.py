"""A truncated or malformed checkpoint gives a one-line error that names the path, before anything is exported."""

import errno
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.checkpoint import Checkpoint
from export.errors import ExportError
from export.reference import PyTorchReference
from spam_edge.errors import SpamEdgeError
from tests.support.mutations import DELETED, LEAVES, paths, replaced

Damage = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, make_checkpoint: Callable[..., Path]) -> Path:
    return make_checkpoint(n_layers=1)


@pytest.fixture
def checkpoint(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "checkpoint"))


def load(checkpoint: Path) -> None:
    """Read everything that an export reads before it writes."""
    read = Checkpoint.read(checkpoint)
    PyTorchReference(checkpoint, max_length=read.max_length).logits(read.test.texts[:2])


def changed(**fields: Any) -> Damage:
    """Return a function that sets fields of a JSON document, or of the first line of a JSONL file."""

    def damage(content: bytes) -> bytes:
        first, _, rest = content.partition(b"\n{") if content.startswith(b'{"text"') else (content, b"", b"")
        document = json.loads(first)
        for name, value in fields.items():
            document = replaced(document, tuple(name.split("__")), value)
        return json.dumps(document).encode() + (b"\n{" + rest if rest else b"")

    return damage


def test_intact_checkpoint_is_loaded(checkpoint: Path) -> None:
    load(checkpoint)


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("config.json", lambda _: b"", "is malformed (Expecting value"),
        ("config.json", lambda content: content[:-20], "is malformed ("),
        ("config.json", lambda _: b"[" * 10**5, "is malformed (it is nested too deeply)"),
        ("config.json", lambda _: b"[]", "is malformed (it must be an object"),
        ("config.json", changed(model_type="lightglue"), "model_type must be distilbert, not 'lightglue'"),
        ("config.json", changed(_attn_implementation_internal="a/b"), "_attn_implementation_internal is not allowed"),
        ("config.json", changed(id2label={"0": "HAM"}), "id2label must name two classes"),
        ("config.json", changed(id2label={"0": "A", "1": "A"}), "id2label must name two classes"),
        ("config.json", changed(n_layers="1"), "n_layers must be a whole number"),
        ("config.json", changed(pad_token_id=DELETED), "the field pad_token_id is missing"),
        ("config.json", changed(dim=17), "cannot be loaded ("),
        ("config.json", changed(n_layers=2), "lacks or has too many weights, such as distilbert.transformer.layer.1"),
        ("training.json", lambda _: b"{", "is malformed ("),
        ("training.json", changed(corpus=DELETED), "the field corpus is missing"),
        ("training.json", changed(corpus__source=5), "corpus.source must be a text, not 5"),
        ("training.json", changed(settings__max_length=10**6), "settings.max_length must be a whole number from 3"),
        ("training.json", changed(splits__test__ham="many"), "splits.test.ham must be a whole number"),
        ("training.json", changed(splits={}), "splits is empty"),
        ("splits/train.jsonl", lambda content: content[:-5], "is malformed ("),
        ("splits/test.jsonl", lambda _: b"", "it has no message with the label HAM"),
        ("splits/test.jsonl", lambda _: b"5\n", "line 1 must be an object"),
        ("splits/validation.jsonl", changed(label="EGGS"), "the label 'EGGS' is not one of HAM, SPAM"),
        ("splits/test.jsonl", changed(text=None), "line 1: text must be a text, not None"),
        ("splits/test.jsonl", changed(text="\ud800"), "is malformed ("),
        ("splits/test.jsonl", changed(cluster="a"), "line 1: cluster must be a whole number"),
        ("splits/test.jsonl", changed(corpus="a"), "line 1: corpus must be a list"),
        ("splits/test.jsonl", lambda content: content.replace(b"HAM", b"SPAM"), "no message with the label HAM"),
        ("model.safetensors", lambda _: b"", "cannot be read ("),
        ("model.safetensors", lambda content: content[:7], "cannot be read ("),
        ("model.safetensors", lambda content: content[:-1], "cannot be read ("),
        ("model.safetensors", lambda content: b"\xff" * 8 + content[8:], "cannot be read ("),
        ("model.safetensors", lambda content: content.replace(b"classifier.bias", b"classifier.bsia"), "too many"),
        ("tokenizer.json", lambda _: b"{}", "tokenizer.json cannot be loaded ("),
        ("tokenizer.json", lambda content: content[: len(content) // 2], "tokenizer.json cannot be loaded ("),
        ("normalizer.json", lambda _: b"{}", "normalizer.json cannot be read"),
    ],
)  # fmt: skip
def test_damaged_checkpoint_error_names_path_and_reason(
    checkpoint: Path, name: str, damage: Damage, reason: str
) -> None:
    path = checkpoint / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SpamEdgeError) as caught:
        load(checkpoint)
    assert str(checkpoint) in str(caught.value)
    assert reason in str(caught.value)
    assert "make train" in str(caught.value) or name == "normalizer.json"


@pytest.mark.parametrize("name", ["config.json", "training.json", "splits/test.jsonl"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_arbitrary_field_value_raises_only_export_error(checkpoint: Path, name: str, data: st.DataObject) -> None:
    path = checkpoint / name
    whole = path.read_bytes()
    first, _, rest = whole.partition(b"\n") if name.endswith(".jsonl") else (whole, b"", b"")
    document: Mapping[str, Any] = json.loads(first)
    wrong = replaced(document, data.draw(st.sampled_from(list(paths(document)))), data.draw(LEAVES))
    path.write_bytes(json.dumps(wrong).encode() + b"\n" + rest)
    try:
        Checkpoint.read(checkpoint)
    except ExportError as error:
        assert str(checkpoint) in str(error)
    finally:
        path.write_bytes(whole)


def test_disk_full_error_is_one_line_naming_file(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from export.__main__ import main

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere\nelse")

    monkeypatch.setattr("export.assembly.export_bundle", full)
    result = CliRunner().invoke(main, ["--checkpoint", str(checkpoint)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: [Errno 28] No space left on device: 'somewhere\\nelse'\n"
