"""Verified bytes are the bytes in use: a file that changes at any time changes no score and causes no crash."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spam_edge import BundleIntegrityError, RuntimeOptions, SpamClassifier
from spam_edge.bundle import locate
from spam_edge.bundle.copies import PrivateCopy
from spam_edge.runtime.processor import this_processor

VARIANTS = [pytest.param("fused", marks=pytest.mark.fused), "int8", "fp16", "fp32"]
TEXTS = ["WINNER!! Call 09061701461 to claim your prize", "see you at 5 then", "fr€e pr1ze 🎉"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("place", ["before", "after"])
def test_swapped_file_is_refused_or_has_no_effect(
    tiny_bundle: Path, bundle_copy: Path, monkeypatch: pytest.MonkeyPatch, variant: str, place: str
) -> None:
    """Every file is replaced immediately before it is opened or after it was read."""
    options = RuntimeOptions(device="cpu", variant=variant)
    copy, swapped = locate.Bundle.copy, list[str]()

    def swap(bundle: locate.Bundle, name: str, **options: bool) -> PrivateCopy:
        path = bundle.file(name)
        original = copy(bundle, name, **options) if place == "after" else None
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        swapped.append(name)
        return original or copy(bundle, name, **options)

    monkeypatch.setattr(locate.Bundle, "copy", swap)
    if place == "before":
        with pytest.raises(BundleIntegrityError, match="was changed after the export"):
            SpamClassifier.load(bundle_copy, options)
        return
    scores = SpamClassifier.load(bundle_copy, options).score(TEXTS)
    assert {"tokenizer.json", "normalizer.json"} < set(swapped)
    monkeypatch.undo()
    assert np.array_equal(scores, SpamClassifier.load(tiny_bundle, options).score(TEXTS))


_LOADED = """
import os, sys
from pathlib import Path
from spam_edge import RuntimeOptions, SpamClassifier
folder, variant, change, *texts = sys.argv[1:]
classifier = SpamClassifier.load(folder, RuntimeOptions(device="cpu", variant=variant, threads=1))
for path in [path for path in Path(folder).rglob("*") if path.is_file()]:
    if change == "overwrite":
        with path.open("r+b") as stream:
            stream.write(os.urandom(path.stat().st_size))
    elif change == "truncate":
        os.truncate(path, 0)
    else:
        path.unlink()
if len(texts) and texts[0] == "fork":
    del texts[0]
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(classifier.score(texts).view("uint32").tolist(), flush=True)
os._exit(0)
"""


def _scores_after(change: str, folder: Path, variant: str, *texts: str) -> str:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _LOADED, str(folder), variant, change, *texts]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (completed.returncode, completed.stderr) == (0, "")
    return completed.stdout.strip()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("change", ["overwrite", "truncate", "remove"])
def test_loaded_classifier_is_unaffected_by_file_changes(
    tiny_bundle: Path, bundle_copy: Path, variant: str, change: str
) -> None:
    options = RuntimeOptions(device="cpu", variant=variant, threads=1)
    expected = SpamClassifier.load(tiny_bundle, options).score(TEXTS).view(np.uint32).tolist()
    assert _scores_after(change, bundle_copy, variant, *TEXTS) == str(expected)


@pytest.mark.fused
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("change", ["overwrite", "truncate", "remove"])
def test_forked_classifier_is_unaffected_by_file_changes(tiny_bundle: Path, bundle_copy: Path, change: str) -> None:
    options = RuntimeOptions(device="cpu", variant="fused", threads=1)
    expected = SpamClassifier.load(tiny_bundle, options).score(TEXTS).view(np.uint32).tolist()
    assert _scores_after(change, bundle_copy, "fused", "fork", *TEXTS) == str(expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_external_data_missing_from_manifest_is_refused(bundle_copy: Path, variant: str) -> None:
    """The graph refers to an existing file that the manifest does not list."""
    if variant == "int8" and this_processor().saturates:
        pytest.skip("on this processor int8 opens another graph")
    onnx = pytest.importorskip("onnx")
    bundle = locate.Bundle.find(bundle_copy)
    path = bundle.file(bundle.manifest.variants[variant].file)
    model = onnx.load(path, load_external_data=False)
    constant = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    (path.parent / "extra.bin").write_bytes(size := bytes(len(constant.raw_data)))
    constant.ClearField("raw_data")
    constant.data_location = onnx.TensorProto.EXTERNAL
    for key, entry in (("location", "extra.bin"), ("offset", "0"), ("length", str(len(size)))):
        constant.external_data.add(key=key, value=entry)
    onnx.save(model, path)
    with pytest.raises(BundleIntegrityError, match=r"extra\.bin is not listed in manifest\.json"):
        SpamClassifier.load(bundle_copy, RuntimeOptions(device="cpu", variant=variant, verify=False))
