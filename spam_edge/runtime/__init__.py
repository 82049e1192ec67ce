"""Run the ONNX files of a bundle with onnxruntime: sessions, execution providers, batching."""
