from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.app.settings import SettingsError, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SOLOIST_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text('repository = "/from/file"\nmax_sessions = 1\ndrain_seconds = 1.5\nallow_non_finite = true\n')
    return path


def test_defaults_are_enough_but_for_the_repository() -> None:
    settings = load_settings({"repository": "models"})
    assert settings.repository == Path("models")
    assert (settings.grpc_port, settings.http_port) == (8001, 8002)
    assert not settings.batch_uncertified
    assert not settings.allow_non_finite
    missing = r"^repository: field required \(--repository, SOLOIST_REPOSITORY, or repository in the settings file\)$"
    with pytest.raises(SettingsError, match=missing):
        load_settings({})


def test_a_flag_wins_over_the_environment_and_that_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLOIST_MAX_SESSIONS", "2")
    monkeypatch.setenv("SOLOIST_DRAIN_SECONDS", "2.5")
    settings = load_settings({"config": file, "drain_seconds": 3.5})
    assert settings.repository == Path("/from/file")
    assert settings.allow_non_finite
    assert settings.max_sessions == 2
    assert settings.drain_seconds == 3.5


def test_the_environment_may_name_the_file_and_a_flag_another(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOLOIST_CONFIG", str(file))
    assert load_settings({}).max_sessions == 1
    other = tmp_path / "other.toml"
    other.write_text('repository = "/elsewhere"\n')
    assert load_settings({"config": other}).repository == Path("/elsewhere")


def test_variables_that_others_set_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLOIST_PORT", "tcp://10.0.0.7:8001")  # so an orchestrator tells of a service called "soloist"
    assert load_settings({"repository": "models"}).grpc_port == 8001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("grpc_port", "70000"),
        ("http_port", "-1"),
        ("workers", "0"),
        ("drain_seconds", "-1"),
        ("drain_seconds", "nan"),
        ("session_idle_seconds", "0"),
        ("session_idle_seconds", "nan"),
        ("live_check_ratio", "1.1"),
        ("live_check_ratio", "nan"),
        ("prediction_log_flush_seconds", "0"),
        ("prediction_log_max_rows", "0"),
        ("max_sessions", "many"),
        ("max_message_bytes", "10"),
        ("log_format", "xml"),
        ("log_level", "loud"),
        ("allow_non_finite", "perhaps"),
    ],
)
def test_an_impossible_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SOLOIST_{name.upper()}", value)
    with pytest.raises(SettingsError, match=f"^{name}: input "):
        load_settings({"repository": "models"})


def test_windows_that_are_none_are_named() -> None:
    with pytest.raises(SettingsError, match=r"^accuracy_windows: string should match"):
        load_settings({"repository": "models", "accuracy_windows": "5m,1w"})


def test_all_that_is_wrong_is_told_at_once(file: Path) -> None:
    file.write_text("max_sesions = 5\nworkers = 0\n")
    with pytest.raises(SettingsError) as caught:
        load_settings({"config": file})
    reported = str(caught.value).split("; ")
    assert sorted(sentence.partition(":")[0] for sentence in reported) == ["max_sesions", "repository", "workers"]


@pytest.mark.parametrize("text", ["workers 5", "workers = [", "\x00"])
def test_a_file_that_is_no_toml_is_named(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.toml: "):
        load_settings({"config": file})


@pytest.mark.parametrize("text", ["x = " + "[" * 50_000, "x = " + "9" * 10_000, "#" * 2**20])
def test_a_file_that_is_too_much_is_named(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.toml: "):
        load_settings({"config": file})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: there is no such file"):
        load_settings({"config": tmp_path / "nowhere.toml"})


def test_the_flag_of_a_wrong_value_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^grpc_port: input .* 65535 \(--grpc-port 70000\)$"):
        load_settings({"repository": "models", "grpc_port": "70000"})


def test_every_flag_of_a_wrong_list_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^host: 'a b' is no host.* \(--host ::1 --host a b\)$"):
        load_settings({"repository": "models", "host": ("::1", "a b")})


@pytest.mark.parametrize("host", ["\udcff", "a\udcffb", "unix:/run/\udcff"])
def test_a_host_that_is_not_utf8_is_named(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("SOLOIST_HOST", host)
    with pytest.raises(SettingsError, match=r"^host: .*\(SOLOIST_HOST="):
        load_settings({"repository": "models"})


@pytest.mark.parametrize("variable", ["SOLOIST_GRPC_PORT", "soloist_grpc_port"])
def test_the_variable_of_a_wrong_value_is_named(file: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    file.write_text("grpc_port = 1\n")
    monkeypatch.setenv(variable, "http")
    with pytest.raises(SettingsError, match=rf"^grpc_port: input .* \({variable}=http\)$"):
        load_settings({"repository": "models", "config": file})


def test_the_file_of_a_wrong_value_is_named(file: Path) -> None:
    file.write_text('grpc_port = "http"\n')
    with pytest.raises(SettingsError, match=r"^grpc_port: input .* \(grpc_port = 'http' in /.*/settings\.toml\)$"):
        load_settings({"repository": "models", "config": file})


def test_a_name_in_the_file_that_is_none_is_told_with_the_nearest(file: Path) -> None:
    file.write_text("max_sesions = 5\n")
    with pytest.raises(SettingsError, match=r"^max_sesions: there is no such setting, did you mean max_sessions\? "):
        load_settings({"repository": "models", "config": file})


def test_a_variable_of_others_is_not_blamed_for_a_name_in_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLOIST_PORT", "tcp://10.0.0.7:8001")
    file.write_text("port = 8001\n")
    with pytest.raises(SettingsError, match=r"^port: there is no such setting.* \(port = 8001 in /.*\)$"):
        load_settings({"repository": "models", "config": file})


def test_who_named_a_file_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"\(the file of --config\)$"):
        load_settings({"config": "nowhere.toml"})
    monkeypatch.setenv("SOLOIST_CONFIG", "nowhere.toml")
    with pytest.raises(SettingsError, match=r"\(the file of SOLOIST_CONFIG\)$"):
        load_settings({})
