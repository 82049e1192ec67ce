"""Tables for people: the summary of a run, what runs here, and what was verified."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spam_edge.screening import Tally

if TYPE_CHECKING:
    from spam_edge.verification import VerificationReport


def summary_lines(tally: Tally, labels: Sequence[str]) -> Iterator[str]:
    """Yield the counts of a run: messages, each label with its share, what was left out, and the speed."""
    yield f"{'messages':<12}{tally.messages:>10,}"
    for label in labels:
        share = tally.labels[label] / tally.messages if tally.messages else 0.0
        yield f"{label:<12}{tally.labels[label]:>10,}{share:>8.1%}"
    for name, count in (("bad rows", tally.bad), ("blank lines", tally.blank), ("truncated", tally.truncated)):
        yield f"{name:<12}{count:>10,}"
    if tally.rescored is not None:
        share = tally.rescored / tally.messages if tally.messages else 0.0
        yield f"{'rescored':<12}{tally.rescored:>10,}{share:>8.1%}"
    rate = tally.messages / tally.seconds if tally.seconds else 0.0
    yield f"{'seconds':<12}{tally.seconds:>10.2f}{rate:>12,.0f} messages/s"


def truncation_note(count: int, max_length: int) -> str:
    """Say that messages were cut."""
    if count == 1:
        return f"1 message was longer than {max_length} tokens; only its beginning was read"
    return f"{count:,} messages were longer than {max_length} tokens; only their beginning was read"


def info_lines(description: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line per entry of ``SpamClassifier.describe()``."""
    width = max(map(len, description)) + 2
    for name, value in description.items():
        yield f"{name.replace('_', ' '):<{width}}{_shown(value)}"


def check_lines(report: "VerificationReport") -> Iterator[str]:
    """Yield one line per check, the failed ones marked."""
    width = max((len(check.name) for check in report.checks), default=0) + 2
    for check in report.checks:
        yield f"{'ok' if check.ok else 'FAILED':<8}{check.name:<{width}}{check.detail}".rstrip()


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(entry)}" for name, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
