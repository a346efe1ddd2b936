"""From a checkpoint to one self-describing ONNX file."""
