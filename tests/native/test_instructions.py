"""Each library uses its own instruction set only: an instruction of a newer set would end the process."""

import re
import shutil
import subprocess

import pytest

from spam_edge.runtime.custom_operator import FOLDER

VEX, EVEX = "c4", "62"  # first bytes of an instruction; AVX-512 alone has EVEX
pytestmark = pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump")


def _instructions(vectors: str) -> list[tuple[str, str]]:
    """Return the first byte and the text of each instruction of a library."""
    path = FOLDER / f"libspam_encoder_{vectors}.so"
    if not path.is_file():
        pytest.skip("the fused operator is not compiled here")
    listing = subprocess.run(["objdump", "-d", "-w", str(path)], capture_output=True, text=True, check=True).stdout
    instructions = re.findall(r"^ +[0-9a-f]+:\t([0-9a-f]{2}) [0-9a-f ]*\t(.*)$", listing, flags=re.MULTILINE)
    assert len(instructions) > 1000
    return instructions


@pytest.mark.parametrize(
    ("vectors", "products", "has_evex"),
    [("amx", set(), True), ("avx512", {EVEX}, True), ("avx_vnni", {VEX}, False), ("avx2", set(), False)],
)
def test_library_uses_only_encodings_of_its_instruction_set(
    vectors: str, products: set[str], *, has_evex: bool
) -> None:
    instructions = _instructions(vectors)
    assert {first for first, text in instructions if "vpdpbusd" in text} == products
    assert any(first == EVEX for first, _ in instructions) == has_evex
    assert any("tmm" in text for _, text in instructions) == (vectors == "amx")


def test_loaded_tiles_are_reused_for_several_products() -> None:
    """Each loop over the columns has four tile products into four sums, and at most five loads."""
    names = [text.split()[0] for _, text in _instructions("amx")]
    tiles = [name for name in names if name in {"tileloadd", "tdpbusd", "tilestored"}]
    loops = re.findall(r"(?:tileloadd )+(?:tdpbusd |tileloadd )*tdpbusd(?= tilestored)", " ".join(tiles))
    assert loops
    for loop in loops:
        products, loads = loop.count("tdpbusd"), loop.count("tileloadd") - 4  # sums start from memory
        assert products == 4
        assert loads in (4, 5)
    assert names.count("ldtilecfg") == names.count("tilerelease") == 1
