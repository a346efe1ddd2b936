"""The use of ONNX Runtime: sessions, graphs, and rows of different length that share a run."""
