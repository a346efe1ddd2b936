"""What a run leaves: everything as JSON, a page, and a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench import machine
from bench.peers.catalogue import PEERS, version_of
from bench.peers.plot import draw
from bench.peers.rounds import Found, Plan
from bench.peers.tables import Sheet
from soloist.json_text import json_text

JSON_NAME, PAGE_NAME, PLOT_NAME = "peers.json", "peers.md", "peers.svg"
_HOW = """\
The same ONNX file, the same inputs, one thread everywhere; the server on one core, the client on another, and all other
servers stopped meanwhile. Rates are medians of {rounds} rounds, least and most in brackets; ratios are those of two
rates in the same round. Each slice lasts {seconds:g} s. A wrong answer is one whose bits aren't those of the model in a
loop. Where a rate bears a *, the client was busy for more than 95 % of the time, and the server may be faster.
"""


def write(out: Path, found: Found, sheets: Sequence[Sheet], plan: Plan, *, command: str, date: str) -> None:
    """Write all three into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    run = {"date": date, "command": command, **machine.facts()}
    peers = {peer.name: version_of(peer) for peer in PEERS if peer.name in found.started and peer.requirements}
    everything = {
        "run": run,
        "versions": machine.versions(),
        "peers": peers,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        **asdict(found),
    }
    (out / JSON_NAME).write_text(json_text(everything) + "\n")
    draw(found, out / PLOT_NAME)
    lines = [
        "# Peers",
        "",
        _HOW.format(rounds=plan.rounds, seconds=plan.seconds),
        *(f"- {name}: {value}" for name, value in run.items() if name != "command"),
        f"- versions: {', '.join(f'{name} {value}' for name, value in machine.versions().items())}",
        f"- command: `{command}`",
        "",
        f"![Rates of all servers]({PLOT_NAME})",
        "",
    ]
    for sheet in sheets:
        lines += [f"## {sheet.title}", "", sheet.as_markdown(), ""]
    (out / PAGE_NAME).write_text("\n".join(lines))
