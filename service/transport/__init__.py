"""The transports, which carry messages between callers and handlers. The only package that imports gRPC."""

import os

# Otherwise gRPC writes a line on stderr for every mistake of a caller, in its own format. It reads this when loaded.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
