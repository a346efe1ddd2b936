"""ONNX Runtime: how a file becomes a session, and how rows of different length share a run. Knows no transport."""
