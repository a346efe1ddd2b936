"""What a state belongs to, besides its model and version: the bytes of the model, and the machine."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from service.certificate.fingerprint import fingerprint_here

if TYPE_CHECKING:
    from service.loading.servable import Servable


@cache
def fingerprint_sha256() -> bytes:
    """Return the digest of processor and runtime, on which bits depend."""
    return sha256(fingerprint_here().SerializeToString(deterministic=True)).digest()


def model_sha256(servable: Servable) -> bytes:
    """Return the digest of the version's bytes and of its signature, which may come from a config.pbtxt."""
    signature = servable.manifest.signature.SerializeToString(deterministic=True)
    return sha256(servable.sha256.encode() + signature).digest()
