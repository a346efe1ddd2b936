"""Transports: what carries messages between callers and the handlers. The only package that imports gRPC."""

import os

# What callers do wrong, gRPC would tell on stderr, a line each time, in a form of its own. Read when it is loaded.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
