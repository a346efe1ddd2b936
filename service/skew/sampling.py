"""Which sequences are probed: drawn by a sequence's id, so that all its chunks and its shadow agree."""

from __future__ import annotations

from hashlib import blake2b

_DIGEST_BYTES = 8
_RANGE = float(2 ** (8 * _DIGEST_BYTES))


def is_sampled(sequence_id: str, ratio: float) -> bool:
    """Tell whether a sequence belongs to the share `ratio` (0 to 1) that is probed; the same on every server."""
    digest = blake2b(sequence_id.encode(), digest_size=_DIGEST_BYTES, person=b"norm skew").digest()
    return int.from_bytes(digest) / _RANGE < ratio
