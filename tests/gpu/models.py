"""The parts ``bundle``: the files of one shape of the model, the messages to time, and their reference scores."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from export.assembly import copy_tokenizer, write_float_graphs
from export.bundle_files import FILES, draft_manifest, with_fields, write_manifest
from export.checkpoint import Checkpoint
from export.graphs.conversion import MODEL_NAME, fuse_as_o4
from export.packed import add_packed
from export.parity.gate import FP16_BAND, compare
from export.parity.golden import make_golden, write_golden
from export.parity.measure import batch_dependence, open_variant
from export.quantization.recipe import Recipe
from export.reference import PyTorchReference
from export.report.measurements import limits_of, replay_limits
from spam_edge import RuntimeOptions, SpamClassifier
from spam_edge.atomic import atomic_directory
from spam_edge.bundle.golden import Golden
from spam_edge.bundle.locate import Bundle
from spam_edge.decision.calibration import Calibration
from spam_edge.decision.comparison import Decision
from spam_edge.diagnostics.verify import PARITY_NAME
from spam_edge.errors import SpamEdgeError
from tests.benchmarks.corpus import comparable, packaged_texts
from tests.benchmarks.widen import widen
from tests.gpu.parts import Save
from tests.gpu.settings import BASE, NO_DEVICE, O4, Settings, SkippedError

FLOATS = ("fp16", "fp32")
_FEW = 24


def prepare(settings: Settings, save: Save, shape: str) -> None:
    """Make the bundle of a shape, its packed variant, the O4 file, the messages to time and their reference scores."""
    folder = settings.folder_of(shape)
    shutil.rmtree(folder, ignore_errors=True)
    checkpoint = _checkpoint(settings, shape)
    bundle = folder / "bundle"
    if shape == BASE and settings.bundle is not None:
        found = Bundle.find(settings.bundle)
        if checkpoint is not None:
            Checkpoint.read(checkpoint).require_bundle(found)
        shutil.copytree(found.path, bundle)
    elif checkpoint is None:
        raise SkippedError("neither a bundle nor a checkpoint: bring one along, or run the part train")
    else:
        export_floats(checkpoint, bundle)
    manifest = Bundle.find(bundle).manifest
    save(
        digest=Bundle.find(bundle).digest,
        fp16_sha256=manifest.files[manifest.variants["fp16"].file].sha256,
        checkpoint=checkpoint is not None,
        bytes={name: variant.bytes for name, variant in manifest.variants.items()},
    )
    save(packed=_add_packed(settings, bundle, checkpoint))
    _write_o4(bundle, folder / O4)
    texts = _texts(settings, bundle)
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    scores = _reference_scores(bundle, texts)
    (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    save(texts=len(texts))


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


def _add_packed(settings: Settings, bundle: Path, checkpoint: Path | None) -> Mapping[str, Any]:
    """Add the variant without padding, unless the parity gate refuses it."""
    if not settings.cuda:
        return {"status": "skipped", "reason": NO_DEVICE}
    try:
        source = None if checkpoint is None else Checkpoint.read(checkpoint)
        parities = add_packed(Bundle.find(bundle), source)
    except SpamEdgeError as error:
        return {"status": "failed", "reason": str(error)}
    return {"status": "ok", "reason": "", "parity": [parity.to_dict() for parity in parities]}


def _write_o4(bundle: Path, target: Path) -> None:
    """Optimise the fp32 file with Optimum's O4, which includes its approximation of Gelu."""
    with TemporaryDirectory(prefix="spam-edge-o4-") as scratch:
        shutil.copyfile(bundle / FILES["fp32"].file, Path(scratch) / MODEL_NAME)
        shutil.copyfile(bundle / "config.json", Path(scratch) / "config.json")
        fuse_as_o4(Path(scratch), target)


def _texts(settings: Settings, bundle: Path) -> list[str]:
    """Return the packaged corpus in its own order, each message once; without it, the golden messages."""
    try:
        texts = packaged_texts()
    except SpamEdgeError:
        texts = Golden.read(Bundle.find(bundle)).texts
    texts = list(dict.fromkeys(comparable(texts, bundle)))
    return texts if settings.cuda else texts[:_FEW]


def _reference_scores(bundle: Path, texts: list[str]) -> list[float]:
    """Return the scores of the fp32 file on the CPU, without the temperature."""
    classifier = SpamClassifier.load(bundle, RuntimeOptions(device="cpu", variant="fp32"))
    scores: list[float] = Calibration().scores(classifier.logits(texts)).tolist()
    return scores
