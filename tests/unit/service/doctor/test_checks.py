"""Each check of `soloist doctor` tells what is there, whether it is right, and what to do; none shows a secret."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from service.app.settings import Settings
from service.doctor.checks import findings
from service.doctor.clock import clock
from service.doctor.disk import disk
from service.doctor.environment import environment, installed_version
from service.doctor.finding import Finding, Verdict, size, without_secrets
from service.doctor.machine import machine
from service.doctor.models import models
from service.doctor.ports import ports
from service.doctor.settings_in_force import settings_in_force
from service.doctor.tls_files import tls_files
from service.sealing.keys_file import new_key, write_keys
from tests.graphs import Sums

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def settings(**values: object) -> Settings:
    return Settings(**{"repository": Path("/nowhere"), **values})  # type: ignore[arg-type]


def of(found: Iterable[Finding], what: str) -> Finding:
    (one,) = [each for each in found if each.what == what]
    return one


def wrong(found: Iterable[Finding]) -> list[str]:
    return [each.found for each in found if each.verdict is Verdict.WRONG]


def files(
    folder: Path, *, not_after: datetime | None = None, key_type: trustme.KeyType = trustme.KeyType.ECDSA
) -> dict[str, Path]:
    begins = NOW - timedelta(days=9)
    cert = trustme.CA().issue_cert("localhost", not_before=begins, not_after=not_after, key_type=key_type)
    names = {"tls_certificate": folder / "cert.pem", "tls_key": folder / "key.pem"}
    cert.cert_chain_pems[0].write_to_path(names["tls_certificate"])
    cert.private_key_pem.write_to_path(names["tls_key"])
    names["tls_key"].chmod(0o600)
    return names


def test_a_package_that_answers_depend_on_has_another_version() -> None:
    found = list(environment("grpc", lambda name: "1.31.0" if name == "onnxruntime" else installed_version(name)))
    package = of(found, "onnxruntime")
    assert package.verdict is Verdict.WRONG
    assert "onnxruntime==1.32.0" in package.remedy
    assert of(found, "numpy").verdict is Verdict.OK


def test_the_transport_of_the_settings_is_missing() -> None:
    def version_of(name: str) -> str | None:
        return None if name == "httpunk" else installed_version(name)

    assert "soloist[fast]" in of(environment("httpunk", version_of), "httpunk").remedy
    assert [each for each in environment("grpc", version_of) if each.what == "httpunk"] == []


def test_more_workers_than_processors_and_less_memory_than_a_server_needs(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 999 kB\nMemAvailable: 100000 kB\n")
    found = list(machine(settings(workers=4096), tmp_path))
    assert of(found, "processors").verdict is Verdict.NOTE
    assert of(found, "memory").verdict is Verdict.WRONG
    assert "97.66 MiB available" in of(found, "memory").found


def test_more_connections_than_open_files() -> None:
    found = of(machine(settings(max_connections=10**9)), "open files")
    assert (found.verdict, "max_connections" in found.remedy) == (Verdict.NOTE, True)


def test_a_clock_that_is_set_back_and_one_of_the_past() -> None:
    readings = iter([1e9, 1e9, 1e9 - 60])
    found = list(clock(lambda: next(readings), iter([0.0, 0.05]).__next__, lambda _: None))
    assert of(found, "time").verdict is Verdict.WRONG
    assert of(found, "wall and monotonic clock").verdict is Verdict.NOTE
    assert of(found, "synchronised").found


def test_a_taken_port_has_an_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = settings(grpc_port=holder.getsockname()[1], http_port=0)
        found = list(ports(taken))
    assert of(found, "gRPC").verdict is Verdict.WRONG
    assert f"(pid {os.getpid()})" in of(found, "gRPC").found
    assert of(found, "HTTP").verdict is Verdict.OK


def test_the_address_of_operators_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = settings(grpc_port=0, http_port=0, admin_address=f"127.0.0.1:{holder.getsockname()[1]}")
        assert of(ports(taken), "operators").verdict is Verdict.WRONG
    missing = settings(grpc_port=0, http_port=0, admin_address=f"unix:{tmp_path}/none/s.sock")
    assert wrong(ports(missing)) == [f"cannot listen on unix:{tmp_path}/none/s.sock: there is no such folder"]


def test_the_folder_of_the_access_log_is_missing(tmp_path: Path) -> None:
    assert wrong(disk(settings(access_log=tmp_path / "none" / "calls"))) == [f"there is no folder {tmp_path / 'none'}"]
    assert not wrong(disk(settings(access_log=tmp_path / "calls")))
    assert not [each for each in disk(settings(access_log=Path("-"))) if each.what == "access log"]


def test_an_address_that_this_machine_has_not(tmp_path: Path) -> None:
    found = list(ports(settings(host=("192.0.2.1",))))
    assert {each.verdict for each in found} == {Verdict.WRONG}
    assert wrong(ports(settings(host=(f"unix:{tmp_path}/none/s.sock",)))) == [
        f"cannot listen on unix:{tmp_path}/none/s.sock: there is no such folder"
    ]


@pytest.mark.parametrize(("days", "verdict"), [(300, Verdict.OK), (9, Verdict.NOTE), (-1, Verdict.WRONG)])
def test_certificates_expire(tmp_path: Path, days: int, verdict: Verdict) -> None:
    given = settings(**files(tmp_path, not_after=NOW + timedelta(days=days)))
    found = list(tls_files(given, NOW))
    assert of(found, "certificate").verdict is verdict
    assert of(found, "certificate").found.startswith("OU=")


@pytest.mark.parametrize("key_type", trustme.KeyType)
def test_a_key_of_another_certificate_that_anyone_may_read(tmp_path: Path, key_type: trustme.KeyType) -> None:
    (tmp_path / "other").mkdir()
    given, other = files(tmp_path), files(tmp_path / "other", key_type=key_type)
    other["tls_key"].chmod(0o644)
    found = list(tls_files(settings(**{**given, "tls_key": other["tls_key"]}), NOW))
    said = [(each.verdict, each.remedy) for each in found if each.what == "key"]
    assert said == [
        (Verdict.NOTE, f"chmod 600 {other['tls_key']}: others than its owner may touch it"),
        (Verdict.WRONG, "set tls_key to the key it was issued for"),
    ]


def test_tls_files_that_are_none(tmp_path: Path) -> None:
    given = files(tmp_path)
    given["tls_key"].write_text("secret of mine")
    assert "secret of mine" not in str(found := list(tls_files(settings(**given), NOW)))
    assert wrong(found)
    given["tls_key"].unlink()
    assert wrong(tls_files(settings(**given), NOW)) == [f"{given['tls_key']}: No such file or directory"]
    assert wrong(tls_files(settings(tls_key=given["tls_key"]), NOW))


def test_without_tls_others_than_this_machine_can_call() -> None:
    assert of(tls_files(settings(host=("127.0.0.1", "localhost"))), "TLS").verdict is Verdict.OK
    assert of(tls_files(settings(host=("0.0.0.0",))), "TLS").verdict is Verdict.NOTE  # noqa: S104


def test_the_http_port_has_certificates_of_its_own(tmp_path: Path) -> None:
    given = {f"http_{name}": path for name, path in files(tmp_path, not_after=NOW - timedelta(days=1)).items()}
    found = list(tls_files(settings(**given, host=("0.0.0.0",)), NOW))  # noqa: S104
    assert of(found, "TLS").verdict is Verdict.NOTE
    assert of(found, "HTTP certificate").verdict is Verdict.WRONG
    assert not [each for each in found if each.what == "HTTP TLS"]
    (half,) = wrong(tls_files(settings(http_tls_key=given["http_tls_key"]), NOW))
    assert half == "a certificate without its key, or a key without one"


def test_files_of_keys_and_tokens_that_a_server_would_refuse(tmp_path: Path) -> None:
    write_keys(tmp_path / "keys", [new_key(seals_from=0)])
    (tmp_path / "tokens.toml").write_text(f'tokens.camera = {{ roles = ["infer"], sha256 = "{"0" * 64}" }}')
    (tmp_path / "tokens.toml").chmod(0o600)
    flags = {"repository": tmp_path, "keys_file": tmp_path / "keys", "tokens_file": tmp_path / "tokens.toml"}

    def found() -> list[Finding]:
        every = findings(flags, with_models=False)
        return [each for each in every if each.area == "keys and certificates" and each.what.startswith("file of")]

    assert [each.found.partition(": ")[2] for each in found()] == ["1 key", "1 token, 0 certificates"]
    (tmp_path / "keys").chmod(0o644)
    (tmp_path / "tokens.toml").write_text("tokens.camera = 5")
    assert [each.verdict for each in found()] == [Verdict.WRONG, Verdict.WRONG]
    assert "mode 0644" in found()[0].found
    assert "camera" in found()[1].found


def test_places_that_are_written_to(tmp_path: Path) -> None:
    found = list(disk(settings(prediction_log=tmp_path / "log.sqlite", repro_bundle_dir=tmp_path / "none")))
    assert of(found, "prediction log").found.startswith(f"{tmp_path}: ")
    assert of(found, "repro bundles").remedy == f"mkdir -p {tmp_path / 'none'}"


def test_models_are_loaded_as_a_server_loads_them(tmp_path: Path) -> None:
    Sums(name="sums").write(tmp_path)
    broken = tmp_path / "broken" / "1" / "model.onnx"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no graph")
    found = list(models(settings(repository=tmp_path)))
    assert of(found, "sums version 1").found.startswith("loads, certificate ")
    assert of(found, "broken version 1").verdict is Verdict.WRONG
    assert wrong(models(settings(repository=tmp_path / "none")))


def test_wrong_settings_end_what_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLOIST_GRPC_PORT", "70000")
    found = list(findings({"repository": "."}))
    assert "SOLOIST_GRPC_PORT=70000" in of(found, "settings").found
    assert {each.area for each in found} == {"settings", "environment", "clock"}


def test_each_setting_has_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "soloist.toml"
    file.write_text("drain_seconds = 7\nmax_sessions = 5\n")
    monkeypatch.setenv("SOLOIST_MAX_SESSIONS", "6")
    flags = {"repository": str(tmp_path), "config": file, "grpc_port": 0, "http_port": 0}
    found = list(findings(flags, with_models=False))
    assert of(found, "drain_seconds").found == f"7.0 ({file})"
    assert of(found, "max_sessions").found == "6 (SOLOIST_MAX_SESSIONS)"
    assert of(found, "grpc_port").found == "0 (--grpc-port)"
    assert of(found, "processes").found == "1 (default)"


def test_settings_that_do_not_fit_together(tmp_path: Path) -> None:
    flags = {"repository": str(tmp_path), "processes": 2, "host": (f"unix:{tmp_path}/s.sock",)}
    found = list(findings(flags, with_models=False))
    assert of(found, "settings").verdict is Verdict.WRONG


def test_connections_that_the_transport_cannot_count() -> None:
    what, everywhere = "connections of one address", ("0.0.0.0",)  # noqa: S104
    for given in (settings(host=everywhere), settings(max_connections_per_client=9)):
        found = of(settings_in_force(given, {}), what)
        assert (found.verdict, "httpunk" in found.remedy) == (Verdict.NOTE, True)
    for given in (settings(), settings(host=everywhere, transport="httpunk")):
        assert what not in {each.what for each in settings_in_force(given, {})}


def test_passwords_of_urls_are_not_shown() -> None:
    assert without_secrets("redis://me:secret@host:6379/0 and x@y") == "redis://***@host:6379/0 and x@y"


def test_sizes_in_words() -> None:
    assert [size(each) for each in (7, 2048, 1.5 * 2**30, 2**42)] == ["7 bytes", "2 KiB", "1.5 GiB", "4 TiB"]
