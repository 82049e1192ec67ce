"""Turn a checkpoint into a bundle: ONNX graphs, a parity gate, a model card and a manifest."""
