"""Owns the way of labels to the server."""

from __future__ import annotations

from collections.abc import Sequence

from simulation.reporting import DueLabel, Report
from soloist import AsyncClient, Label


def reporting(client: AsyncClient) -> Report:
    """Report to the server behind a client."""

    async def report(labels: Sequence[DueLabel]) -> Sequence[str]:
        told = [Label(prediction_id=label.prediction_id, label=label.class_index) for label in labels]
        return await client.report_many(told)

    return report
