"""What OpenSSL reads from files, and why it refuses a key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Its reasons for a key that belongs to another certificate; the second, if one is for RSA and the other for elliptic
# curves.
OTHER_KEY = ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


@contextmanager
def in_memory(content: bytes) -> Iterator[str]:
    """Yield the name of a file that is in memory alone, on Linux: a key is written to no disk."""
    descriptor = os.memfd_create("soloist-tls")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"
