"""The report of a verification. It needs neither numpy nor onnxruntime, so that its reader starts fast."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check, with its figures."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """All checks of one bundle on this machine."""

    bundle: str
    digest: str
    variant: str
    provider: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(check.ok for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-compatible data, ``ok`` included."""
        return asdict(self) | {"ok": self.ok}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build a report from the data of :meth:`to_dict`."""
        values = {name: value for name, value in data.items() if name != "ok"}
        return cls(**values | {"checks": tuple(Check(**check) for check in data["checks"])})
