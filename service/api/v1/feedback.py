"""The methods of soloist.v1.Feedback: labels in, outcomes and accuracy out."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

from service.access.need import ACCURACY, LABEL
from service.api.methods import ClientStreamMethod, Method, UnaryMethod
from service.api.others import alone
from service.api.v1.estimate_trust import add_trust, own_trust
from service.api.v1.feedback_messages import OUTCOMES, read_labels, version_accuracies
from service.core.errors import Reason, ServiceError
from soloist.v1 import feedback_pb2 as pb

if TYPE_CHECKING:
    from service.api.others import Others
    from service.observers.feedback.parts import Feedback
    from service.observers.skew.watch import SkewWatch
    from service.repository import Repository
    from service.serving.call import Call


def feedback_methods(
    feedback: Feedback | None, repository: Repository, skew: SkewWatch, others: Others = alone
) -> list[Method]:
    """Bind every method; without a prediction log each refuses."""
    return [
        UnaryMethod(name="Report", request=pb.ReportRequest, need=LABEL, handler=partial(report, feedback)),
        ClientStreamMethod(
            name="ReportStream", request=pb.ReportStreamRequest, need=LABEL, handler=partial(report_stream, feedback)
        ),
        UnaryMethod(
            name="GetAccuracy",
            request=pb.GetAccuracyRequest,
            need=ACCURACY,
            handler=partial(get_accuracy, feedback, repository, skew, others),
        ),
    ]


async def report(feedback: Feedback | None, call: Call, request: pb.ReportRequest) -> pb.ReportResponse:
    """Take labels, all or none.

    Raises:
        ServiceError: one is malformed, or isn't the caller's to report, or they can't be stored.

    """
    verdicts = await _on(feedback).reports.take(read_labels(request.labels, reporter=_reporter(call)), call.client)
    return pb.ReportResponse(outcomes=[OUTCOMES[verdict.outcome] for verdict in verdicts])


async def report_stream(
    feedback: Feedback | None, call: Call, requests: AsyncIterator[pb.ReportStreamRequest]
) -> pb.ReportStreamResponse:
    """Take labels message by message.

    Raises:
        ServiceError: as `report`, with the number of labels taken before.

    """
    counts: Counter[pb.LabelOutcome.ValueType] = Counter()
    reports, reporter = _on(feedback).reports, _reporter(call)
    async for request in requests:
        try:
            verdicts = await reports.take(
                read_labels(request.labels, taken=counts.total(), reporter=reporter), call.client
            )
        except ServiceError as error:
            raise ServiceError(error.reason, **{**error.facts, "taken": counts.total()}) from error
        counts.update(OUTCOMES[verdict.outcome] for verdict in verdicts)
    outcome_counts = [pb.OutcomeCount(outcome=outcome, labels=labels) for outcome, labels in sorted(counts.items())]
    return pb.ReportStreamResponse(counts=outcome_counts)


async def get_accuracy(
    feedback: Feedback | None,
    repository: Repository,
    skew: SkewWatch,
    others: Others,
    call: Call,
    request: pb.GetAccuracyRequest,
) -> pb.GetAccuracyResponse:
    """Return the accuracy of a model, and whether its estimate can be trusted.

    Raises:
        ServiceError: there is no such model or version, or the log can't be read.

    """
    watch = _on(feedback).accuracy
    entry = repository.find(request.model, request.version)
    if entry.servable is not None:
        call.model, call.version = entry.name, str(entry.version)
    versions = version_accuracies(await watch.now(), request.model, request.version)
    await add_trust(versions, partial(own_trust, repository, skew), others)
    return pb.GetAccuracyResponse(versions=versions)


def _reporter(call: Call) -> str:
    """Return the caller if it may label its own answers only."""
    return "" if call.identity is None or call.identity.may_label_all else call.identity.name


def _on(feedback: Feedback | None) -> Feedback:
    if feedback is None:
        raise ServiceError(Reason.FEEDBACK_OFF)
    return feedback
