"""What is made of the slices of a run: ratios within a round, medians over rounds, wrong answers beside rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.peers import apis
from bench.peers.catalogue import LOOP, PEERS, REFERENCE, REQUIREMENTS, version_of
from bench.peers.environments import last_line, python_of
from bench.peers.process_tree import resident_mebibytes, tree
from bench.peers.rounds import Found
from bench.peers.slices import WHOLE, Slice
from bench.peers.summary import AIO, TARGETS, Summary
from bench.peers.tables import sheets
from soloist.oip import grpc_service_pb2 as oip


def slice_of(row: str, round_: int, rate: float, *, wrong: int = 0, in_flight: int = 8) -> Slice:
    return Slice(row=row, traffic=WHOLE, in_flight=in_flight, round=round_, rate=rate, compared=10, wrong=wrong)


SLICES = [
    slice_of(LOOP, 0, 1000.0),
    slice_of(REFERENCE, 0, 100.0),
    slice_of(AIO, 0, 90.0),
    slice_of(LOOP, 1, 500.0),
    slice_of(REFERENCE, 1, 50.0),
    slice_of(AIO, 1, 40.0, wrong=3),
    slice_of(LOOP, 2, 1000.0),
    slice_of(REFERENCE, 2, 200.0),
]


def test_ratios_are_those_of_one_round() -> None:
    ratio = Summary(SLICES).ratio(WHOLE, AIO, REFERENCE, 8)
    assert ratio is not None
    assert (ratio.median, ratio.least, ratio.most) == pytest.approx((0.85, 0.8, 0.9))


def test_a_cell_has_everything_of_its_row() -> None:
    cell = Summary(SLICES).cell(WHOLE, AIO, 8)
    assert cell is not None
    assert cell.rate.median == 65.0
    assert (cell.compared, cell.wrong) == (20, 3)
    assert cell.to_loop is not None
    assert cell.to_loop.median == pytest.approx(0.085)
    assert Summary(SLICES).cell(WHOLE, AIO, 32) is None
    assert Summary(SLICES).ratio(WHOLE, AIO, "nobody", 8) is None


def test_tables_show_wrong_answers_targets_and_what_is_left_out() -> None:
    found = Found(slices=SLICES, started={"soloist": (0.4, 90.0)}, left_out={"someone": "no such package"})
    shown = {sheet.title: sheet.as_markdown() for sheet in sheets(found)}
    assert "3 of 20" in shown["Whole sequences a second"]
    assert "0.85 (0.80–0.90)" in shown["Targets"]
    assert shown["Targets"].count("\n") == 1 + len(TARGETS)
    assert "| 0.4 | 90 |" in shown["What each takes"]
    assert "no such package" in shown["Left out"]


def test_other_servers_are_pinned_with_all_that_they_need() -> None:
    for peer in PEERS:
        if peer.requirements is not None:
            pins = (REQUIREMENTS / peer.requirements).read_text().splitlines()
            assert all("==" in pin for pin in pins)
            assert "onnxruntime==1.32.0" in pins
            assert version_of(peer)


def test_an_environment_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    peer = next(peer for peer in PEERS if peer.name == "mosec")
    (tmp_path / "mosec").mkdir()
    (tmp_path / "mosec" / "installed.txt").write_text((REQUIREMENTS / "mosec.txt").read_text())
    assert python_of(peer, tmp_path) == tmp_path / "mosec" / "bin" / "python"


@pytest.mark.parametrize("contents", [True, False])
def test_the_last_output_is_found_in_both_forms_of_an_open_inference_answer(contents: bool) -> None:
    outputs = np.arange(6, dtype=np.float32)
    answer = oip.ModelInferResponse(outputs=[oip.ModelInferResponse.InferOutputTensor(shape=[1, 2, 3])])
    if contents:
        answer.outputs[0].contents.fp32_contents.extend(outputs)
    else:
        answer.raw_output_contents.append(outputs.tobytes())
    assert apis.OPEN_INFERENCE.last(answer.SerializeToString(), 3) == outputs[3:].tobytes()


def test_json_keeps_bits() -> None:
    output = np.array([0.1, 1 / 3, 1e-30], np.float32)
    answer = str({"outputs": output.tolist()}).replace("'", '"').encode()
    assert apis.JSON.last(answer, 3) == output.tobytes()


def test_a_process_counts_with_what_it_has_started() -> None:
    assert tree(1)[0] == 1
    assert resident_mebibytes(1) > 0
    assert tree(2**22 + 1) == [2**22 + 1]


def test_the_last_line_of_a_log_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_text("first\nERROR: no matching distribution\n\n")
    assert last_line(log) == "ERROR: no matching distribution"
