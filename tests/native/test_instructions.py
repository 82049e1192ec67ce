"""No library has instructions of a better instruction set, which would end the process on the processors it is for."""

import re
import shutil
import subprocess

import pytest

from spam_edge.runtime.custom_operator import FOLDER

VEX, EVEX = "c4", "62"  # first bytes of an instruction; AVX-512 alone has EVEX
NEEDS_OBJDUMP = pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump")


@NEEDS_OBJDUMP
@pytest.mark.parametrize(
    ("vectors", "products", "has_evex"), [("avx512", {EVEX}, True), ("avx_vnni", {VEX}, False), ("avx2", set(), False)]
)
def test_the_encoding_of_products(vectors: str, products: set[str], *, has_evex: bool) -> None:
    path = FOLDER / f"libspam_encoder_{vectors}.so"
    if not path.is_file():
        pytest.skip("the fused operator is not compiled here")
    listing = subprocess.run(["objdump", "-d", "-w", str(path)], capture_output=True, text=True, check=True).stdout
    instructions = re.findall(r"^ +[0-9a-f]+:\t([0-9a-f]{2}) [0-9a-f ]*\t(.*)$", listing, flags=re.MULTILINE)
    assert len(instructions) > 1000
    assert {first for first, text in instructions if "vpdpbusd" in text} == products
    assert any(first == EVEX for first, _ in instructions) == has_evex
