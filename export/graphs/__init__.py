"""Convert a checkpoint to ONNX graphs, and rewrite them into equivalent graphs."""
