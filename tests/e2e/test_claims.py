"""Every claim once, quickly: `make test-claims`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from claims.catalogue import CLAIMS
from claims.verdict import Verdict


@pytest.mark.skipif(not os.environ.get("TEST_CLAIMS"), reason="takes minutes: make test-claims")
@pytest.mark.timeout(1800)
def test_a_quick_run_of_every_claim(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "soloist.cli.main", "claims", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, check=True)
    found = json.loads((tmp_path / "claims.json").read_text())
    assert [claim["number"] for claim in found["claims"]] == list(CLAIMS)
    assert {claim["verdict"] for claim in found["claims"]} <= set(Verdict)
    assert found["quick"]
