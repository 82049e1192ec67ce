"""What is done to bring the int8 file close to PyTorch, as settings that can be varied and measured."""

from dataclasses import asdict, dataclass
from typing import Any

TOOL = "optimum ORTQuantizer, AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a checkpoint becomes an int8 file. The defaults are what ships.

    What is rounded away in the first layers grows in those that follow, so that bits are spent there.

    Attributes:
        gptq: round weights so that the outputs stay close, not each to the nearest step.
        damping: see :func:`export.rounding.round_weights`.
        outliers: channels behind a layer norm that are split, because they are far larger than the others.
        outliers_after_gelu: channels of what comes from Gelu that are split, for the same reason.
        fine_layers: layers, from the first, where what goes into attention has 16 bits.
        completed_layers: layers, from the first, where the outputs with the largest rounding errors are completed.
        completed_outputs: how many of them, each with the missing part of its weights in fp32.
        fine_tokens: rows of the embedding table that have 16 bits.
    """

    gptq: bool = True
    damping: float = 0.01
    outliers: int = 15
    outliers_after_gelu: int = 15
    fine_layers: int = 3
    completed_layers: int = 3
    completed_outputs: int = 2
    fine_tokens: int = 7000

    def describe(self) -> dict[str, Any]:
        """Return the recipe for a manifest."""
        return {
            "weights": f"int8, symmetric, per output channel, {'GPTQ' if self.gptq else 'rounded to nearest'}",
            "activations": "uint8, dynamic, per token; symmetric but after Gelu; 16 bits, static, into fine attention",
            "embeddings": "int8, symmetric, per row",
            "head": "fp32",
            "tool": TOOL,
            **asdict(self),
        }
