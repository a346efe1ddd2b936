"""An answer as it is published to observers: the shadow, the prediction log, the skew probe.

Shapes: T frames, K outputs a frame.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.serving.prediction_ids import new_prediction_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from service.engine.runner import Row
    from service.loading.servable import Servable
    from service.serving.batcher import Answer
    from service.serving.session import Session


@dataclass(kw_only=True, slots=True)  # not frozen, since one is made for every request
class Prediction:
    """One answer, to a whole sequence or to the next chunk of one. It holds references; nothing in it is changed.

    `row` is the input: the frames and the states before them, which are missing if the chunk was joined to the one
    before. `outputs` are those of every frame, [T, K],
    or of the last, [1, K]. `sequence_id` is shared by all answers of one sequence, and `first_frame` is how many frames
    came before. `is_whole` is true if none came before and none will follow. `batch_size` is the largest number of
    sequences that shared a run with it, itself included. `session` is that of the stream, while it is open. `client` is
    the name of who gets the answer, where callers have to show it.
    """

    id: str
    servable: Servable
    sequence_id: str
    row: Row
    outputs: NDArray[Any]
    first_frame: int
    is_whole: bool
    batch_size: int
    session: weakref.ref[Session] | None = None
    client: str = ""

    @classmethod
    def of(
        cls,
        servable: Servable,
        row: Row,
        answer: Answer,
        *,
        session: Session | None = None,
        is_whole: bool = False,
        client: str = "",
    ) -> Prediction:
        """Return the prediction of an answer, with its id.

        It answers a whole sequence, frames after states that a caller sent, or the next chunk of a session.
        """
        ids = session.ids if session is not None else None
        new_id = new_prediction_id() if ids is None or session is None else ids.at(session.frame_count)
        return cls(
            id=new_id,
            servable=servable,
            sequence_id=session.id if session else new_id,
            row=row,
            outputs=answer.outputs,
            first_frame=session.frame_count if session else 0,
            is_whole=is_whole,
            batch_size=answer.batch_size,
            session=session.ref if session else None,
            client=client,
        )


# Called right after the answer, on the same thread: it must not block, raise, or change its argument.
Observer = Callable[[Prediction], None]
