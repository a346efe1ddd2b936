"""The command line that fills the repository of the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.export_models import main


@pytest.mark.parametrize("seed", ["-1", str(2**63), "1" * 5000])
def test_a_seed_that_is_none_is_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seed: str
) -> None:
    options = ["--repository", str(tmp_path), "--seed", seed, "vowels-lstm-layer"]
    monkeypatch.setattr("sys.argv", ["deploy.export_models", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "argument --seed: " in capsys.readouterr().err
