"""What /metrics says: every counter is there from the start, traffic is counted exactly, nobody invents a label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from soloist import Client, SoloistError
from tests.graphs import Sums
from tests.integration.asking import Asker, asking, chunk, ones, opening
from tests.integration.labelling import write_classifier
from tests.servers import RunningServer, Samples, eventually, running_server

CALL, MODEL = {"model", "version", "api"}, {"model", "version"}
LABELS = {
    "soloist_requests_total": CALL | {"code"},
    "soloist_sessions_open": {"model"},
    "soloist_sessions_ended_total": {"model", "reason"},
    "soloist_session_state_bytes": {"model"},
    "soloist_predictions_total": MODEL | {"norm"},
    "soloist_invariance_checks_total": MODEL | {"outcome"},
    "soloist_labels_total": MODEL | {"norm", "outcome"},
    "soloist_prediction_log_dropped_total": MODEL,
    "soloist_model_info": MODEL | {"norm", "certificate"},
    "soloist_background_failures_total": {"worker"},
}
# They come with their first observation.
HISTOGRAMS = {
    "soloist_request_seconds": CALL,
    "soloist_first_output_seconds": CALL,
    "soloist_queue_seconds": CALL,
    "soloist_compute_seconds": CALL,
    "soloist_batch_size": MODEL,
    "soloist_padding_ratio": MODEL,
    "soloist_joined_chunks": MODEL,
    "soloist_sequence_frames": MODEL,
}
# What alerts read; the others come with the first call that ends so.
ALERTED = {"OK", "INTERNAL", "RESOURCE_EXHAUSTED"}
CODES = (
    "OK INVALID_ARGUMENT NOT_FOUND FAILED_PRECONDITION RESOURCE_EXHAUSTED CANCELLED ABORTED DEADLINE_EXCEEDED "
    "UNAVAILABLE UNIMPLEMENTED INTERNAL UNAUTHENTICATED PERMISSION_DENIED"
)
WORKERS = (
    "run-watch event-loop arrivals prediction-log accuracy shadow skew live-check statistics repository metrics http "
    "certificates access keys sequence-store access-log tracing"
)
ENDS = "complete stored cancelled deadline idle evicted drained too-old error"


@dataclass(frozen=True)
class Story:
    """Samples before and after the traffic that `_traffic` makes."""

    before: Samples
    after: Samples

    def grown(self, name: str, **labels: str) -> float:
        """By how much the samples grew that bear `labels`."""
        return _sum(self.after, name, labels) - _sum(self.before, name, labels)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("metrics")
    write_classifier(folder / "repository", norm="none")
    Sums(name="letters", token_count=256).write(folder / "repository", version=2)
    Sums(name="broken").write(folder / "repository").write_bytes(b"")
    with running_server(folder / "repository", folder) as server, asking(server.grpc) as asker:
        before = server.samples()
        _traffic(server, asker)
        yield Story(before, server.samples())


def _traffic(server: RunningServer, asker: Asker) -> None:
    """Ask in every way, well and badly, and make things up."""
    for frames in (3, 5, 200):
        asker.predict(ones(frames))
    with Client(server.grpc) as client:
        with client.stream("letters") as stream:
            stream.send("ab")
            stream.send("c")
        client.models()
        client.model("sums")
    for bad in (
        lambda: asker.predict(ones(3, 7)),
        lambda: asker.predict(ones(0)),
        lambda: asker.predict(ones(3), model="an invented model"),
        lambda: asker.predict(ones(3), version=77),
        lambda: asker.predict(ones(3), model="broken"),
        lambda: asker.unary_bytes("Invented", b""),
        lambda: asker.converse(opening("an invented stream")),
        lambda: asker.converse(opening(), chunk(5, ones(3))),
        lambda: asker.converse(opening()),
    ):
        with pytest.raises(SoloistError):
            bad()
    assert eventually(lambda: server.total("soloist_requests_total", api="Stream") == 4)


def test_every_series_is_there_from_the_start_and_zero(story: Story) -> None:
    for name, labels in LABELS.items():
        assert story.before[name], name
        for series, value in story.before[name].items():
            assert dict(series).keys() == labels
            assert value == (1 if name == "soloist_model_info" else 0), (name, series)


def test_every_code_that_alerts_read_and_every_end_is_there_from_the_start(story: Story) -> None:
    for model in ("sums", "letters"):
        for api in ("Predict", "Stream", "ModelInfer", "ModelStreamInfer", "GetModel", "Compare"):
            assert _values(story.before, "soloist_requests_total", "code", model=model, api=api) == ALERTED
        assert _values(story.before, "soloist_sessions_ended_total", "reason", model=model) == set(ENDS.split())


def test_every_worker_off_the_request_path_is_there_from_the_start(story: Story) -> None:
    assert _values(story.before, "soloist_background_failures_total", "worker") == set(WORKERS.split())
    assert _sum(story.after, "soloist_background_failures_total", {}) == 0


def test_histograms_come_with_their_first_observation(story: Story) -> None:
    for name, labels in HISTOGRAMS.items():
        assert f"{name}_count" not in story.before
        for series in story.after[f"{name}_count"]:
            assert dict(series).keys() == labels


def test_nothing_a_caller_says_makes_a_series(story: Story) -> None:
    for name in (name for name in story.after if name.startswith("soloist_")):
        new = story.after[name].keys() - story.before.get(name, {}).keys()
        known = {"model": {"sums", "letters"}, "version": {"1", "2"}, "api": {"Predict", "Stream", "GetModel"}}
        if name == "soloist_requests_total":  # codes that no alert reads, also of calls to no model that there is
            known = {**known, "model": {"", *known["model"]}, "version": {"", *known["version"]}}
            assert {dict(series)["code"] for series in new} <= set(CODES.split()) - ALERTED
        else:
            assert not new or name.rpartition("_")[0] in HISTOGRAMS
        for role, values in known.items():
            assert {dict(series)[role] for series in new if role in dict(series)} <= values


@pytest.mark.parametrize(
    ("model", "api", "code", "calls"),
    [
        ("sums", "Predict", "OK", 3),
        ("sums", "Predict", "INVALID_ARGUMENT", 2),
        ("", "Predict", "NOT_FOUND", 2),
        ("", "Predict", "FAILED_PRECONDITION", 1),
        ("letters", "Stream", "OK", 1),
        ("", "Stream", "NOT_FOUND", 1),
        ("sums", "Stream", "FAILED_PRECONDITION", 1),
        ("sums", "Stream", "CANCELLED", 1),
        ("", "ListModels", "OK", 1),
        ("sums", "GetModel", "OK", 1),
    ],
)
def test_every_call_is_counted_once_under_its_code(story: Story, model: str, api: str, code: str, calls: int) -> None:
    assert story.grown("soloist_requests_total", model=model, api=api, code=code) == calls


def test_no_other_call_is_counted(story: Story) -> None:
    # One more GetModel than the story tells of: the client asks what "letters" takes, to turn text into tokens.
    assert story.grown("soloist_requests_total") == 15
    assert story.grown("soloist_requests_total", model="letters", api="GetModel", code="OK") == 1


def test_predictions_and_frames_are_counted(story: Story) -> None:
    assert story.grown("soloist_predictions_total", model="sums", version="1", norm="none") == 3
    assert story.grown("soloist_predictions_total", model="letters", version="2", norm="none") == 2
    assert story.grown("soloist_sequence_frames_count", model="sums") == 3
    assert story.grown("soloist_sequence_frames_sum", model="sums") == 208
    assert story.grown("soloist_sequence_frames_sum", model="letters") == 3
    assert story.grown("soloist_batch_size_sum", model="sums") == 3


def test_times_are_observed_once_a_call_or_chunk(story: Story) -> None:
    for model, api, calls, runs in (("sums", "Predict", 5, 3), ("letters", "Stream", 1, 2)):
        assert story.grown("soloist_request_seconds_count", model=model, api=api) == calls
        assert story.grown("soloist_queue_seconds_count", model=model, api=api) == runs
        assert story.grown("soloist_compute_seconds_count", model=model, api=api) == runs
    assert story.grown("soloist_first_output_seconds_count", model="letters", api="Stream") == 1


def test_sessions_are_counted_by_what_ended_them(story: Story) -> None:
    assert story.grown("soloist_sessions_ended_total", model="letters", reason="complete") == 1
    assert story.grown("soloist_sessions_ended_total", model="sums", reason="cancelled") == 1
    assert story.grown("soloist_sessions_ended_total", model="sums", reason="error") == 1
    assert story.grown("soloist_sessions_ended_total") == 3
    assert _sum(story.after, "soloist_sessions_open", {}) == 0
    assert _sum(story.after, "soloist_session_state_bytes", {}) == 0


def test_an_open_stream_shows(strict: RunningServer) -> None:
    with Client(strict.grpc) as client, client.stream("sums"), client.stream("short"):
        assert strict.total("soloist_sessions_open", model="sums") == 1
        assert strict.total("soloist_sessions_open") == 2
        assert strict.total("soloist_session_state_bytes", model="sums") == 8


def _sum(samples: Samples, name: str, labels: dict[str, str]) -> float:
    return sum(value for series, value in samples.get(name, {}).items() if labels.items() <= dict(series).items())


def _values(samples: Samples, name: str, label: str, **labels: str) -> set[str]:
    return {dict(series)[label] for series in samples[name] if labels.items() <= dict(series).items()}
