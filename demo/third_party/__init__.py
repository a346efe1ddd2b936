"""Models that others made and published, served as they are and compared with a bare ONNX Runtime loop."""
