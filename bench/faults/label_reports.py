"""Labels of what was answered: reported until they are taken, as the server says it may be done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench.faults.tally import Tally
from soloist import AsyncClient, Label, SoloistError

_REPORT_SECONDS = 120.0
_AGAIN_SECONDS = 0.5


async def report(client: AsyncClient, prediction_ids: Sequence[str], tally: Tally) -> None:
    """Report a label for each answer, and count what becomes of it.

    A replica that is stopped may hold the prediction log, and those that wait for it refuse more labels then.

    Raises:
        SoloistError: They were refused for two minutes.

    """
    labels = [Label(prediction_id=each, label=0) for each in prediction_ids]
    until = time.monotonic() + _REPORT_SECONDS
    while True:
        try:
            outcomes = await client.report_many(labels, timeout_seconds=_REPORT_SECONDS)
        except SoloistError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        tally.labels.update(str(outcome) for outcome in outcomes)
        return
