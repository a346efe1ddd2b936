"""The demonstration: train, export, serve, stream, measure."""
