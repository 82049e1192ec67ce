"""``manifest.json``: every decision the runtime takes, stated once, in the bundle.

Labels, lengths, names of tensors, temperature and thresholds live here and nowhere in the code, so that
a bundle can change them without a new release of the runtime.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from spam_edge.errors import ManifestError

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class BundleFile:
    """Identity of one file: its sha256 in hexadecimal and its size in bytes."""

    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        _require(len(self.sha256) == 64 and set(self.sha256) <= set("0123456789abcdef"), "sha256", "64 hex digits")
        _require(self.bytes >= 0, "bytes", "a size of at least 0")


@dataclass(frozen=True, slots=True)
class Variant:
    """One ONNX file of the model and how onnxruntime has to open it.

    Attributes:
        file: path inside the bundle, with forward slashes.
        providers: onnxruntime execution providers this file is meant for, in order of preference.
        bytes: size of the file.
        error_band: largest difference from PyTorch, measured at export, of the difference between the two logits;
            None where it was not measured.
        optimization: graph optimisation level for the session: ``all``, ``extended``, ``basic`` or ``disabled``.
            A file that was optimised at export is opened with ``disabled``, which also starts faster.
        without_vnni: file of the bundle that takes its place on x86 processors without VNNI, where onnxruntime's fast
            int8 products are not exact. It reads its weights from ``file``.
        fused: it is one operator, which not every installation and processor has; see :mod:`spam_edge.fused`.
        weights: file of the bundle that it reads its weights from, if it does not hold them itself.
    """

    file: str
    providers: tuple[str, ...]
    bytes: int
    optimization: str = "all"
    error_band: float | None = None
    without_vnni: str | None = None
    fused: bool = False
    weights: str | None = None

    @property
    def needs(self) -> list[str]:
        """The files it is made of."""
        return [file for file in (self.file, self.weights, self.without_vnni) if file is not None]

    def __post_init__(self) -> None:
        _require(_is_inside(self.file), "variants.file", "a relative path inside the bundle")
        _require(bool(self.providers), "variants.providers", "at least one execution provider")
        _require(self.bytes > 0, "variants.bytes", "a size above 0")
        _require(
            self.optimization in {"all", "extended", "basic", "disabled"},
            "variants.optimization",
            "one of all, extended, basic, disabled",
        )
        _require(self.error_band is None or self.error_band >= 0, "variants.error_band", "a number of at least 0")
        _require(isinstance(self.fused, bool), "variants.fused", "true or false")
        for name, beside in (("weights", self.weights), ("without_vnni", self.without_vnni)):
            _require(beside is None or _is_inside(beside), f"variants.{name}", "a relative path inside the bundle")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Contents of ``manifest.json``.

    Attributes:
        name: name of the model.
        version: version of the model, not of this package.
        labels: class names by logit index.
        positive_label: the class whose probability is the score.
        max_length: number of tokens a message is cut to, [CLS] and [SEP] included.
        pad_token_id: token id that fills shorter rows of a batch.
        inputs: names of the graph's inputs: token ids, then attention mask.
        output: name of the graph's logits.
        temperature: the logits are divided by it before the softmax (Guo et al. 2017).
        thresholds: lowest score of the positive label, by mode.
        default_mode: the mode used when none is asked for: the shipped threshold.
        variants: ONNX files by variant name (``fused``, ``int8``, ``fp16``, ``fp32``).
        files: every file of the bundle but the manifest, by relative path.
        provenance: where the model came from and how it was made.
        metrics: what was measured, each figure with its n.
        normalizer: path of the tables that messages are normalised with before they are tokenised, as in training; None
            leaves messages as they are.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    positive_label: str
    max_length: int
    pad_token_id: int
    inputs: tuple[str, ...]
    output: str
    temperature: float
    thresholds: Mapping[str, float]
    default_mode: str
    variants: Mapping[str, Variant]
    files: Mapping[str, BundleFile]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    normalizer: str | None = None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        _require(self.schema_version == SCHEMA_VERSION, "schema_version", f"{SCHEMA_VERSION}")
        _require(len(self.labels) == 2 and len(set(self.labels)) == 2, "labels", "two different names")
        _require(self.positive_label in self.labels, "positive_label", f"one of {', '.join(self.labels)}")
        _require(self.max_length >= 3, "max_length", "at least 3: [CLS], one token, [SEP]")
        _require(self.pad_token_id >= 0, "pad_token_id", "a token id")
        _require(len(self.inputs) == 2, "inputs", "two names: token ids, attention mask")
        _require(self.temperature > 0, "temperature", "a number above 0")
        _require(self.default_mode in self.thresholds, "default_mode", "a mode that has a threshold")
        _require(all(0 <= t <= 1 for t in self.thresholds.values()), "thresholds", "numbers from 0 to 1")
        _require(bool(self.variants), "variants", "at least one ONNX file")
        _require(all(_is_inside(path) for path in self.files), "files", "relative paths inside the bundle")
        if self.normalizer is not None:
            _require(self.normalizer in self.files, "normalizer", "a file listed in files")
        unlisted = [file for v in self.variants.values() for file in v.needs if file not in self.files]
        _require(not unlisted, "variants.file", f"a file listed in files, unlike {', '.join(unlisted)}")

    @property
    def threshold(self) -> float:
        """The shipped threshold: that of the default mode."""
        return self.thresholds[self.default_mode]

    def same_as(self, mode: str) -> str | None:
        """Return the default mode where another mode has the same threshold, else None."""
        same = mode != self.default_mode and self.thresholds[mode] == self.threshold
        return self.default_mode if same else None

    @property
    def positive_index(self) -> int:
        """Column of the positive label in the logits."""
        return self.labels.index(self.positive_label)

    @property
    def negative_label(self) -> str:
        """The other label."""
        return self.labels[1 - self.positive_index]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; :meth:`from_dict` turns it back into an equal manifest."""
        return {"schema_version": self.schema_version} | asdict(self)

    def to_json(self) -> str:
        """Return the contents of ``manifest.json``."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build a manifest from its JSON form.

        Raises:
            ManifestError: a field is missing, unknown, of the wrong type or has an impossible value.
        """
        try:
            fields = dict(data)
            fields["labels"] = tuple(fields["labels"])
            fields["inputs"] = tuple(fields["inputs"])
            fields["temperature"] = float(fields["temperature"])
            fields["thresholds"] = {mode: float(value) for mode, value in fields["thresholds"].items()}
            fields["variants"] = {
                name: Variant(**{**variant, "providers": tuple(variant["providers"])})
                for name, variant in fields["variants"].items()
            }
            fields["files"] = {path: BundleFile(**entry) for path, entry in fields["files"].items()}
            return cls(**fields)
        except KeyError as error:
            raise ManifestError(f"{MANIFEST_NAME} lacks the field {error}; export the bundle again") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise ManifestError(f"{MANIFEST_NAME} is not understood ({error}); export the bundle again") from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate ``manifest.json``.

        Raises:
            ManifestError: the file is not JSON, or see :meth:`from_dict`.
        """
        try:
            data = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ManifestError(f"{path} cannot be read as JSON ({error}); export the bundle again") from error
        if not isinstance(data, dict):
            raise ManifestError(f"{path} holds no JSON object; export the bundle again")
        return cls.from_dict(data)


def _is_inside(path: str) -> bool:
    parts = path.split("/")
    return bool(path) and ":" not in path and "\\" not in path and not {"", ".", ".."} & set(parts)


def _require(condition: bool, field_name: str, expected: str) -> None:
    if not condition:
        raise ManifestError(f"{MANIFEST_NAME}: {field_name} must be {expected}; export the bundle again")
