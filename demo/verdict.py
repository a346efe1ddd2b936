"""Whether the demonstration passed: what must hold, and what is merely worth a warning."""

from __future__ import annotations

from collections.abc import Sequence

from demo.result import ModelResult


def failures(models: Sequence[ModelResult], server_exit_code: int) -> list[str]:
    """Return everything that does not hold; empty when the demonstration passed."""
    found = [] if models else ["no model was measured"]
    for model in models:
        found += _accuracy(model) + _counts(model)
    if server_exit_code != 0:
        found.append(f"the server ended with exit code {server_exit_code} after SIGTERM, not 0")
    return found


def warnings(models: Sequence[ModelResult]) -> list[str]:
    """Return what does not fail the demonstration, but makes a figure doubtful or breaks another promise."""
    found = []
    for model in models:
        if model.bits_differ:
            found.append(f"{model.name}: whole and streamed differ in some bit for {model.bits_differ} sequences")
        for load in (model.whole_load, model.streamed_load):
            if load.errors:
                found.append(f"{model.name}: calls failed under load, {load.load.mode}: {load.errors}")
            if load.fell_behind:
                late = f"p99 of its own delay {load.generator_late_p99_ms:.1f} ms"
                found.append(f"{model.name}: the load generator fell behind, {load.load.mode}: {late}")
    return found


def _accuracy(model: ModelResult) -> list[str]:
    if model.offline_sequences != model.sequences:
        return [f"{model.name}: measured offline on {model.offline_sequences} sequences, served {model.sequences}"]
    served = {"whole": model.correct_whole, "streamed": model.correct_streamed}
    return [
        f"{model.name}: {correct} of {model.sequences} right when served {way}, {model.correct_offline} offline"
        for way, correct in served.items()
        if correct != model.correct_offline
    ]


def _counts(model: ModelResult) -> list[str]:
    kinds = {"Predict": model.server.predict, "Stream": model.server.stream}
    return [
        f"{model.name}: {calls.answered} calls to {api} were answered, the server counted {calls.counted}"
        for api, calls in kinds.items()
        if calls.answered != calls.counted
    ]
