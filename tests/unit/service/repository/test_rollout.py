"""Labels, shares and shadows: the file that holds them, and where new sequences go."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from service.core.errors import Reason, ServiceError
from service.repository import rollout
from service.repository.rollout import NO_ROLLOUT, Rollout, RolloutError
from tests.unit.service.repository.shop import BAD, Shop

FULL = Rollout(labels={"stable": 1, "canary": 2}, canary_percent=12.5, shadow=3)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    assert rollout.read(tmp_path) == NO_ROLLOUT
    assert rollout.change(tmp_path, lambda _: FULL) == FULL
    assert rollout.read(tmp_path) == FULL
    assert [path.name for path in tmp_path.iterdir()] == ["labels.json"]


def test_servers_that_change_it_at_once_lose_nothing(tmp_path: Path) -> None:
    def add(version: int) -> None:
        rollout.change(tmp_path, lambda before: replace(before, labels={**before.labels, f"v{version}": version}))

    threads = [threading.Thread(target=add, args=(version,)) for version in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rollout.read(tmp_path).labels == {f"v{version}": version for version in range(1, 9)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"labels": 3}',
        '{"labels": {"stable": "1"}}',
        '{"labels": {"stable": true}}',
        '{"labels": {"2": 1}}',
        '{"canary_percent": 101}',
        '{"canary_percent": NaN}',
        '{"canary_percent": "5"}',
        '{"shadow": -1}',
        '{"shadow": true}',
        '{"canary_percent": true}',
        '{"canary_precent": 5}',
        '{"labels": {"stable": 1, "stable": 2}}',
        '{"labels": {"stable": 1}} {}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(RolloutError, match=r"labels\.json"):
        rollout.read(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_bytes(b'\xef\xbb\xbf{"labels": {"stable": 1}}')
    assert rollout.read(tmp_path) == Rollout(labels={"stable": 1})


async def _three(shop: Shop, spread: Rollout) -> None:
    for version in (1, 2, 3):
        shop.write(version)
    await shop.manager.look()
    await shop.manager.spread("m", [], lambda _: spread)


async def test_labels_name_versions(shop: Shop) -> None:
    await _three(shop, FULL)
    assert [shop.answers(label=label) for label in ("stable", "canary")] == [1, 2]
    for version, label, reason in (
        (0, "gold", Reason.MODEL_VERSION_NOT_FOUND),
        (1, "stable", Reason.PARAMETER_INVALID),
    ):
        with pytest.raises(ServiceError) as caught:
            shop.answers(version, label)
        assert caught.value.reason is reason


async def test_who_names_no_version_gets_the_stable_one(shop: Shop) -> None:
    await _three(shop, replace(FULL, canary_percent=0))
    assert shop.answers() == 1


@pytest.mark.parametrize("stable", [2, 9], ids=["that fails", "that is not there"])
async def test_nothing_else_serves_in_place_of_the_stable_one(shop: Shop, stable: int) -> None:
    shop.write(1)
    shop.write(2, BAD)
    (shop.folder / "m" / "labels.json").write_text(f'{{"labels": {{"stable": {stable}}}}}')
    await shop.manager.look()
    with pytest.raises(ServiceError) as caught:
        shop.answers()
    assert caught.value.reason in {Reason.MODEL_UNAVAILABLE, Reason.MODEL_VERSION_NOT_FOUND}
    assert shop.answers(1) == 1
    await shop.manager.spread("m", [1], lambda _: Rollout(labels={"stable": 1}))
    assert shop.answers() == 1


async def test_without_a_stable_one_those_on_trial_come_last(shop: Shop) -> None:
    await _three(shop, Rollout(labels={"canary": 2, "old": 1}, shadow=3))
    assert shop.answers() == 1
    await shop.manager.unload("m", 1)
    assert shop.answers() == 3


async def test_the_share_of_the_canary_is_drawn(shop: Shop) -> None:
    await _three(shop, FULL)
    shares = []
    for place in (0.0, 0.124, 0.125, 0.999):
        shop.place = place
        shares.append(shop.answers())
    assert shares == [2, 2, 1, 1]
    assert shop.answers(3) == 3  # who names a version is never sent elsewhere


async def test_sequences_of_one_key_go_to_the_canary_all_or_none(shop: Shop) -> None:
    await _three(shop, replace(FULL, canary_percent=50.0))
    answers = {key: shop.answers(key=key) for key in map(str, range(200))}
    assert {shop.answers(key=key) == version for key, version in answers.items()} == {True}
    assert 60 < list(answers.values()).count(2) < 140  # fixed by the hash: 100 are expected
    await shop.manager.spread("m", [], lambda before: replace(before, canary_percent=100.0))
    assert {shop.answers(key=key) for key in answers} == {2}


async def test_a_canary_that_is_not_ready_gets_nothing(shop: Shop) -> None:
    await _three(shop, replace(FULL, canary_percent=100.0))
    await shop.manager.unload("m", 2)
    assert shop.answers() == 1


async def test_a_shadow_follows_every_version_but_itself(shop: Shop) -> None:
    await _three(shop, FULL)
    found = {version: shop.repository.shadow_of(shop.repository.resolve("m", version)) for version in (1, 2, 3)}
    assert {version: shadow and shadow.version for version, shadow in found.items()} == {1: 3, 2: 3, 3: None}


async def test_who_only_looks_is_never_sent_to_the_canary(shop: Shop) -> None:
    await _three(shop, replace(FULL, canary_percent=100.0))
    assert shop.repository.resolve("m", 0).version == 1
