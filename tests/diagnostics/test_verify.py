"""Malformed golden messages and parity limits raise bundle errors even if the checksums match."""

import json
from pathlib import Path

import pytest

from spam_edge import BundleIntegrityError, RuntimeOptions
from spam_edge.diagnostics.verify import verify_bundle
from tests.support.hostile import put

OPTIONS = RuntimeOptions(device="cpu", variant="fp32")
GOOD = {"text": "ok", "input_ids": [2, 393, 3], "logits": [3.9, -4.0]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is empty"),
        ("{", "Expecting"),
        ("[" * 100_000, "it is nested too deeply"),
        ("[]", "line 1 must be an object"),
        (json.dumps(GOOD | {"text": 5}), "text of line 1 must be a text, not 5"),
        (json.dumps(GOOD) + "\n" + json.dumps(GOOD | {"input_ids": "ab"}), "input_ids of line 2 must be a list"),
        (json.dumps(GOOD | {"logits": [1.0]}), "logits must be 2 numbers for each message"),
        (json.dumps(GOOD | {"logits": [1.0, float("nan")]}), "logits of line 1 must be a number"),
        (json.dumps(GOOD | {"logits": [1.0, 10**400]}), "logits of line 1 must be a number"),
        (json.dumps({"text": "ok", "logits": [1, 2]}), "line 1 has no input_ids"),
    ],
)
def test_malformed_golden_messages_raise_integrity_error(bundle_copy: Path, content: str, reason: str) -> None:
    put(bundle_copy, "golden.jsonl", content.encode())
    with pytest.raises(
        BundleIntegrityError, match=rf"golden.jsonl cannot be read \({reason}.*; export the bundle again"
    ):
        verify_bundle(bundle_copy, OPTIONS)


@pytest.mark.parametrize("limits", [None, [], {"fp32": 1}, {"fp32": {"max_abs_dp": "1"}}, {"fp32": {"max_abs_dp": 1}}])
def test_malformed_parity_limits_raise_integrity_error(bundle_copy: Path, limits: object) -> None:
    put(bundle_copy, "parity.json", json.dumps({"replay_limits": limits}).encode())
    with pytest.raises(BundleIntegrityError, match=r"parity.json cannot be read .*; export the bundle again"):
        verify_bundle(bundle_copy, OPTIONS)
