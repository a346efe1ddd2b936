"""Generated from protos/soloist/oip: the Open Inference Protocol."""
