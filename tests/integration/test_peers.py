"""A short run of `python -m bench.peers` without servers that have to be installed, and one that doesn't start."""

from __future__ import annotations

import json
import os
from pathlib import Path

from click.testing import CliRunner

from bench.peers.__main__ import main
from bench.peers.apis import OWN
from bench.peers.catalogue import PEERS, REFERENCE, Peer
from bench.peers.launch import Place
from bench.peers.rounds import Plan, Rounds
from bench.small_model import MODEL


def test_every_answer_has_the_bits_of_the_model_in_a_loop(repository: Path, tmp_path: Path) -> None:
    flags = ["--repository", str(repository), "--out", str(tmp_path), "--environments", str(tmp_path / "none")]
    short = ["--only", "soloist", "--only", "bare", "--rounds", "1", "--seconds", "0.05", "--in-flight", "2"]
    found = CliRunner().invoke(main, [*flags, *short])
    assert found.exit_code == 0, found.output
    written = json.loads((tmp_path / "peers.json").read_text())
    measured = {(each["row"], each["traffic"]): each for each in written["slices"]}
    asked = {key: each for key, each in measured.items() if not key[0].startswith("the model")}
    assert len(asked) == 7 + 4
    assert all(each["compared"] > 0 and each["wrong"] == 0 and each["failures"] == {} for each in asked.values())
    assert set(written["started"]) == {"grpc-aio", "bare-httpunk", "soloist", "soloist-httpunk"}
    page = (tmp_path / "peers.md").read_text()
    assert all(f"| {row} |" in page for row, _ in asked)
    assert "TorchServe" in page
    assert (tmp_path / "peers.svg").read_text().startswith("<?xml")


def test_a_peer_that_does_not_start_is_left_out_with_the_reason(repository: Path, tmp_path: Path) -> None:
    reference = next(peer for peer in PEERS if REFERENCE in peer.unary)
    broken = Peer(name="broken", arguments=("-c", "raise SystemExit('no such library')"), unary={"broken": OWN})
    plan = Plan(peers=[broken, reference], in_flight=[1], rounds=1, seconds=0.02)
    cores = os.sched_getaffinity(0)
    told: list[str] = []
    place = Place(
        server_cores=cores,
        client_cores=cores,
        repository=repository,
        model=MODEL,
        folder=tmp_path,
    )
    found = Rounds(plan, place, tmp_path / "none", told.append).run()
    assert "no such library" in found.left_out["broken"]
    assert {each.row for each in found.slices} > {REFERENCE}
    assert any("round 1 of 1" in each for each in told)
