"""Export a checkpoint to a bundle: ONNX graphs, parity gate, model card and manifest."""

from spam_edge.extras import disable_telemetry

disable_telemetry()  # here, because modules of the export import onnxruntime at their top
