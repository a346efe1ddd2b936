"""Generated from protos/soloist/onnx: the outline of an ONNX file."""
