"""Compare: one sequence under several conditions, for a model and its siblings, each against itself alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from service import comparison
from service.api.v1.answers import classify, classify_into, select
from service.certificate.neighbours import drawn_like
from service.comparison.conditions import MAX_CONDITIONS, MAX_NEIGHBOURS, MAX_RUN_FRAMES, MAX_SIBLINGS, in_range
from service.core.errors import Reason, ServiceError
from service.core.tensors import decode_frames, encode_into
from service.engine.runtime_errors import translated
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.loading.servable import Servable
    from service.serving.call import Call
    from service.serving.inference import Serving
    from soloist.v1.tensor_pb2 import Tensor


async def compare(
    serving: Serving, comparisons: comparison.Comparisons, call: Call, request: pb.CompareRequest
) -> pb.CompareResponse:
    """Return what the answer to one sequence depends on.

    Raises:
        ServiceError: there is no such model, the request can't be compared or asks for too much, too many comparisons
            are in progress, or the deadline has passed.

    """
    _count(request)
    model = serving.repository.resolve(request.model, request.version, request.version_label)
    call.model, call.version = model.name, str(model.version)
    comparison.require_comparable(model)
    sample = decode_frames(request.frames, model.manifest.signature, allow_non_finite=False)
    models = [model, *_siblings(serving, model, request.siblings, len(sample))]
    max_frames = min(serving.limits.max_frames, *(m.manifest.max_frames or serving.limits.max_frames for m in models))
    _not_too_long(sample, max_frames)
    neighbours = _neighbours(model, request.neighbours, max_frames)
    conditions = _conditions(request, sample, neighbours, max_frames=max_frames, models=len(models))
    response = pb.CompareResponse(frame_count=len(sample), conditions=[each.to_message() for each in conditions])
    alone: dict[Servable, NDArray[Any]] = {}
    with comparisons.admit():
        drawn = partial(drawn_like, sample, _most_neighbours(conditions), request.seed)
        trial = comparison.Trial(
            sample=sample,
            neighbours=neighbours or await comparisons.run(drawn),
            is_over=lambda: call.cancelled or call.is_past_deadline(),
        )
        for each in models:
            message, alone[each] = await _compare_one(comparisons, each, trial, conditions)
            response.models.append(message)
    for each, message in zip(models, response.models, strict=True):
        if (twin := comparison.twin(each, models)) is not None and alone[twin].shape == alone[each].shape:
            message.twin = twin.name
            message.deviation_from_twin.CopyFrom(_deviation(each, alone[twin], alone[each]))
    return response


def _count(request: pb.CompareRequest) -> None:
    in_range("conditions", len(request.conditions), 0, MAX_CONDITIONS)
    in_range("siblings", len(request.siblings), 0, MAX_SIBLINGS)
    in_range("neighbours", len(request.neighbours), 0, MAX_NEIGHBOURS)


def _siblings(serving: Serving, model: Servable, names: Sequence[str], length: int) -> list[Servable]:
    if names:
        return comparison.named_siblings(model, names, serving.repository)
    ready = [entry.servable for entry in serving.repository.entries() if entry.servable is not None]
    return comparison.siblings(model, ready, length)


def _neighbours(model: Servable, tensors: Sequence[Tensor], max_frames: int) -> list[NDArray[Any]]:
    neighbours = []
    for index, tensor in enumerate(tensors):
        try:
            neighbours.append(decode_frames(tensor, model.manifest.signature, allow_non_finite=False))
            _not_too_long(neighbours[-1], max_frames)
        except ServiceError as error:
            raise ServiceError(error.reason, **error.facts, neighbour=index) from None
    return neighbours


def _conditions(
    request: pb.CompareRequest, sample: NDArray[Any], neighbours: list[NDArray[Any]], *, max_frames: int, models: int
) -> list[comparison.Condition]:
    has_scale, length, neighbour_lengths = (
        sample.dtype.kind == "f",
        len(sample),
        [len(neighbour) for neighbour in neighbours],
    )
    conditions = comparison.read(request.conditions) or comparison.default_conditions(
        length,
        has_scale=has_scale,
        neighbour_lengths=neighbour_lengths,
        max_frames=max_frames,
        max_run_frames=MAX_RUN_FRAMES,
    )
    comparison.check(
        conditions,
        length=length,
        neighbour_lengths=neighbour_lengths,
        max_frames=max_frames,
        has_scale=has_scale,
        models=models,
    )
    return conditions


def _not_too_long(frames: NDArray[Any], max_frames: int) -> None:
    if len(frames) > max_frames:
        raise ServiceError(Reason.SEQUENCE_TOO_LONG, frame_count=len(frames), max_frames=max_frames)


def _most_neighbours(conditions: Sequence[comparison.Condition]) -> int:
    return max((each.count for each in conditions if isinstance(each, comparison.BatchNeighbours)), default=0)


async def _compare_one(
    comparisons: comparison.Comparisons,
    model: Servable,
    trial: comparison.Trial,
    conditions: Sequence[comparison.Condition],
) -> tuple[pb.ModelComparison, NDArray[Any]]:
    """Run one model under every condition, and return the results and its outputs alone, [T, K]."""
    graph, manifest = model.require_time_axis().graph, model.manifest
    message = pb.ModelComparison(model=model.name, version=model.version, norm=manifest.norm, control=manifest.control)

    def outcome(condition: comparison.Condition) -> pb.Outcome:
        if cause := trial.why_not(graph, condition):
            return pb.Outcome(not_run=cause)
        return _outcome(model, trial.run(graph, condition), alone_TK)

    with _errors_translated(model, trial):
        alone_TK = await comparisons.run(partial(trial.alone, graph))
        message.alone.CopyFrom(_outcome(model, alone_TK, None))
        for condition in conditions:
            message.outcomes.append(await comparisons.run(partial(outcome, condition)))
    return message, alone_TK


@contextmanager
def _errors_translated(model: Servable, trial: comparison.Trial) -> Iterator[None]:
    try:
        with translated(trial.sample.shape) if model.description else nullcontext():
            yield
    except comparison.Stopped:
        raise ServiceError(Reason.DEADLINE_EXCEEDED) from None


def _outcome(model: Servable, outputs_TK: NDArray[Any], reference_TK: NDArray[Any] | None) -> pb.Outcome:
    found = pb.Outcome(deviation=None if reference_TK is None else _deviation(model, reference_TK, outputs_TK))
    encode_into(found.outputs, select(outputs_TK, pb.OUTPUT_SELECTION_LAST))
    classify_into(found.classification, outputs_TK, model.manifest.labels)
    return found


def _deviation(model: Servable, reference_TK: NDArray[Any], found_TK: NDArray[Any]) -> pb.Deviation:
    found = comparison.deviation(reference_TK, found_TK)
    return pb.Deviation(
        differing_outputs=found.differing,
        compared_outputs=found.compared,
        max_ulp=found.max_ulp,
        max_abs_difference=found.max_abs,
        class_changed=_class_of(model, reference_TK) != _class_of(model, found_TK),
    )


def _class_of(model: Servable, outputs_TK: NDArray[Any]) -> int | None:
    found = classify(outputs_TK, model.manifest.labels)
    return None if found is None else found[0]
