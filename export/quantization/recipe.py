"""Settings of the int8 quantisation."""

from dataclasses import asdict, dataclass
from typing import Any

TOOL = "optimum ORTQuantizer, AutoQuantizationConfig.avx512_vnni(is_static=False, per_channel=True)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a checkpoint becomes an int8 file. The defaults ship.

    Rounding errors of the first layers grow in later layers, so the first layers get the extra bits.

    Attributes:
        gptq: round weights with GPTQ instead of to nearest.
        damping: see :func:`export.quantization.rounding.round_weights`.
        outliers: number of outlier channels that are split after a layer norm.
        outliers_after_gelu: number of outlier channels that are split after Gelu.
        fine_layers: number of layers, from the first, whose attention inputs have 16 bits.
        completed_layers: number of layers, from the first, with fp32 residual correction.
        completed_outputs: number of outputs per such layer, those with the largest rounding errors, that are corrected.
        fine_tokens: number of rows of the token embedding with 16 bits.
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
        """Return the recipe for the manifest."""
        return {
            "weights": f"int8, symmetric, per output channel, {'GPTQ' if self.gptq else 'rounded to nearest'}",
            "activations": "uint8, dynamic, per token, symmetric except after Gelu; 16 bits, static, for fine layers",
            "embeddings": "int8, symmetric, per row",
            "head": "fp32",
            "tool": TOOL,
            **asdict(self),
        }
