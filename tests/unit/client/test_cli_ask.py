"""`soloist predict | stream | models` against a server."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result

from soloist.cli.main import main

if TYPE_CHECKING:
    from tests.unit.client.conftest import FakeServer

FRAMES = np.array([[1, 2], [3, 5], [0.5, 0.25]], np.float32)
CSV = "x,y\n1,2\n3,5\n\n0.5,0.25\n"


def soloist(fake: FakeServer, *arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(main, [*arguments, "--server", fake.target], input=stdin)


def npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_predict_reads_a_csv_pipe(fake: FakeServer) -> None:
    result = soloist(fake, "predict", "sums", stdin=CSV)
    assert (result.exit_code, result.stdout) == (0, "right  0.7500  (sums version 3, 3 frames)\n")


def test_predict_reads_files_by_their_names(fake: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "frames.csv").write_text(CSV)
    (tmp_path / "frames.npy").write_bytes(npy(FRAMES))
    answers = [soloist(fake, "predict", "sums", str(tmp_path / f"frames.{form}"), "--json") for form in ("csv", "npy")]
    assert [json.loads(answer.stdout)["outputs"] for answer in answers] == [[4.5, 7.25], [4.5, 7.25]]


def test_predict_prints_json(fake: FakeServer) -> None:
    result = soloist(fake, "predict", "sums", "--every-frame", "--json", "--version", "3", stdin=CSV)
    answer = json.loads(result.stdout)
    assert answer["outputs"] == [[1, 2], [4, 7], [4.5, 7.25]]
    assert (answer["model"], answer["version"], answer["label"], answer["frame_count"]) == ("sums", 3, "right", 3)


def test_predict_shows_every_frame(fake: FakeServer) -> None:
    result = soloist(fake, "predict", "sums", "--every-frame", stdin=CSV)
    assert result.stdout.splitlines()[:3] == ["0: 1 2", "1: 4 7", "2: 4.5 7.25"]


def test_predict_reads_text(fake: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("two\nlines\n")
    piped = soloist(fake, "predict", "letters", stdin="two\nlines\n")
    read = soloist(fake, "predict", "letters", str(tmp_path / "text.txt"))
    assert piped.stdout == "odd  0.7500  (letters version 1, 9 frames)\n"
    assert read.stdout == piped.stdout


def test_predict_reads_tokens(fake: FakeServer) -> None:
    result = soloist(fake, "predict", "letters", "--format", "csv", "--json", stdin="2\n4\n5\n")
    assert json.loads(result.stdout)["outputs"] == [2, 1]


def test_stream_prints_a_line_a_chunk(fake: FakeServer) -> None:
    result = soloist(fake, "stream", "sums", "--chunk-frames", "2", stdin=CSV)
    assert (result.exit_code, result.stdout) == (0, "0-1  right  0.7500\n2-2  right  0.7500\n")
    assert fake.stream_ends == ["closed"]


def test_stream_cuts_an_array(fake: FakeServer) -> None:
    result = soloist(
        fake, "stream", "sums", "--format", "npy", "--chunk-frames", "2", "--json", "--every-frame", stdin=npy(FRAMES)
    )
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["first_frame"] for answer in answers] == [0, 2]
    assert [answer["outputs"] for answer in answers] == [[[1, 2], [4, 7]], [[4.5, 7.25]]]


def test_stream_of_text_ends_where_predict_does(fake: FakeServer) -> None:
    text = "one\n\nthree, longer\n"
    whole = json.loads(soloist(fake, "predict", "letters", "--json", stdin=text).stdout)
    result = soloist(fake, "stream", "letters", "--json", "--chunk-frames", "5", stdin=text)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["frame_count"] for answer in answers] == [3, 1, 5, 5, 4]
    assert answers[-1]["outputs"] == whole["outputs"]


def test_models_is_a_table(fake: FakeServer) -> None:
    result = soloist(fake, "models")
    assert result.stdout.splitlines() == [
        "MODEL    VERSION  STATE        REASON",
        "broken   1        unavailable  model.onnx is truncated",
        "letters  1        ready",
        "sums     3        ready",
    ]


def test_models_prints_json(fake: FakeServer) -> None:
    result = soloist(fake, "models", "--json")
    assert json.loads(result.stdout.splitlines()[1]) == {
        "name": "letters",
        "version": 1,
        "state": "ready",
        "reason": "",
    }


def test_a_refusal_is_told_on_stderr(fake: FakeServer) -> None:
    result = soloist(fake, "predict", "absent", stdin=CSV)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "soloist: MODEL_NOT_FOUND: No such model.\n"


def test_a_refused_chunk_keeps_the_lines_before_it(fake: FakeServer) -> None:
    fake.refuse_frame = 2
    result = soloist(fake, "stream", "sums", "--chunk-frames", "2", stdin=CSV)
    assert (result.exit_code, result.stdout) == (1, "0-1  right  0.7500\n")
    assert "SESSION_IDLE" in result.stderr


def test_nobody_there_names_the_address(fake: FakeServer) -> None:
    fake.refuse(grpc.StatusCode.INTERNAL)
    result = soloist(fake, "predict", "sums", stdin=CSV)
    assert (result.exit_code, result.stderr) == (1, f"soloist: INTERNAL: no ({fake.target})\n")


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["predict", "sums"], "1,2\na,b\n", "line 2, column 1: 'a' is no number"),
        (["predict", "sums"], "1,2\n3\n", "line 2 has 1 columns"),
        (["stream", "sums", "--chunk-frames", "1"], "1,2\n3\n", "line 2 has 1 columns"),
        (["predict", "sums", "--format", "text"], "abc", "takes numbers, not text"),
        (["predict", "sums", "--format", "npy"], "abc", "not a .npy file"),
        (["predict", "sums", "--format", "npy"], npy(np.array(1.0)), "must hold one array"),
        (["predict", "sums", "nowhere.csv"], "", "No such file"),
        (["stream", "sums", "--chunk-frames", "0"], "", "not in the range"),
        (["predict"], "", "Missing argument"),
        (["unheard-of"], "", "No such command"),
    ],
)
def test_wrong_usage_exits_with_2(fake: FakeServer, arguments: list[str], stdin: str | bytes, words: str) -> None:
    result = soloist(fake, *arguments, stdin=stdin)
    assert result.exit_code == 2
    assert words in result.stderr


def test_lines_of_a_pipe_are_answered_as_they_come(fake: FakeServer) -> None:
    command = [sys.executable, "-m", "soloist.cli.main", "stream", "letters", "--server", fake.target]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        heard = []
        for line in ("one", "two"):
            process.stdin.write(line + "\n")
            heard.append(process.stdout.readline())  # comes while the pipe is still open
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    assert heard == ["0-2  odd  0.7500\n", "3-6  odd  0.7500\n"]


def test_an_array_is_recognised_in_a_pipe(fake: FakeServer) -> None:
    command = [sys.executable, "-m", "soloist.cli.main", "predict", "sums", "--server", fake.target]
    result = subprocess.run(command, input=npy(FRAMES), capture_output=True, check=True, timeout=60)
    assert result.stdout == b"right  0.7500  (sums version 3, 3 frames)\n"


@pytest.mark.parametrize(
    "arguments",
    [
        *(("predict", "sums", "--version", "9" * 20), ("skew", "sums", "--version", "9" * 20)),
        *(("accuracy", "sums", "--version", "9" * 20), ("admin", "load", "sums", "--version", "9" * 20)),
        *(("admin", "label", "sums", "new", "9" * 20), ("admin", "shadow", "sums", "9" * 20)),
        *(("compare", "sums", "--padded", "9" * 20), ("compare", "sums", "--neighbours", "3000000000")),
        *(("compare", "sums", "--seed", "9" * 20), ("predict", "sums", "--version", "9" * 5000)),
    ],
)
def test_a_number_that_no_message_holds_is_wrong_usage(fake: FakeServer, arguments: tuple[str, ...]) -> None:
    result = soloist(fake, *arguments, stdin=CSV)
    assert (result.exit_code, fake.requests) == (2, [])


# What Python makes of the byte 0xff on a command line.
NOT_UTF8 = "sums\udcff"
# Python makes no number of so many.
MANY_DIGITS = "1" * 5000


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            ("predict", NOT_UTF8),
            ("stream", NOT_UTF8),
            ("compare", NOT_UTF8),
            ("compare", "sums", "--sibling", NOT_UTF8),
        ),
        *(
            ("accuracy", NOT_UTF8),
            ("skew", NOT_UTF8),
            ("bench", "--model", NOT_UTF8),
            ("simulate", "--model", NOT_UTF8),
        ),
        *(("admin", command, NOT_UTF8) for command in ("load", "unload", "label")),
        *(("admin", "canary", NOT_UTF8, "5"), ("admin", "shadow", NOT_UTF8, "2")),
        *(("admin", "label", "sums", NOT_UTF8, "2"), ("predict", "sums", "--version", NOT_UTF8)),
        *(("skew", "sums", "--version", NOT_UTF8), ("simulate", "--version", NOT_UTF8)),
        *(("predict", "sums", "--input", f"{NOT_UTF8}=a.npy"), ("models", "--server", NOT_UTF8)),
        *(
            ("doctor", "--target", NOT_UTF8),
            ("doctor", "--set", f"{NOT_UTF8}=1"),
            ("doctor", "--set", f"host={NOT_UTF8}"),
        ),
        *(("serve", "--host", NOT_UTF8), ("serve", "--grpc-port", NOT_UTF8), ("serve", "--log-level", NOT_UTF8)),
        ("export", __file__, "--repository", "nowhere", "--name", NOT_UTF8),
        ("quantise", "sums", "--repository", "nowhere", "--name", NOT_UTF8),
    ],
)
def test_a_name_that_is_not_utf8_is_wrong_usage(fake: FakeServer, arguments: tuple[str, ...]) -> None:
    server = {"SOLOIST_SERVER": fake.target}
    result = CliRunner().invoke(main, arguments, input=CSV, env=server)
    assert (result.exit_code, fake.requests) == (2, []), result.output
    assert "is not UTF-8, as names are" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        *(("predict", "sums", "--timeout-seconds", "nan"), ("bench", "--model", "sums", "--seconds", "inf")),
        *(("bench", "--model", "sums", "--rate", "nan"), ("bench", "--model", "sums", "--stream-share", "nan")),
        *(("admin", "canary", "sums", "nan"), ("admin", "log-level", "info", "--for-seconds", "inf")),
        *(("keys", "new", "nowhere/keys", "--after-seconds", "inf"), ("certify", __file__, "--minutes", "nan")),
        ("simulate", "--model", "sums", "--timeout-seconds", "nan"),
    ],
)
def test_a_number_that_is_none_is_wrong_usage(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, arguments, input=CSV)
    assert result.exit_code == 2, result.output
    assert "is not a number in the range" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        *(("bench", "--model", "sums", "--lengths", lengths) for lengths in (f"1:{MANY_DIGITS}", f"{MANY_DIGITS}:1")),
        *(("bench", "--model", "sums", "--lengths", lengths) for lengths in ("1:9999999999", "0:1", "2:1", "1:", "1")),
        *(("simulate", "--part", part) for part in (f"1/{MANY_DIGITS}", f"{MANY_DIGITS}/1", "0/1", "2/1", "1/", "1")),
        *(("claims", "--only", MANY_DIGITS), ("predict", "sums", "--version", MANY_DIGITS)),
        *(("admin", "load", "sums", "--version", MANY_DIGITS), ("stream", "sums", "--chunk-frames", MANY_DIGITS)),
        *(("stream", "sums", "--chunk-frames", "9" * 20), ("compare", "sums", "--padded", MANY_DIGITS)),
        *(("claims", option, "2147483647") for option in ("--seeds", "--processes")),
        *(("bench", "--model", "sums", option, "2147483647") for option in ("--callers", "--processes")),
        *(("bench", "--model", "sums", option, "2147483647") for option in ("--connections", "--timeout-seconds")),
        ("bench", "--model", "sums", "--timeout-seconds", "inf"),
    ],
)
def test_a_number_that_is_too_large_is_wrong_usage(fake: FakeServer, arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, arguments, input=CSV, env={"SOLOIST_SERVER": fake.target})
    assert (result.exit_code, fake.requests) == (2, []), result.output


@pytest.mark.parametrize("seed", ["-1", str(2**63), MANY_DIGITS])
@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--task", "vowels", "--architecture", "tcn", "--out", "nowhere/c.pt"),
        *(("certify", __file__), ("replay", __file__, "--model", __file__)),
        *(("bench", "--model", "sums"), ("simulate", "--model", "sums", "--task", "vowels")),
    ],
)
def test_a_seed_that_is_none_is_wrong_usage(fake: FakeServer, arguments: tuple[str, ...], seed: str) -> None:
    result = CliRunner().invoke(main, [*arguments, "--seed", seed], env={"SOLOIST_SERVER": fake.target})
    assert (result.exit_code, fake.requests) == (2, []), result.output
    assert "Invalid value for '--seed'" in result.stderr


def test_infinity_is_no_time_limit(fake: FakeServer) -> None:
    assert soloist(fake, "predict", "sums", "--timeout-seconds", "inf", stdin=CSV).exit_code == 0
