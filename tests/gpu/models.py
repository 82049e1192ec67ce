"""The parts ``bundle``: what the other parts of one shape need, made on the CPU."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.assembly import copy_tokenizer, write_float_graphs
from export.bundle_files import FILES, draft_manifest, with_fields, write_manifest
from export.checkpoint import Checkpoint
from export.graphs.conversion import MODEL_NAME, fuse_as_o4
from export.parity.gate import FP16_BAND, compare
from export.parity.golden import make_golden, write_golden
from export.parity.measure import batch_dependence, open_variant
from export.quantization.recipe import Recipe
from export.reference import PyTorchReference
from export.report.measurements import limits_of, replay_limits
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.atomic import atomic_directory
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.hashes import sha256_of
from spam_edge.bundle.locate import Bundle
from spam_edge.decision.calibration import Calibration
from spam_edge.decision.comparison import Decision
from spam_edge.diagnostics.verify import PARITY_NAME
from spam_edge.errors import SpamEdgeError
from spam_edge.training.data.readers import CorpusOptions, read_messages
from tests.benchmarks.conductor import write_json
from tests.benchmarks.corpus import comparable, packaged_texts, read_texts
from tests.benchmarks.widen import widen
from tests.gpu.parts import Save
from tests.gpu.settings import BASE, O4, READY, Settings, SkippedError

FLOATS = ("fp16", "fp32")
REFERENCE = "reference.npz"
"""Logits of the reference by name of the set."""
_FEW = 24
_FEW_COMPARED = 40
_COMPARED = 2000
"""Messages whose scores of every timed engine are compared with those of the fp32 file."""


@dataclass(frozen=True, slots=True)
class Messages:
    """One set of messages.

    Attributes:
        texts: the messages.
        is_spam: labels, shape (messages,); None if the set has none.
    """

    texts: list[str]
    is_spam: NDArray[np.bool_] | None


def prepare(settings: Settings, save: Save, shape: str) -> None:
    """Make what the other parts of a shape need, or use what is complete.

    That is the bundle, the O4 file, the messages to time with their scores, and the logits of the reference.
    """
    folder = settings.folder_of(shape)
    ready = folder / READY
    checkpoint = _checkpoint(settings, shape)
    given = Bundle.find(settings.bundle) if shape == BASE and settings.bundle is not None else None
    key: dict[str, Any] = {
        "bundle": given and given.digest,
        "checkpoint": checkpoint and sha256_of(checkpoint / "model.safetensors"),
        "full": settings.full,
        "extras": {name: sha256_of(path) for name, path in settings.extras.items()},
    }
    if ready.is_file() and (found := json.loads(ready.read_bytes()))["key"] == key:
        save(**found)
        return
    shutil.rmtree(folder / "bundle", ignore_errors=True)
    ready.unlink(missing_ok=True)
    bundle = folder / "bundle"
    if given is not None:
        if checkpoint is not None:
            Checkpoint.read(checkpoint).require_bundle(given)
        shutil.copytree(given.path, bundle)
    elif checkpoint is None:
        raise SkippedError("neither a bundle nor a checkpoint: bring one along, or run the part train")
    else:
        export_floats(checkpoint, bundle)
    manifest = Bundle.find(bundle).manifest
    save(
        digest=Bundle.find(bundle).digest,
        fp16_sha256=manifest.files[manifest.variants["fp16"].file].sha256,
        bytes={name: variant.bytes for name, variant in manifest.variants.items()},
    )
    _write_o4(bundle, folder / O4)
    texts = _texts(settings, bundle, checkpoint)
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    scores = _scores(bundle, texts[:_COMPARED])
    (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    name, run = _reference(bundle, checkpoint)
    logits = {rows: run(messages.texts) for rows, messages in message_sets(settings, bundle, checkpoint, shape)}
    np.savez(folder / REFERENCE, allow_pickle=False, **logits)
    figures = save(key=key, texts=len(texts), reference=name, sets={rows: len(each) for rows, each in logits.items()})
    write_json(figures, ready)


def message_sets(
    settings: Settings, bundle: Path, checkpoint: Path | None, shape: str
) -> Iterator[tuple[str, Messages]]:
    """Yield the golden messages, the test split of the checkpoint, else the corpus, and the labelled files.

    A widened model has the logits of the model that it was made from, so that a part of the test split is enough.
    """
    most = (None if shape == BASE else _COMPARED) if settings.full else _FEW_COMPARED
    yield "golden", Messages(Golden.read(Bundle.find(bundle)).texts, None)
    if checkpoint is not None:
        split = Checkpoint.read(checkpoint).test
        yield "test", Messages(split.texts[:most], split.is_positive[:most].astype(np.bool_))
    else:
        yield "corpus", Messages(_texts(settings, bundle, None)[:most], None)
    for name, path in settings.extras.items() if shape == BASE else ():
        messages = read_messages(path, CorpusOptions())[:most]
        yield name, Messages([each.text for each in messages], np.array([each.is_spam for each in messages]))


def export_floats(source: Path, target: Path) -> None:
    """Export the fp32 and the fp16 file of a checkpoint: int8 takes minutes and has no use on a GPU.

    Raises:
        ExportError: the checkpoint cannot be read, or a conversion failed.
    """
    checkpoint = Checkpoint.read(source)
    golden = make_golden(PyTorchReference(source, max_length=checkpoint.max_length))
    with atomic_directory(target) as folder:
        write_float_graphs(checkpoint, folder)
        copy_tokenizer(checkpoint, folder)
        files = {name: FILES[name] for name in FLOATS}
        manifest = draft_manifest(checkpoint, folder, Recipe(), name="floats", version="0", files=files)
        manifest = with_fields(manifest, "fp16", error_band=FP16_BAND)
        write_golden(golden, folder)
        decision = Decision.of(manifest)
        parity: dict[str, Any] = {"measured": [], "gate": {}, "batching": {}, "replay_limits": {}}
        for name in FLOATS:
            classifier = open_variant(folder, manifest, name)
            logits = classifier.logits(golden.texts)
            found = compare(name, "golden", measured=logits, reference=golden.logits, decision=decision)
            dependence = batch_dependence(classifier, golden)
            parity["measured"].append(found.to_dict())
            parity["gate"][name] = limits_of(name)
            parity["batching"][name] = {"n": found.n, "max_abs_dp": dependence}
            parity["replay_limits"][name] = replay_limits(found, dependence, temperature=manifest.temperature)
        (folder / PARITY_NAME).write_text(json.dumps(parity, indent=2) + "\n", encoding="utf-8")
        write_manifest(folder, manifest)


def _checkpoint(settings: Settings, shape: str) -> Path | None:
    if shape != BASE and settings.trained is not None:
        widen(settings.trained, settings.folder_of(shape) / "checkpoint")
    return settings.checkpoint_of(shape)


def _write_o4(bundle: Path, target: Path) -> None:
    """Optimise the fp32 file with Optimum's O4, which includes its approximation of Gelu."""
    with TemporaryDirectory(prefix="spam-edge-o4-") as scratch:
        shutil.copyfile(bundle / FILES["fp32"].file, Path(scratch) / MODEL_NAME)
        shutil.copyfile(bundle / "config.json", Path(scratch) / "config.json")
        fuse_as_o4(Path(scratch), target)


def _texts(settings: Settings, bundle: Path, checkpoint: Path | None) -> list[str]:
    """Return all messages of the checkpoint, else of the packaged corpus, in their order, each once."""
    if checkpoint is not None:
        texts = read_texts(checkpoint, ("train", "validation", "test"))
    else:
        try:
            texts = packaged_texts()
        except SpamEdgeError:
            texts = Golden.read(Bundle.find(bundle)).texts
    if not settings.full:
        texts = texts[: 2 * _FEW]
    texts = list(dict.fromkeys(comparable(texts, bundle)))
    return texts if settings.full else texts[:_FEW]


def _scores(bundle: Path, texts: list[str]) -> list[float]:
    """Return the scores of the fp32 file on the CPU, without the temperature."""
    classifier = SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant="fp32"))
    scores: list[float] = Calibration().scores(classifier.logits(texts)).tolist()
    return scores


def _reference(bundle: Path, checkpoint: Path | None) -> tuple[str, Callable[[list[str]], NDArray[np.float32]]]:
    """Return what computes the logits to compare with, and its name. It runs on the CPU."""
    if checkpoint is None:
        fp32 = SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant="fp32"))
        return "the fp32 file on the CPU", fp32.logits
    max_length = int(json.loads((checkpoint / "training.json").read_bytes())["settings"]["max_length"])
    pytorch = PyTorchReference(checkpoint, max_length=max_length)
    return "PyTorch fp32", partial(pytorch.logits, description="reference")
