"""How resume tokens come to a server with a keys file; others don't load the cryptography."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.sealing.key_ring import KeyRing

if TYPE_CHECKING:
    from service.app.metrics import Metrics
    from service.app.settings import Settings
    from service.serving.resume import Resumption


@dataclass(frozen=True, kw_only=True)
class Resuming:
    """The keys, whose file has to be followed, and what makes and takes tokens with them."""

    keys: KeyRing
    resumption: Resumption


def resuming(settings: Settings, metrics: Metrics) -> Resuming | None:
    """Return them; None without a keys file.

    Raises:
        KeysFileError: the file can't be used.

    """
    if settings.keys_file is None:
        return None
    from service.sealing.sealer import Sealer
    from service.serving.resume import Resumption
    from service.serving.resume_token import ResumeTokens

    keys = KeyRing(settings.keys_file, metrics.sealing)
    tokens = ResumeTokens(
        Sealer(keys.newest, keys.by_id),
        seconds=settings.resume_token_seconds,
        max_bytes=settings.max_resume_token_bytes,
        clock=time.time,
    )
    resumption = Resumption(tokens, metrics.resume, max_age_seconds=settings.max_stream_age_seconds)
    return Resuming(keys=keys, resumption=resumption)
