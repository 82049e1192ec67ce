"""Quantise weights and activations to int8: rounding, scales, ONNX graph and fused operator."""
