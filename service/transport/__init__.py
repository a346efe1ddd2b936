"""Transports: what carries messages between callers and the handlers. The only package that imports gRPC."""
