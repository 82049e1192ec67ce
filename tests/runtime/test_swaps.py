"""What is verified is what is used: files that change at any moment change no score and crash nothing."""

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
def test_a_file_that_is_swapped_around_its_reading(
    tiny_bundle: Path, bundle_copy: Path, monkeypatch: pytest.MonkeyPatch, variant: str, place: str
) -> None:
    """Every file is replaced right before it is opened, or right after it was read."""
    options = RuntimeOptions(device="cpu", variant=variant)
    copy, swapped = locate.Bundle.copy, list[str]()

    def swap(bundle: locate.Bundle, name: str, **options: bool) -> PrivateCopy:
        path = bundle.file(name)
        found = copy(bundle, name, **options) if place == "after" else None
        path.write_bytes(path.read_bytes()[:-1] + b"!")
        swapped.append(name)
        return found or copy(bundle, name, **options)

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
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("change", ["overwrite", "truncate", "remove"])
def test_a_loaded_process_does_not_notice(tiny_bundle: Path, bundle_copy: Path, variant: str, change: str) -> None:
    options = RuntimeOptions(device="cpu", variant=variant, threads=1)
    expected = SpamClassifier.load(tiny_bundle, options).score(TEXTS).view(np.uint32).tolist()
    assert _scores_after(change, bundle_copy, variant, *TEXTS) == str(expected)


@pytest.mark.fused
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("change", ["overwrite", "truncate", "remove"])
def test_a_fork_of_it_does_not_notice_either(tiny_bundle: Path, bundle_copy: Path, change: str) -> None:
    options = RuntimeOptions(device="cpu", variant="fused", threads=1)
    expected = SpamClassifier.load(tiny_bundle, options).score(TEXTS).view(np.uint32).tolist()
    assert _scores_after(change, bundle_copy, "fused", "fork", *TEXTS) == str(expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_external_data_that_the_manifest_does_not_list_are_not_read(bundle_copy: Path, variant: str) -> None:
    """The graph names another file, which exists; its own hash is right."""
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
