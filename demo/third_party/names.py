"""The models that write Arabic names in Latin letters: an encoder, and a decoder that is fed a letter a step."""

from __future__ import annotations

import json
from functools import cache

import numpy as np

from demo.third_party.download import cached_path
from demo.third_party.model import ThirdPartyModel, as_they_are, one_row
from demo.third_party.package_files import NAME_DECODER, NAME_ENCODER, NAME_LETTERS
from demo.third_party.reference_loops import Chunks
from demo.third_party.sequences import Array, Outputs, Sequence
from service.engine.onnx_runtime import ort

_NAMES = ("عبدالرحمن", "فاطمة")
_PADDED = 2  # letters of padding after the second name, which the mask leaves out
_BEGIN, _END, _PADDING = 1, 2, 0  # numbers of letters that are none
_LONGEST = 32
_READ = ("memory_out", "src_mask_out", "hidden_out")


def _encode(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run; the mask says which letters are padding."""
    (whole,) = chunks
    given = {"src": whole.frames[None], "src_mask": whole.per_frame["src_mask"][None]}
    return {name: each[0] for name, each in zip(_READ, session.run(list(_READ), given), strict=True)}


def _decode(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a letter; it begins where the encoder ended, or from zeros."""
    hidden = chunks[0].initial_states.get("hidden", np.zeros((1, 2, 256), np.float32))
    found = []
    for chunk in chunks:
        auxiliary = {name: each[None] for name, each in chunk.per_sequence.items()}
        for letter in chunk.frames:
            given = {"prefix": letter[None], "hidden": hidden, **auxiliary}
            likely, hidden = session.run(["logprobs", "hidden_out"], given)
            found.append(likely)
    return {"logprobs": np.concatenate(found)}


def _letters() -> list[Sequence]:
    """Return letters [time] and which of them are padding."""
    table = {
        letter: number
        for number, letter in enumerate(json.loads(cached_path(NAME_LETTERS).read_text("utf-8"))["tokens"])
    }
    found = []
    for name, padded in zip(_NAMES, (0, _PADDED), strict=True):
        signs = ["<UNK_COUNTRY>", "<ROLE_GIVEN>", *name]
        numbers = np.array([*(table[sign] for sign in signs), _END, *[_PADDING] * padded], np.int64)
        found.append(Sequence(frames=numbers, per_frame={"src_mask": numbers == _PADDING}))
    return found


@cache
def _steps() -> list[Sequence]:
    """Return Latin letters [time, 1] as a greedy search writes them, beside what the encoder read."""
    encoder, decoder = (_session(part) for part in (cached_path(NAME_ENCODER), cached_path(NAME_DECODER)))
    return [_written(decoder, _encode(encoder, [name])) for name in _letters()]


def _written(decoder: ort.InferenceSession, read: Outputs) -> Sequence:
    auxiliary = {"memory": read["memory_out"], "src_mask": read["src_mask_out"]}
    begins = hidden = read["hidden_out"][None]
    letters = [_BEGIN]
    while letters[-1] != _END and len(letters) < _LONGEST:
        given = {
            "prefix": np.array([letters[-1:]]),
            "hidden": hidden,
            **{name: each[None] for name, each in auxiliary.items()},
        }
        likely, hidden = decoder.run(["logprobs", "hidden_out"], given)
        letters.append(int(likely[0].argmax()))
    return Sequence(frames=_column(letters[:-1]), per_sequence=auxiliary, initial_states={"hidden": begins})


def _column(letters: list[int]) -> Array:
    return np.array(letters, np.int64)[:, None]


def _session(path: object) -> ort.InferenceSession:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


MODELS = (
    ThirdPartyModel(
        name="name-encoder",
        file=NAME_ENCODER,
        other_files=(NAME_LETTERS,),
        sequences=_letters,
        loop=_encode,
        frames_input="src",
        as_requested=one_row,
        unlike="names, 1 of 2: a bool mask beside the letters, a bool output, an output without time",
        streams=False,
    ),
    ThirdPartyModel(
        name="name-decoder",
        file=NAME_DECODER,
        other_files=(NAME_ENCODER, NAME_LETTERS),
        sequences=_steps,
        loop=_decode,
        frames_input="prefix",
        as_requested=as_they_are,
        unlike="names, 2 of 2: a letter a step, beginning with the encoder's state; its memory and a bool mask of any "
        "length beside every letter",
        open_protocol_only="a sequence begins with a state that the caller brings",
        one_frame_per_run=True,
    ),
)
