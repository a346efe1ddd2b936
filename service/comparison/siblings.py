"""The models to compare: those named by the caller, or those that differ from the model in the normaliser alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.certificate.scope import why_not
from service.comparison.conditions import MAX_SIBLINGS
from service.core.errors import Reason, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from service.loading.servable import Servable
    from service.repository import Repository
    from soloist.v1.model_pb2 import Model

_NORMS = ("layer", "batch")
_DEFAULT_PRECISION = "float32"


def require_comparable(model: Servable) -> None:
    """Refuse a model that can't be run with neighbours, padded and cut.

    Raises:
        ServiceError: COMPARISON_UNSUPPORTED, or TIME_AXIS_UNKNOWN.

    """
    model.require_time_axis()
    if cause := _why_not(model):
        raise ServiceError(Reason.COMPARISON_UNSUPPORTED, model=model.name, cause=cause)


def named_siblings(model: Servable, names: Sequence[str], repository: Repository) -> list[Servable]:
    """Return the models of these names, each once, without `model` itself.

    Raises:
        ServiceError: one is missing, can't be called or compared, or takes other frames.

    """
    found = [repository.resolve(name, 0) for name in dict.fromkeys(names) if name != model.name]
    for sibling in found:
        require_comparable(sibling)
        if not _take_same_frames(model.manifest, sibling.manifest):
            raise ServiceError(Reason.SIBLING_MISMATCH, sibling=sibling.name, model=model.name)
    return found


def siblings(model: Servable, ready: Iterable[Servable], length: int) -> list[Servable]:
    """Return at most MAX_SIBLINGS that take `length` frames: newest versions, by normaliser, controls last."""
    newest: dict[str, Servable] = {}
    for each in ready:
        if each.name != model.name and (each.name not in newest or each.version > newest[each.name].version):
            newest[each.name] = each
    found = [
        each for each in newest.values() if _is_sibling(model.manifest, each.manifest, length) and not _why_not(each)
    ]
    return sorted(found, key=_place)[:MAX_SIBLINGS]


def twin(control: Servable, compared: Iterable[Servable]) -> Servable | None:
    """Return the model with a control's weights that isn't a control itself, if there is one."""
    origin = control.manifest.provenance.checkpoint_sha256
    if not control.manifest.control or not origin:
        return None
    twins = (each for each in compared if not each.manifest.control)
    return next((each for each in twins if each.manifest.provenance.checkpoint_sha256 == origin), None)


def _why_not(model: Servable) -> str:
    return why_not(model.manifest.signature) or ("" if model.aligned else "its outputs aren't one a frame")


def _is_sibling(model: Model, other: Model, length: int) -> bool:
    return (
        (other.task, other.architecture, _precision(other)) == (model.task, model.architecture, _precision(model))
        and (other.norm in _NORMS or other.control)
        and not _has_wrong_statistics(other)
        and _take_same_frames(model, other)
        and (not other.max_frames or length <= other.max_frames)
    )


def _has_wrong_statistics(model: Model) -> bool:
    # Running statistics of other data are constants too: such a control depends on nothing that is varied here.
    return model.control and model.provenance.HasField("recalibration")


def _take_same_frames(one: Model, other: Model) -> bool:
    first, second = one.signature, other.signature
    return (first.frames.data_type, first.token_count, *list(first.frames.shape)[2:]) == (
        second.frames.data_type,
        second.token_count,
        *list(second.frames.shape)[2:],
    )


def _precision(model: Model) -> str:
    return model.precision or _DEFAULT_PRECISION


def _place(servable: Servable) -> tuple[bool, int, str]:
    norm = servable.manifest.norm
    return servable.manifest.control, _NORMS.index(norm) if norm in _NORMS else len(_NORMS), servable.name
