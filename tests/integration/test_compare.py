"""Compare through the real server: exported models keep their bits, and the statistics of the batch at hand don't."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from soloist import BatchNeighbours, Chunked, Client, Condition, DeadlineExceededError, Padded, ResourceExhaustedError
from soloist.cli.main import main
from tests.batch_statistics import BatchStatistics
from tests.graphs import METADATA_KEY
from tests.servers import RunningServer, running_server

LAYER, BATCH, CONTROL = "vowels-tcn-layer", "vowels-tcn-batch", "vowels-tcn-batch-current"
FRAMES = np.random.default_rng(30).normal(size=(19, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def compared(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Serve the small models, and a control that says it has the weights of the BatchNorm one."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copytree(repository, folder / "repository")
    written = onnx.load(folder / "repository" / BATCH / "1" / "model.onnx")
    manifest = json.loads(next(each.value for each in written.metadata_props if each.key == METADATA_KEY))
    checkpoint = manifest["provenance"]["checkpointSha256"]
    BatchStatistics(name=CONTROL, features=12, classes=9, checkpoint=checkpoint).write(folder / "repository")
    with running_server(folder / "repository", folder) as server:
        yield server


@pytest.fixture
def client(compared: RunningServer) -> Iterator[Client]:
    with Client(compared.grpc) as client:
        yield client


def test_siblings_are_found_and_the_control_comes_last(client: Client) -> None:
    assert [each.model for each in client.compare(LAYER, FRAMES).models] == [LAYER, BATCH, CONTROL]
    assert [each.model for each in client.compare(BATCH, FRAMES).models] == [BATCH, LAYER, CONTROL]


def test_layer_norm_and_running_statistics_keep_every_bit(client: Client) -> None:
    layer, batch, _ = client.compare(LAYER, FRAMES).models
    for model in (layer, batch):
        assert len(model.outcomes) == 12
        assert model.same_bits
        for outcome in model.outcomes:
            assert outcome.deviation is not None
            assert (outcome.deviation.compared_outputs, outcome.deviation.max_ulp) == (19 * 9, 0)
            assert not outcome.deviation.class_changed


@pytest.mark.parametrize("model", ["vowels-lstm-layer", "vowels-transformer-layer"])
def test_other_architectures_keep_every_bit_and_are_compared_alone(client: Client, model: str) -> None:
    (found,) = client.compare(model, FRAMES).models
    assert found.model == model
    assert found.same_bits
    assert not any(outcome.not_run for outcome in found.outcomes)


def test_statistics_of_the_batch_change_the_answer(client: Client) -> None:
    conditions: list[Condition] = [BatchNeighbours(1), BatchNeighbours(31, 100.0), Padded(60), Chunked(1)]
    control = client.compare(LAYER, FRAMES, conditions=conditions).models[-1]
    assert (control.norm, control.control, control.twin) == ("batch_current", True, BATCH)
    one, loud, padded, cut = control.outcomes
    for outcome in (one, loud):
        assert outcome.deviation is not None
        assert outcome.deviation.differing_outputs > 0
        assert outcome.deviation.max_ulp > 1000  # no rounding
    assert padded.deviation is not None  # masked: padding doesn't enter the statistics
    assert padded.deviation.max_abs_difference < 1e-3
    assert "from chunk to chunk" in cut.not_run
    assert control.deviation_from_twin is not None  # a batch of one, against running statistics
    assert control.deviation_from_twin.max_abs_difference > 0


def test_the_answer_alone_is_what_predict_says(client: Client) -> None:
    alone, said = client.compare(LAYER, FRAMES).models[0].alone, client.predict(LAYER, FRAMES)
    assert alone.outputs is not None
    assert alone.outputs.tobytes() == said.outputs.tobytes()
    assert (alone.index, alone.label, alone.confidence) == (said.index, said.label, said.confidence)


@pytest.mark.parametrize("seed", [-1, -(2**63), 2**63 - 1])
def test_every_number_is_a_seed(client: Client, seed: int) -> None:
    once, again = (
        client.compare(LAYER, FRAMES, siblings=[CONTROL], conditions=[BatchNeighbours(2)], seed=seed) for _ in range(2)
    )
    deviations = [each.models[1].outcomes[0].deviation for each in (once, again)]
    assert deviations[0] is not None
    assert deviations[0] == deviations[1]


def test_the_seed_chooses_the_neighbours(client: Client) -> None:
    found = [
        client.compare(LAYER, FRAMES, siblings=[CONTROL], conditions=[BatchNeighbours(2)], seed=seed).models[1]
        for seed in (1, 1, 2)
    ]
    first, again, other = (np.asarray(each.outcomes[0].outputs).tolist() for each in found)
    assert first == again
    assert first != other


def test_neighbours_may_be_sent(client: Client) -> None:
    copies = [FRAMES, FRAMES, FRAMES]
    found = client.compare(LAYER, FRAMES, siblings=[CONTROL], neighbours=copies)
    assert found.conditions[0] == BatchNeighbours(3)
    mine = found.models[1].outcomes[0].deviation
    assert mine is not None
    assert mine.max_abs_difference < 1e-3  # a batch of copies has the statistics of one
    longer = client.compare(LAYER, FRAMES, neighbours=[np.repeat(FRAMES, 3, axis=0)]).models
    assert [each.same_bits for each in longer] == [True, True, False]


def test_one_frame_can_be_compared(client: Client) -> None:
    layer, batch, control = client.compare(LAYER, FRAMES[:1]).models
    assert layer.same_bits
    assert batch.same_bits
    assert not control.same_bits


def test_a_control_is_marked_and_called_only_by_its_name(client: Client) -> None:
    assert {each.name for each in client.models() if each.control} == {CONTROL}
    assert client.predict(BATCH, FRAMES).model == BATCH
    assert client.predict(CONTROL, FRAMES).model == CONTROL


def test_it_counts_as_a_call_and_not_as_a_prediction(compared: RunningServer, client: Client) -> None:
    before = compared.total("soloist_predictions_total")
    calls = compared.total("soloist_requests_total", model=LAYER, api="Compare", code="OK")
    client.compare(LAYER, FRAMES)
    assert compared.total("soloist_predictions_total") == before
    assert compared.total("soloist_requests_total", model=LAYER, api="Compare", code="OK") == calls + 1


def test_the_command_prints_zeros_beside_drift(compared: RunningServer, tmp_path: Path) -> None:
    np.save(tmp_path / "frames.npy", FRAMES)
    picture = tmp_path / "compare.svg"
    command = ["compare", LAYER, str(tmp_path / "frames.npy"), "--server", compared.grpc, "--plot", str(picture)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert f"{LAYER}: the same bits under 12 of 12 conditions" in result.stdout
    assert f"{BATCH}: the same bits under 12 of 12 conditions" in result.stdout
    assert "0: same bits" in picture.read_text()


def test_a_deadline_ends_it(client: Client) -> None:
    frames = np.zeros((20_000, 12), np.float32)
    with pytest.raises(DeadlineExceededError):
        client.compare(LAYER, frames, conditions=[Chunked(1)] * 10, timeout_seconds=0.2)


def test_an_operator_may_refuse_them_all(repository: Path, tmp_path: Path) -> None:
    with running_server(repository, tmp_path, max_concurrent_comparisons=0) as server, Client(server.grpc) as client:
        with pytest.raises(ResourceExhaustedError) as caught:
            client.compare(LAYER, FRAMES)
        assert caught.value.reason == "TOO_MANY_COMPARISONS"
        assert client.predict(LAYER, FRAMES).model == LAYER
