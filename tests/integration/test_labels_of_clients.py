"""Labels where clients show who they are: one server of two processes, so that labels come to the one or the other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import grpc
import pytest

from bench.server.metrics_page import MetricsPage
from soloist import Client, Label, LabelOutcome, PermissionDeniedError
from soloist.client.errors import from_rpc_error
from soloist.v1 import feedback_pb2 as pb
from soloist.v1.feedback_pb2_grpc import FeedbackStub
from tests.integration.labelling import sequence, write_classifier
from tests.integration.tokens import bearer, over_http, token_of, write_tokens
from tests.servers import RunningServer, eventually, running_server

OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("owners")
    write_classifier(folder / "repository")
    clients = {"owner": ["infer"], "stranger": ["infer"], "judge": ["feedback"], "watch": ["monitor"]}
    with running_server(
        folder / "repository",
        folder,
        tokens_file=write_tokens(folder / "tokens.toml", clients),
        prediction_log=folder / "log.db",
        prediction_log_flush_seconds=0.02,
        processes=2,
        transport=transport,
    ) as server:
        yield server


def ask(server: RunningServer) -> str:
    """Return the id of an answer of class 1 that the owner gets."""
    with Client(server.grpc, token=token_of("owner")) as client:
        return client.predict("sums", sequence(1)).prediction_id


def report(server: RunningServer, name: str, prediction_id: str, truth: int, *, step: int | None = None) -> str:
    """Return the outcome of a label over a connection of its own, or the reason of its refusal."""
    label = pb.GroundTruth(prediction_id=prediction_id, class_index=truth, step=step)
    with grpc.insecure_channel(server.grpc, OWN_CONNECTION) as channel:
        try:
            found = FeedbackStub(channel).Report(pb.ReportRequest(labels=[label]), metadata=bearer(name))
        except grpc.RpcError as error:
            return from_rpc_error(error).reason
    return pb.LabelOutcome.Name(found.outcomes[0]).removeprefix("LABEL_OUTCOME_")


def is_logged(server: RunningServer, prediction_id: str) -> bool:
    """Return whether an answer is in the log: till then labels wait, and this one is of no frame that was answered."""
    return report(server, "judge", prediction_id, 0, step=9) == "STEP_NOT_ANSWERED"


def counted(server: RunningServer, outcome: str) -> float:
    _, _, page = over_http(server, "GET", "/metrics", authorization=f"Bearer {token_of('watch')}")
    return MetricsPage(page).total("soloist_labels_total", model="sums", outcome=outcome)


def test_a_label_of_a_stranger_spoils_nothing_whichever_process_gets_it(server: RunningServer) -> None:
    logged = [ask(server) for _ in range(4)]
    for each in logged:
        assert eventually(partial(is_logged, server, each))
        assert report(server, "stranger", each, 0) == "LABEL_FORBIDDEN"
    assert [report(server, "owner", each, 1) for each in logged[:2]] == ["JOINED"] * 2
    assert [report(server, "judge", each, 1) for each in logged[2:]] == ["JOINED"] * 2
    assert [counted(server, outcome) for outcome in ("joined", "forbidden", "contradictory")] == [4, 4, 0]


def test_a_refused_label_takes_those_of_its_message_with_it(server: RunningServer) -> None:
    logged = [ask(server) for _ in range(2)]
    assert all(eventually(partial(is_logged, server, each)) for each in logged)
    with Client(server.grpc, token=token_of("stranger")) as stranger:
        own = stranger.predict("sums", sequence(1)).prediction_id
        assert eventually(partial(is_logged, server, own))
        with pytest.raises(PermissionDeniedError) as refused:
            stranger.report_many([Label(prediction_id=each, label=1) for each in (own, *logged)])
        assert refused.value.facts["client"] == "stranger"
        assert stranger.report(own, 1) is LabelOutcome.JOINED
