"""The bare loops: what a user of each file writes with ONNX Runtime alone, state carried by hand.

Each takes a session and the chunks of one sequence in order, and gives every output by name, time first. Nothing of the
server is used, so a mistake of the server's can't be made here, too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from demo.third_party.sequences import Array, Outputs, Sequence
from service.engine.onnx_runtime import ort

Chunks = list[Sequence]
Loop = Callable[[ort.InferenceSession, Chunks], Outputs]


def silero(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a window."""
    state, rate, found = np.zeros((2, 1, 128), np.float32), np.array(16000, np.int64), []
    for window in frames_of(chunks):
        output, state = session.run(["output", "stateN"], {"input": window[None], "state": state, "sr": rate})
        found.append(output)
    return {"output": np.concatenate(found)}


def silero_sequence(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a chunk; there is no batch."""
    h = c = np.zeros((1, 1, 128), np.float32)
    found = []
    for chunk in chunks:
        speech, h, c = session.run(["speech_probs", "hn", "cn"], {"input": chunk.frames, "h": h, "c": c})
        found.append(speech)
    return {"speech_probs": np.concatenate(found)}


def akiki(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a window."""
    h, found = np.zeros((1, 1, 128), np.float32), []
    for window in frames_of(chunks):
        probability, h = session.run(["probability", "h_out"], {"audio_with_context": window[None], "h": h})
        found.append(probability)
    return {"probability": np.stack(found)}


def dtln_spectrum(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a spectrum."""
    state, found = np.zeros((1, 2, 128, 2), np.float32), []
    for spectrum in frames_of(chunks):
        given = {"input_2": spectrum[None, None], "input_3": state}
        mask, state = session.run(["activation_2", "tf_op_layer_stack_2"], given)
        found.append(mask[0, 0])
    return {"activation_2": np.stack(found)}


def dtln_waveform(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a block of samples."""
    state, found = np.zeros((1, 2, 128, 2), np.float32), []
    for block in frames_of(chunks):
        given = {"input_4": block[None, None], "input_5": state}
        cleaned, state = session.run(["conv1d_3", "tf_op_layer_stack_5"], given)
        found.append(cleaned[0, 0])
    return {"conv1d_3": np.stack(found)}


def voicefilter(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run a chunk; the speaker's vector goes with each."""
    h = c = np.zeros((3, 1, 512), np.float32)
    masks, gates = [], []
    for chunk in chunks:
        given = {"stacked_logmel": chunk.frames[None], "dvec": chunk.per_sequence["dvec"][None], "h0": h, "c0": c}
        mask, gate, h, c = session.run(["mask", "f_adapt", "hN", "cN"], given)
        masks.append(mask[0])
        gates.append(gate[0])
    return {"mask": np.concatenate(masks), "f_adapt": np.concatenate(gates)}


def seizure(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run; time comes last going in and first coming out."""
    (whole,) = chunks
    logits, probs = session.run(["logits", "probs"], {"x": np.ascontiguousarray(whole.frames.T)[None]})
    return {"logits": logits[:, 0], "probs": probs[:, 0]}


def tashkeel(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run; every letter has a hint."""
    (whole,) = chunks
    hints, length = whole.per_frame["diac_inputs"], np.array([len(whole)])
    given = {"char_inputs": whole.frames[None], "diac_inputs": hints[None], "input_lengths": length}
    predictions, logits = session.run(["predictions", "logits"], given)
    return {"predictions": predictions[0], "logits": logits[0]}


def nakdimon(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run, three answers a letter."""
    (whole,) = chunks
    points = session.run(["N", "D", "S"], {"input_1": whole.frames[None]})
    return {name: each[0] for name, each in zip(("N", "D", "S"), points, strict=True)}


def rawi(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run."""
    (whole,) = chunks
    (marks,) = session.run(["gated_cls"], {"input": whole.frames[None]})
    return {"gated_cls": marks[0]}


def frames_of(chunks: Chunks) -> Array:
    """Return all frames [T, …] of a sequence."""
    return np.concatenate([chunk.frames for chunk in chunks])
