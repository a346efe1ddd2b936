"""Scenarios from files and options, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.data import load
from simulation.demand import Demand
from simulation.scenario import ScenarioError, scenario
from simulation.shifts import Classes, Gain

ROOT = Path(__file__).parents[3]
FILE = """
model = "m"
task = "digits"
rate_per_second = 5

[labels]
mean_seconds = 9
missing_ratio = 0.5

[[shifts]]
kind = "gain"
factor = 2
begin_seconds = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scenario.toml"
    path.write_text(FILE)
    return path


def test_options_win_over_the_file_and_shifts_add_to_it(file: Path) -> None:
    options = {"rate_per_second": 7, "seconds": None, "labels": {"missing_ratio": 0.25}}
    chosen = scenario(options, ["classes:weight.0=2,weight.1=0"], file)
    assert (chosen.model, chosen.rate_per_second, chosen.labels.mean_seconds) == ("m", 7, 9)
    assert chosen.labels.missing_ratio == 0.25
    assert chosen.shifts == (Gain(factor=2, begin_seconds=3), Classes(weights={"0": 2, "1": 0}))


@pytest.mark.parametrize(
    ("field", "value", "reported"),
    [
        *(("version", version, "no version above 9223372036854775807") for version in (str(2**63), "1" * 5000)),
        *(("seed", seed, "seed: ") for seed in (-1, 2**63)),
    ],
)
def test_numbers_that_no_message_holds_are_told(field: str, value: str | int, reported: str) -> None:
    with pytest.raises(ScenarioError, match=reported):
        scenario({"model": "m", "task": "digits", field: value})


def test_the_largest_version_is_one() -> None:
    assert scenario({"model": "m", "task": "digits", "version": str(2**63 - 1)}).version == str(2**63 - 1)


@pytest.mark.parametrize(
    ("shift", "reported"),
    [
        ("gain:factor=0", "factor"),
        ("gain:factor=2,frames=3", "frames"),
        ("gain:factor", "not NAME=VALUE"),
        ("earthquake:size=9", "earthquake"),
        ("crop:least_frames=5,most_frames=4", "least_frames is above most_frames"),
    ],
)
def test_a_wrong_shift_is_named(shift: str, reported: str) -> None:
    with pytest.raises(ScenarioError, match=reported):
        scenario({"model": "m", "task": "t"}, [shift])


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ScenarioError, match="model"):
        scenario({"task": "digits"})


def test_a_part_beyond_the_last_is_refused() -> None:
    with pytest.raises(ScenarioError, match="no part 3 of 2"):
        scenario({"model": "m", "task": "t", "part": {"number": 3, "of": 2}})


def test_a_file_that_is_no_scenario_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("model = ")
    with pytest.raises(ScenarioError, match=r"s\.toml"):
        scenario({}, (), tmp_path / "s.toml")


@pytest.mark.parametrize("path", sorted((ROOT / "deploy" / "simulation").glob("*.toml")), ids=lambda path: path.name)
def test_the_samples_can_be_played(path: Path) -> None:
    chosen = scenario({}, (), path)
    assert next(iter(Demand(chosen, load(chosen.task)))).due_seconds > 0
