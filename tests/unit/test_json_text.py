"""What every `--json` and report is made of is JSON, whatever the numbers are."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format

from soloist.json_text import json_text
from soloist.v1 import certificate_pb2

ROOT = Path(__file__).parents[2]
# What is written to be read back by ourselves, and holds no figure that could be other than finite.
READ_BACK = {"models/config.py", "service/repository/rollout.py", "service/observers/live_check/repro_bundle.py"}
READ_BACK |= {"service/observers/feedback/answer_writer.py"}
READ_BACK |= {"demo/monitoring/plan.py", "soloist/json_text.py"}
READ_BACK |= {"claims/jobs.py", "claims/trained.py"}
READ_BACK |= {"service/loading/trial_host.py", "service/loading/trials.py"}
READ_BACK |= {"service/app/supervisor.py", "service/processes/channel.py", "service/processes/reports.py"}


def parsed(text: str) -> Any:
    return json.loads(text, parse_constant=pytest.fail)


def test_what_is_not_finite_is_null() -> None:
    value = {"a": [1.5, float("nan")], "b": (float("inf"), {"c": -float("inf")}), "d": None, "e": "NaN", "f": True}
    expected = {"a": [1.5, None], "b": [None, {"c": None}], "d": None, "e": "NaN", "f": True}
    assert parsed(json_text(value)) == expected


def test_float32_reads_back_as_it_was() -> None:
    values = np.array([0.1, 1 / 3, 1e-45, 3.4028235e38, -0.0, np.nan, np.inf], np.float32)
    found = np.array(parsed(json_text({"x": values}))["x"][:5], np.float32)
    assert found.tobytes() == values[:5].tobytes()
    assert parsed(json_text([values[0], values[5], np.float64("inf"), np.int64(3)])) == [
        float(values[0]),
        None,
        None,
        3,
    ]


def test_nothing_else_writes_json() -> None:
    packages = ("soloist", "service", "models", "export", "bench", "simulation", "demo", "claims", "deploy")
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    writers = {str(path.relative_to(ROOT)) for path in files if _dumps(path)}
    assert writers == READ_BACK


def _dumps(path: Path) -> bool:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    return any(call.attr in {"dump", "dumps"} and getattr(call.value, "id", "") == "json" for call in calls)


def test_a_certificate_too() -> None:
    from export.certify import _as_json

    certificate = certificate_pb2.Certificate()
    certificate.verdicts.add(max_abs_difference=float("inf"))
    certificate.verdicts.add(max_abs_difference=0.5)
    found = parsed(_as_json(certificate))
    assert [each["max_abs_difference"] for each in found["verdicts"]] == [None, 0.5]
    del certificate.verdicts[0]
    assert json_format.Parse(_as_json(certificate), certificate_pb2.Certificate()) == certificate
