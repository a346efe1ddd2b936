"""How many series a version has on /metrics of a real server: as many as the reference says, and at most 250."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.reference.metrics import answered_series, api_series, ready_series
from soloist import SoloistError
from tests.graphs import Sums
from tests.integration.asking import CLOSE, Asker, asking, chunk, ones, opening
from tests.integration.labelling import write_classifier
from tests.probe_graphs import write as write_probed
from tests.servers import RunningServer, eventually, running_server

MOST_SERIES = 250
VERSIONS = (1, 2, 3)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    for version in VERSIONS:
        write_classifier(tmp_path / "repository", version=version)
    Sums(name="plain").write(tmp_path / "repository")
    log = tmp_path / "log.db"
    with running_server(tmp_path / "repository", tmp_path, version_policy="all", prediction_log=log) as server:
        yield server


@pytest.fixture
def asker(server: RunningServer) -> Iterator[Asker]:
    with asking(server.grpc) as asker:
        yield asker


def series(server: RunningServer, model: str, version: int) -> int:
    """Count the series of a version, without those of accuracy, which come when a window is counted."""
    bears = {("model", model), ("version", str(version))}
    samples = server.samples("soloist_")
    return sum(bears <= set(labels) for each in samples.values() for labels in each if ("slice", "all") not in labels)


def share(server: RunningServer, model: str) -> int:
    """Count all series that bear a model's name."""
    return sum(("model", model) in labels for each in server.samples("soloist_").values() for labels in each)


def test_series_come_with_what_happens_and_not_before(server: RunningServer, asker: Asker) -> None:
    ready = ready_series(names_classes=True)
    assert [series(server, "sums", version) for version in VERSIONS] == [ready] * len(VERSIONS)
    assert series(server, "plain", 1) == ready_series()

    asker.predict(ones(3), version=1)
    called = ready + api_series(answers_sequences=True) + answered_series()
    assert eventually(lambda: series(server, "sums", 1) == called)
    assert series(server, "sums", 2) == ready

    with pytest.raises(SoloistError):
        asker.predict(ones(3, 7), version=1)
    assert eventually(lambda: series(server, "sums", 1) == called + 1)  # another code

    asker.converse(opening(version=1), chunk(0, ones(3)), CLOSE)
    called += 1 + api_series(answers_sequences=True)  # another method
    assert eventually(lambda: series(server, "sums", 1) == called)
    assert series(server, "sums", 2) == ready


def test_a_version_that_one_method_is_called_by_has_few_series(server: RunningServer, asker: Asker) -> None:
    for version in VERSIONS:
        asker.predict(ones(3), version=version)
    coverage = "soloist_label_coverage_ratio"
    assert eventually(lambda: len(server.samples(coverage).get(coverage, ())) == 3 * len(VERSIONS))
    assert share(server, "sums") <= MOST_SERIES * len(VERSIONS)
    # By itself, with all that its model has.
    of_all = sum(series(server, "sums", version) for version in VERSIONS)
    assert share(server, "sums") - of_all + series(server, "sums", 1) <= MOST_SERIES


def test_the_series_of_a_probe_are_those_of_its_layers(tmp_path: Path) -> None:
    write_probed(tmp_path / "repository")
    with running_server(tmp_path / "repository", tmp_path) as server:
        assert series(server, "sums", 1) == ready_series(layers=1)
