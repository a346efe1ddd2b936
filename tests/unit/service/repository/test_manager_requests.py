"""What operators ask of the manager: versions that are loaded and unloaded, and labels."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from service.core.errors import Reason, ServiceError
from service.repository.model_folder import ModelFolder, read_model_folders
from service.repository.rollout import Rollout
from tests.unit.service.repository.shop import BAD, Shop


async def test_a_model_that_is_unloaded_stays_so_until_it_is_loaded(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    await shop.manager.unload("m")
    shop.write(2)
    await shop.manager.look()
    assert shop.states() == {1: "unloaded", 2: "unloaded"}
    with pytest.raises(ServiceError) as caught:
        shop.answers()
    assert caught.value.reason is Reason.MODEL_NOT_LOADED
    await shop.manager.load("m")
    assert shop.states() == {1: "unloaded", 2: "ready"}


async def test_a_version_may_be_loaded_and_unloaded_by_itself(shop: Shop) -> None:
    shop.write(1)
    shop.write(2)
    await shop.manager.look()
    await shop.manager.load("m", 1)
    await shop.manager.look()
    assert shop.states() == {1: "ready", 2: "ready"}
    await shop.manager.unload("m", 1)
    assert shop.states() == {1: "unloaded", 2: "ready"}
    await shop.manager.unload("m", 2)  # the policy puts the newest of the others in its place, and 1 isn't wanted
    assert shop.states() == {1: "unloaded", 2: "unloaded"}
    await shop.manager.load("m", 1)
    assert shop.answers() == 1


async def test_unloading_the_newest_puts_the_one_before_in_its_place(shop: Shop) -> None:
    shop.write(1)
    shop.write(2)
    await shop.manager.look()
    await shop.manager.unload("m", 2)
    assert shop.states() == {1: "ready", 2: "unloaded"}
    assert shop.changes.index((1, "ready")) < shop.changes.index((2, "unloading"))


async def test_loading_says_what_is_wrong(shop: Shop) -> None:
    shop.write(1)
    shop.write(2, BAD)
    await shop.manager.look()
    for name, version, reason in (
        ("nobody", 0, Reason.MODEL_NOT_FOUND),
        ("../m", 0, Reason.MODEL_NOT_FOUND),
        ("m", 7, Reason.MODEL_VERSION_NOT_FOUND),
        ("m", 2, Reason.MODEL_UNAVAILABLE),
        ("m", 0, Reason.MODEL_UNAVAILABLE),
    ):
        with pytest.raises(ServiceError) as caught:
            await shop.manager.load(name, version)
        assert caught.value.reason is reason
        assert shop.answers() == 1
    for name, version in (("nobody", 0), ("m", 7)):
        with pytest.raises(ServiceError):
            await shop.manager.unload(name, version)
    assert shop.answers() == 1


async def test_a_load_goes_on_when_its_caller_leaves(shop: Shop) -> None:
    shop.write(1)
    shop.gate.clear()
    loading = asyncio.create_task(shop.manager.load("m"))
    await shop.until({1: "loading"})
    loading.cancel()
    await asyncio.wait([loading])
    shop.gate.set()
    await shop.manager.load("m")
    assert shop.loads == [1]
    assert shop.answers() == 1


async def test_a_label_keeps_its_version_loaded(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    await shop.manager.spread("m", [1], lambda _: Rollout(labels={"stable": 1}))
    shop.write(2)
    await shop.manager.look()
    assert shop.states() == {1: "ready", 2: "ready"}
    assert shop.answers() == 1
    await shop.manager.spread("m", [], lambda _: Rollout())
    assert shop.states() == {1: "unloaded", 2: "ready"}


async def test_a_version_is_loaded_before_it_gets_a_label_and_a_bad_one_gets_none(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    shop.write(2)
    shop.write(3, BAD)
    await shop.manager.spread("m", [2], lambda _: Rollout(labels={"canary": 2}))
    assert shop.answers(label="canary") == 2
    for version, reason in ((3, Reason.MODEL_UNAVAILABLE), (9, Reason.MODEL_VERSION_NOT_FOUND)):
        labels = {"canary": version}
        with pytest.raises(ServiceError) as caught:
            await shop.manager.spread("m", [version], lambda _, labels=labels: Rollout(labels=labels))  # type: ignore[misc]
        assert caught.value.reason is reason
    assert shop.answers(label="canary") == 2


async def test_labels_that_another_server_writes_are_followed(shop: Shop) -> None:
    shop.write(1)
    shop.write(2)
    await shop.manager.look()
    (shop.folder / "m" / "labels.json").write_text('{"labels": {"stable": 1}}')
    await shop.manager.look()
    assert shop.answers() == 1
    (shop.folder / "m" / "labels.json").write_text('{"labels"')  # half of it
    await shop.manager.look()
    assert shop.answers() == 1


async def test_labels_that_cannot_be_written_are_refused(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    (shop.folder / "m" / "labels.json").mkdir()
    with pytest.raises(ServiceError) as caught:
        await shop.manager.spread("m", [], lambda _: Rollout())
    assert caught.value.reason is Reason.LABELS_NOT_WRITTEN


async def test_a_model_that_hangs_keeps_nobody_from_another(shop: Shop) -> None:
    shop.write(1)
    shop.write(1, name="other")
    shop.gate.clear()
    hanging = asyncio.create_task(shop.manager.load("m"))
    await shop.until({1: "loading"})
    with pytest.raises(ServiceError):
        shop.manager.require("nobody")
    shop.gate.set()
    await asyncio.gather(hanging, shop.manager.load("other"))
    assert shop.states("other") == {1: "ready"}


async def test_a_poll_that_read_the_disk_before_a_change_does_not_undo_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write(1)
    await shop.manager.look()
    has_read, may_go_on = threading.Event(), threading.Event()

    def slow(folder: Path, **options: bool) -> dict[str, ModelFolder]:
        found = read_model_folders(folder, **options)
        has_read.set()
        assert may_go_on.wait(30)
        return found

    monkeypatch.setattr("service.repository.manager.read_model_folders", slow)
    looking = asyncio.create_task(shop.manager.look())
    assert await asyncio.to_thread(has_read.wait, 30)
    await shop.manager.spread("m", [], lambda _: Rollout(labels={"blue": 1}))
    may_go_on.set()
    await looking
    assert dict(shop.repository.rollout("m").labels) == {"blue": 1}
