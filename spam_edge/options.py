"""Runtime options of a classifier."""

import math
import re
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from spam_edge.errors import OptionError

DEVICES = ("auto", "cpu", "cuda")
VARIANTS = ("auto", "fused", "int8", "fp16", "fp32")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeOptions:
    """Runtime options. One object is passed unchanged to every worker.

    Attributes:
        device: ``cpu``, ``cuda`` (an error without CUDA) or ``auto`` (CUDA if a session opens on it, else CPU).
        variant: ``fused`` (int8 as one operator), ``int8``, ``fp16``, ``fp32`` or ``auto`` (the best for the
            device).
        threads: number of concurrent inferences on the CPU, one thread each; default: CPU affinity and cgroup quota.
            With ``fused``, idle threads join a running inference, as with a single message.
        token_budget: maximum number of tokens per batch, padding included, at least 1; default: by device. It affects
            speed only; a longer message forms its own batch.
        threshold: lowest score with the positive label, 0 to 1; default: the threshold of the mode.
        mode: operating point of the bundle; default: the default mode of the bundle.
        max_fpr: false-positive rate, 0 to 1. Selects the lowest threshold whose rate on validation ham is at most this
            with 95 % confidence. ``threshold``, ``mode`` and ``max_fpr`` are mutually exclusive.
        max_fpr_unproven: estimate the threshold if the validation ham are too few to show ``max_fpr``.
        unsure: label scores from the ``high-recall`` threshold up to the ``low-false-positive`` threshold ``UNSURE``;
            excludes ``threshold``, ``mode`` and ``max_fpr``.
        exact: rescore in fp32 every message closer to a threshold than the error band measured at export.
        verify: verify the sha256 of each file against the manifest before use.
        digest: required digest of the bundle, as ``spam-edge info`` shows it: the sha256 of its manifest, 64 hex
            digits. Any other bundle is refused. It requires ``verify``.
    """

    device: str = "auto"
    variant: str = "auto"
    threads: int | None = None
    token_budget: int | None = None
    threshold: float | None = None
    mode: str | None = None
    max_fpr: float | None = None
    max_fpr_unproven: bool = False
    unsure: bool = False
    exact: bool = False
    verify: bool = True
    digest: str | None = None

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise OptionError(f"device must be one of {', '.join(DEVICES)}, not {self.device!r}")
        if self.variant not in VARIANTS:
            raise OptionError(f"variant must be one of {', '.join(VARIANTS)}, not {self.variant!r}")
        for name in ("max_fpr_unproven", "unsure", "exact", "verify"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"{name} must be True or False, not {getattr(self, name)!r}")
        self._check_number("threads", Integral, 1)
        self._check_number("token_budget", Integral, 1)
        self._check_number("threshold", Real, 0, 1)
        self._check_number("max_fpr", Real, 0, 1)
        if self.max_fpr_unproven and self.max_fpr is None:
            raise OptionError("max_fpr_unproven requires max_fpr: set both")
        self._check_digest()
        if self.mode is not None and not isinstance(self.mode, str):
            raise OptionError(f"mode must be the name of a mode, not {self.mode!r}")
        given = [name for name in ("threshold", "mode", "max_fpr") if getattr(self, name) is not None]
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)} are mutually exclusive: set one")
        if self.unsure and given:
            raise OptionError(f"unsure and {given[0]} are mutually exclusive: set one")

    def _check_number(self, name: str, kind: type, low: int, high: float = math.inf) -> None:
        value: Any = getattr(self, name)
        is_number = isinstance(value, kind) and not isinstance(value, bool)
        if value is None or (is_number and low <= value <= high):
            return
        asked = f"at least {low}" if high == math.inf else f"from {low} to {high}"
        if not is_number:
            noun = "an integer" if kind is Integral else "a number"
            raise OptionError(f"{name} must be {noun} {asked}, not {value!r}")
        raise OptionError(f"{name} must be {asked}, not {value}")

    def _check_digest(self) -> None:
        if self.digest is None:
            return
        if not isinstance(self.digest, str) or not re.fullmatch("[0-9a-fA-F]{64}", self.digest):
            raise OptionError(f"digest must be 64 hex digits, as shown by spam-edge info, not {self.digest!r}")
        if not self.verify:
            raise OptionError("digest requires verify: without it the files are not those of the digest")
