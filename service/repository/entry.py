"""One version as the server knows it: its state, what answers its calls, and why nothing does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.core.errors import Reason, ServiceError
from soloist.v1 import sequence_inference_pb2 as pb

if TYPE_CHECKING:
    from service.loading.servable import Servable
    from service.repository.layout import Stamp

UNLOADED = "unloaded by an operator"
_REASONS = {
    pb.MODEL_STATE_LOADING: Reason.MODEL_LOADING,
    pb.MODEL_STATE_UNAVAILABLE: Reason.MODEL_UNAVAILABLE,
    pb.MODEL_STATE_READY: Reason.MODEL_UNAVAILABLE,  # as it was; as it is now on disk it can't be called
    pb.MODEL_STATE_UNLOADING: Reason.MODEL_NOT_LOADED,
    pb.MODEL_STATE_UNLOADED: Reason.MODEL_NOT_LOADED,
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One version. `servable` answers new calls and is set when it is ready; `leaving` ends those that have begun.

    `cause` says why it can't be called; of one that can, what an operator should know. `stamp` is that of the files
    that were loaded, or that failed; `failed_stamp` that of newer ones that failed while those that were loaded serve.
    `held_back`: it was never tried, since it can't be told what should be served.
    """

    name: str
    version: int
    state: pb.ModelState.ValueType
    servable: Servable | None = None
    leaving: Servable | None = None
    cause: str = ""
    stamp: Stamp | None = None
    failed_stamp: Stamp | None = None
    held_back: bool = False

    def is_of(self, stamp: Stamp | None) -> bool:
        """Tell whether it was loaded, or failed, as its files are now.

        A model whose graph says itself what it is isn't made of the files that are shared among versions.
        """
        if self.stamp is None or stamp is None:
            return self.stamp is stamp
        says_itself = self.servable is not None and self.servable.description is None
        return self.stamp.own == stamp.own and (says_itself or self.stamp.shared == stamp.shared)

    def status(self) -> pb.ModelStatus:
        """Say it as a message."""
        known = self.servable or self.leaving
        return pb.ModelStatus(
            name=self.name,
            version=self.version,
            state=self.state,
            reason=self.cause or (self.servable.warm_up_fault if self.servable is not None else ""),
            control=known is not None and known.manifest.control,
        )

    def refusal(self) -> ServiceError:
        """Say why it can't be called."""
        return ServiceError(_REASONS[self.state], model=self.name, version=self.version, cause=self.cause)
