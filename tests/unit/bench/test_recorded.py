from __future__ import annotations

import json
from pathlib import Path

from bench.recorded import recording, write_record


def test_a_record_has_what_was_printed_the_machine_and_the_figures(tmp_path: Path) -> None:
    console = recording()
    console.print("200 streams, [green]none[/] ended")
    write_record(tmp_path / "docs", "renewal", "Renewed under streams", console, {"streams": 200})
    page = (tmp_path / "docs" / "renewal.md").read_text()
    assert page.startswith("# Renewed under streams\n")
    assert "```text\n200 streams, none ended\n```" in page
    assert "onnxruntime" in page
    figures = json.loads((tmp_path / "docs" / "renewal.json").read_text())
    assert figures["streams"] == 200
    assert {"date", "command", "processor", "cores"} <= figures["run"].keys()
    assert str(Path.home()) not in page
