"""``manifest.json``: the model-specific configuration of the runtime.

Labels, maximum length, tensor names, temperature and thresholds are read from here and never hard-coded, so a new
bundle can change them without a new release of the runtime.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from spam_edge.bundle.checks import (
    Check,
    boolean,
    check_json,
    each,
    each_value,
    entries,
    integer,
    number,
    optional,
    parse_json,
    record,
    share,
    text,
)
from spam_edge.bundle.metrics import check_metrics
from spam_edge.errors import ManifestError

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1
_LONGEST_NAME, _LONGEST_PATH = 255, 1000  # bytes that file systems allow, and characters
_NOT_IN_PATHS = frozenset(":\\\0")


@dataclass(frozen=True, slots=True)
class BundleFile:
    """Checksum (sha256, 64 hex digits) and size in bytes of one file."""

    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        _require(len(self.sha256) == 64 and set(self.sha256) <= set("0123456789abcdef"), "sha256", "64 hex digits")
        _require(self.bytes >= 0, "bytes", "a size of at least 0")


@dataclass(frozen=True, slots=True)
class Variant:
    """One ONNX file of the model and its session settings.

    Attributes:
        file: path relative to the bundle, with forward slashes.
        providers: supported onnxruntime execution providers, in order of preference.
        bytes: size of the file.
        error_band: largest absolute error of the logit margin (difference of the two logits) against PyTorch, measured
            at export; None if not measured.
        optimization: graph optimisation level for the session: ``all``, ``extended``, ``basic`` or ``disabled``.
            A file optimised at export is opened with ``disabled``, which also starts faster.
        without_vnni: replacement file for x86 processors without VNNI, where onnxruntime's fast int8 GEMM saturates.
            It reads its weights from ``file``.
        fused: the graph is one custom operator, which needs its library and a supported processor; see
            :mod:`spam_edge.runtime.custom_operator`.
        weights: file with the external weights; None if ``file`` contains them.
        packed: replacement file without padding for CUDA, with the inputs of
            :func:`spam_edge.runtime.batching.pack_rows`. It reads its weights from ``file``.
    """

    file: str
    providers: tuple[str, ...]
    bytes: int
    optimization: str = "all"
    error_band: float | None = None
    without_vnni: str | None = None
    fused: bool = False
    weights: str | None = None
    packed: str | None = None

    @property
    def needs(self) -> list[str]:
        """All files of the variant."""
        return [file for file in (self.file, self.weights, self.without_vnni, self.packed) if file is not None]

    def __post_init__(self) -> None:
        _require(_is_inside(self.file), "variants.file", "a relative path inside the bundle")
        _require(bool(self.providers), "variants.providers", "at least one execution provider")
        _require(self.bytes > 0, "variants.bytes", "a size above 0")
        _require(
            self.optimization in {"all", "extended", "basic", "disabled"},
            "variants.optimization",
            "one of all, extended, basic, disabled",
        )
        _require(self.error_band is None or 0 < self.error_band < math.inf, "variants.error_band", "a number above 0")
        _require(isinstance(self.fused, bool), "variants.fused", "true or false")
        for name, beside in (("weights", self.weights), ("without_vnni", self.without_vnni), ("packed", self.packed)):
            _require(beside is None or _is_inside(beside), f"variants.{name}", "a relative path inside the bundle")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Contents of ``manifest.json``.

    Attributes:
        name: name of the model.
        version: version of the model, not of this package.
        labels: class names in the order of the logits.
        positive_label: the class whose probability is the score.
        max_length: number of tokens to which a message is truncated, [CLS] and [SEP] included.
        pad_token_id: token id for padding.
        inputs: names of the graph inputs: token ids, attention mask.
        output: name of the graph output, the logits.
        temperature: divisor of the logits before the softmax (temperature scaling, Guo et al. 2017).
        thresholds: lowest score with the positive label, by mode.
        default_mode: the mode used if the caller selects none.
        variants: ONNX files by variant name (``fused``, ``int8``, ``fp16``, ``fp32``).
        files: every file of the bundle except the manifest, by relative path.
        provenance: base model, corpus, training and export settings.
        metrics: measured figures, each with its n.
        normalizer: path of the normaliser tables, as used in training; None disables normalisation.
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
        _require(3 <= self.max_length <= 2**16, "max_length", "from 3 ([CLS], one token, [SEP]) to 65,536")
        _require(self.pad_token_id >= 0, "pad_token_id", "a token id")
        _require(len(self.inputs) == 2, "inputs", "two names: token ids, attention mask")
        _require(1e-6 <= self.temperature <= 1e6, "temperature", "a number above 0, from 1e-6 to 1e6")
        _require(self.default_mode in self.thresholds, "default_mode", "a mode that has a threshold")
        _require(all(0 < t <= 1 for t in self.thresholds.values()), "thresholds", "numbers above 0 and up to 1")
        _require(bool(self.variants), "variants", "at least one ONNX file")
        _require(all(_is_inside(path) for path in self.files), "files", "relative paths inside the bundle")
        if self.normalizer is not None:
            _require(self.normalizer in self.files, "normalizer", "a file listed in files")
        unlisted = [file for v in self.variants.values() for file in v.needs if file not in self.files]
        _require(not unlisted, "variants.file", f"listed in files; missing: {', '.join(unlisted)}")

    @property
    def threshold(self) -> float:
        """Threshold of the default mode."""
        return self.thresholds[self.default_mode]

    def same_as(self, mode: str) -> str | None:
        """Return the default mode if ``mode`` is another one with the same threshold, else None."""
        same = mode != self.default_mode and self.thresholds[mode] == self.threshold
        return self.default_mode if same else None

    @property
    def positive_index(self) -> int:
        """Column of the positive label in the logits."""
        return self.labels.index(self.positive_label)

    @property
    def negative_label(self) -> str:
        """The label that is not positive."""
        return self.labels[1 - self.positive_index]

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as JSON-compatible data, the inverse of :meth:`from_dict`."""
        return {"schema_version": self.schema_version} | asdict(self)

    def to_json(self) -> str:
        """Return the contents of ``manifest.json``."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build a manifest from parsed JSON.

        Raises:
            ManifestError: a field is missing, unknown, of the wrong type or has an invalid value.
        """
        try:
            values = record(_FIELDS, data, "", optional=_OPTIONAL)
            check_json(data)  # after the fields, which it does not name
            return cls(**values)
        except ValueError as error:
            raise ManifestError(f"{MANIFEST_NAME} is invalid ({error}); export the bundle again") from error

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and validate ``manifest.json``.

        Raises:
            ManifestError: the file is unreadable, or see :meth:`parse`.
        """
        try:
            return cls.parse(path.read_bytes(), path)
        except OSError as error:
            raise ManifestError(f"{path} cannot be read ({error.strerror}); export the bundle again") from error

    @classmethod
    def parse(cls, content: bytes, path: Path) -> Self:
        """Validate the content of ``manifest.json``; errors quote its path.

        Raises:
            ManifestError: the content is not JSON, or see :meth:`from_dict`.
        """
        try:
            data = parse_json(content)
        except ValueError as error:
            raise ManifestError(f"{path} cannot be read as JSON ({error}); export the bundle again") from error
        return cls.from_dict(data)


def _is_inside(path: str) -> bool:
    parts = path.split("/")
    short = len(path) <= _LONGEST_PATH and all(len(part.encode()) <= _LONGEST_NAME for part in parts)
    return short and not {"", ".", ".."} & set(parts) and not _NOT_IN_PATHS & set(path)


def _require(condition: bool, field_name: str, expected: str) -> None:
    if not condition:
        raise ManifestError(f"{MANIFEST_NAME}: {field_name} must be {expected}; export the bundle again")


def _optional_fields(of: type[Any]) -> frozenset[str]:
    found: tuple[Field[Any], ...] = fields(of)
    return frozenset(field.name for field in found if (field.default, field.default_factory) != (MISSING, MISSING))


def _file(value: object, name: str) -> BundleFile:
    return BundleFile(**record(_FILE_FIELDS, value, name, optional=frozenset()))


def _variant(value: object, name: str) -> Variant:
    return Variant(**record(_VARIANT_FIELDS, value, name, optional=_optional_fields(Variant)))


_FILE_FIELDS: Mapping[str, Check[Any]] = {"sha256": text, "bytes": integer}
_VARIANT_FIELDS: Mapping[str, Check[Any]] = {
    "file": text,
    "providers": each(text),
    "bytes": integer,
    "optimization": text,
    "error_band": optional(number),
    "without_vnni": optional(text),
    "packed": optional(text),
    "fused": boolean,
    "weights": optional(text),
}
_FIELDS: Mapping[str, Check[Any]] = {
    "schema_version": integer,
    "name": text,
    "version": text,
    "labels": each(text),
    "positive_label": text,
    "max_length": integer,
    "pad_token_id": integer,
    "inputs": each(text),
    "output": text,
    "temperature": number,
    "thresholds": each_value(share),
    "default_mode": text,
    "variants": each_value(_variant),
    "files": each_value(_file),
    "provenance": entries,
    "metrics": check_metrics,
    "normalizer": optional(text),
}
_OPTIONAL = _optional_fields(Manifest)
