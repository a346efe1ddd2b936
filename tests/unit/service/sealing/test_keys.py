from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from service.sealing.key_ring import KeyRing
from service.sealing.keys_file import MOST_KEYS, KeysFileError, new_key, read_keys, write_keys
from service.sealing.metrics import SealingMetrics
from soloist.cli.main import main


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_keys_are_read_as_they_were_written_and_only_their_owner_may_read_them(path: Path) -> None:
    keys = (new_key(seals_from=0), new_key(seals_from=1_700_000_000))
    write_keys(path, keys)
    assert read_keys(path) == keys
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys[0].secret.hex() not in repr(keys)


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o666])
def test_a_file_that_others_may_use_is_refused(path: Path, mode: int) -> None:
    write_keys(path, [new_key(seals_from=0)])
    path.chmod(mode)
    with pytest.raises(KeysFileError, match="others may use it"):
        read_keys(path)


def test_a_group_may_read_the_file_as_mounted_secrets_are(path: Path) -> None:
    write_keys(path, [new_key(seals_from=0)])
    path.chmod(0o440)
    assert len(read_keys(path)) == 1


def _secret(text: str) -> str:
    return text.replace("SECRET", "c2VjcmV0" * 5 + "c2U=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "no key",
        "0123456789abcdef 2026-01-01T00:00:00Z c2hvcnQ=",
        _secret("0123 2026-01-01T00:00:00Z SECRET"),
        _secret("0123456789abcdef yesterday SECRET"),
        "0123456789abcdef 2026-01-01T00:00:00Z" + " c2VjcmV0" * 4,
        "é",
        "x" * 100_000,
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeysFileError) as caught:
        read_keys(path)
    assert "c2VjcmV0" not in str(caught.value)


def test_a_file_with_too_many_keys_or_one_twice_is_refused(path: Path) -> None:
    key = new_key(seals_from=0)
    for keys in ([key, key], [new_key(seals_from=0) for _ in range(MOST_KEYS + 1)]):
        write_keys(path, keys)
        with pytest.raises(KeysFileError):
            read_keys(path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(KeysFileError):
            read_keys(path)


def test_the_newest_key_that_has_begun_seals(path: Path, registry: CollectorRegistry) -> None:
    now = 1000.0
    first, second = new_key(seals_from=10), new_key(seals_from=2000)
    write_keys(path, [second, first])
    ring = KeyRing(path, SealingMetrics(registry), clock=lambda: now)
    assert ring.newest() == first
    now = 2000.0
    assert ring.newest() == second
    assert {ring.by_id(key.id) for key in (first, second)} == {first, second}
    assert ring.by_id(b"x" * 8) is None


def test_a_changed_file_is_read_and_a_broken_one_changes_nothing(path: Path, registry: CollectorRegistry) -> None:
    write_keys(path, [new_key(seals_from=0)])
    ring = KeyRing(path, SealingMetrics(registry))
    before = ring.newest()
    path.write_text("broken")
    ring.poll()
    ring.poll()
    assert ring.newest() is before
    path.unlink()
    ring.poll()
    assert ring.newest() is before
    after = new_key(seals_from=5)
    write_keys(path, [before, after])
    ring.poll()
    assert ring.newest() == after
    assert ring.by_id(before.id) is before
    assert _reloads(registry) == {"failed": 2, "read": 1}


def _reloads(registry: CollectorRegistry) -> dict[str, float | None]:
    value: Callable[..., float | None] = registry.get_sample_value
    return {outcome: value("soloist_key_reloads_total", {"outcome": outcome}) for outcome in ("failed", "read")}


def test_the_command_makes_a_file_adds_keys_and_shows_no_secret(path: Path) -> None:
    run = CliRunner().invoke
    outputs = [run(main, ["keys", "new", str(path), *more]).output for more in ([], ["--after-seconds", "100"])]
    outputs.append(run(main, ["keys", "list", str(path)]).output)
    first, second = read_keys(path)
    assert 100 <= second.seals_from - first.seals_from <= 103
    assert outputs[2].splitlines() == [outputs[0].strip(), outputs[1].strip()]
    secrets = [line.split()[-1] for line in path.read_text().splitlines()[1:]]
    assert not any(secret in output for secret in secrets for output in outputs)
    path.write_text("broken")
    assert run(main, ["keys", "new", str(path)]).exit_code == 1
    assert path.read_text() == "broken"
