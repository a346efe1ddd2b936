"""What is loaded, what is let go and when, by policy and by what lies in the folder."""

from __future__ import annotations

import asyncio
import gc
import shutil
import weakref
from pathlib import Path

import pytest

from service.core.errors import Reason, ServiceError
from tests.unit.service.repository.shop import BAD, Shop


async def test_the_newest_version_is_served_and_the_others_are_listed(shop: Shop) -> None:
    for version in (1, 2, 10):
        shop.write(version)
    await shop.manager.look()
    assert shop.states() == {1: "unloaded", 2: "unloaded", 10: "ready"}
    assert shop.loads == [10]
    assert shop.answers() == 10
    with pytest.raises(ServiceError) as caught:
        shop.answers(2)
    assert caught.value.reason is Reason.MODEL_NOT_LOADED
    assert "policy" in str(caught.value)


@pytest.mark.parametrize(
    ("policy", "ready"),
    [
        ("latest { num_versions: 2 }", {2, 3}),
        ("latest { }", {3}),
        ("all { }", {1, 2, 3}),
        ("specific { versions: [1, 7] }", {1}),
    ],
)
async def test_a_configuration_may_say_which_versions(shop: Shop, policy: str, ready: set[int]) -> None:
    for version in (1, 2, 3):
        shop.write(version)
    shop.configure(f'name: "m" version_policy {{ {policy} }}')
    await shop.manager.look()
    assert {version for version, state in shop.states().items() if state == "ready"} == ready


SAYS_WHO_SERVES = [("config.pbtxt", "version_policy {"), ("labels.json", '{"labels": {"stable": 1}')]


@pytest.mark.parametrize(("file", "text"), SAYS_WHO_SERVES)
async def test_nothing_is_served_while_it_cannot_be_read_what_should_be(shop: Shop, file: str, text: str) -> None:
    shop.write(1)
    shop.write(2)
    (shop.folder / "m" / file).write_text(text)
    await shop.manager.look()
    assert shop.states() == {1: "unavailable", 2: "unavailable"}
    assert shop.loads == []
    for version in (0, 1, 2):
        with pytest.raises(ServiceError, match=file) as caught:
            shop.answers(version)
        assert caught.value.reason is Reason.MODEL_UNAVAILABLE
    with pytest.raises(ServiceError, match=file):
        await shop.manager.load("m")
    (shop.folder / "m" / file).unlink()
    await shop.manager.look()
    assert shop.states() == {1: "unloaded", 2: "ready"}
    assert shop.cause(2) == ""


@pytest.mark.parametrize(("file", "text"), SAYS_WHO_SERVES)
async def test_what_serves_goes_on_while_it_cannot_be_read_what_should_be(shop: Shop, file: str, text: str) -> None:
    shop.write(1)
    (shop.folder / "m" / "labels.json").write_text('{"labels": {"stable": 1}}')
    await shop.manager.look()
    shop.write(2)
    (shop.folder / "m" / file).write_text(text)
    for _ in range(2):
        await shop.manager.look()
    assert shop.states() == {1: "ready", 2: "unavailable"}
    assert file in shop.cause(1)
    assert shop.answers() == 1
    with pytest.raises(ServiceError, match=file) as caught:
        await shop.manager.load("m", 2)
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE
    await shop.manager.unload("m", 1)
    assert shop.states() == {1: "unloaded", 2: "unavailable"}
    (shop.folder / "m" / file).write_text("{}" if file == "labels.json" else "")
    await shop.manager.look()
    assert shop.states() == {1: "unloaded", 2: "ready"}


async def test_a_new_version_takes_over_only_when_it_is_ready(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    shop.gate.clear()
    shop.write(2)
    looking = asyncio.create_task(shop.manager.look())
    await shop.until({1: "ready", 2: "loading"})
    assert shop.answers() == 1
    shop.gate.set()
    await looking
    assert shop.answers() == 2
    assert shop.states() == {1: "unloaded", 2: "ready"}
    assert [servable.version for servable in shop.gone] == [1]


async def test_the_old_version_stays_until_its_last_sequence_ends(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    old = shop.repository.resolve("m", 0)
    shop.refcounts.begin(old)
    shop.refcounts.begin(old)
    shop.write(2)
    await shop.manager.look()
    assert shop.states() == {1: "unloading", 2: "ready"}
    with pytest.raises(ServiceError) as caught:
        shop.answers(1)
    assert caught.value.reason is Reason.MODEL_NOT_LOADED
    shop.refcounts.end(old)
    assert (shop.states()[1], shop.gone) == ("unloading", [])
    shop.refcounts.end(old)
    assert (shop.states()[1], shop.gone) == ("unloaded", [old])


async def test_a_version_that_fails_leaves_the_old_one_serving_and_says_why(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    bad = shop.write(2, BAD)
    for _ in range(3):
        await shop.manager.look()
    assert shop.answers() == 1
    assert shop.states() == {1: "ready", 2: "unavailable"}
    assert shop.cause(2) == "it is bad"
    assert shop.loads == [1, 2]  # not again and again
    bad.write_text("better")
    await shop.manager.look()
    assert shop.states() == {1: "unloaded", 2: "ready"}


async def test_when_nothing_that_is_wanted_can_be_loaded_what_serves_goes_on(shop: Shop) -> None:
    shop.configure("version_policy { specific { versions: [1] } }")
    shop.write(1)
    shop.write(2, BAD)
    await shop.manager.look()
    shop.configure("version_policy { specific { versions: [2] } }")
    await shop.manager.look()
    assert shop.states() == {1: "ready", 2: "unavailable"}


async def test_at_the_start_the_newest_that_can_be_loaded_serves(shop: Shop) -> None:
    for version, text in ((1, "good"), (2, "good"), (3, BAD), (4, BAD)):
        shop.write(version, text)
    await shop.manager.look()
    assert shop.states() == {1: "unloaded", 2: "ready", 3: "unavailable", 4: "unavailable"}


async def test_a_folder_that_goes_takes_its_version_and_its_model_along(shop: Shop) -> None:
    first, second = shop.write(1), shop.write(2)
    await shop.manager.look()
    _remove(second)
    await shop.manager.look()
    assert shop.answers() == 1
    await shop.manager.look()
    assert shop.states() == {1: "ready"}
    _remove(first)
    await shop.manager.look()
    await shop.manager.look()
    assert shop.states() == {}
    assert shop.changes[-1] == (1, "unspecified")


def _remove(file: Path) -> None:
    file.unlink()
    file.parent.rmdir()


async def test_a_file_that_changes_under_a_loaded_version_is_reported_and_loaded_only_on_request(shop: Shop) -> None:
    file = shop.write(1)
    await shop.manager.look()
    before = shop.repository.resolve("m", 0)
    file.write_text("other")
    await shop.manager.look()
    assert shop.repository.resolve("m", 0) is before
    assert "has changed" in shop.cause(1)
    assert shop.loads == [1]
    await shop.manager.load("m")
    assert shop.repository.resolve("m", 0) is not before
    assert shop.gone == [before]
    assert shop.cause(1) == ""
    await shop.manager.load("m")
    assert shop.loads == [1, 1]  # nothing to do


async def test_a_changed_file_that_fails_leaves_what_was_loaded_before(shop: Shop) -> None:
    file = shop.write(1)
    await shop.manager.look()
    file.write_text(BAD)
    with pytest.raises(ServiceError) as caught:
        await shop.manager.load("m")
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE
    assert shop.answers() == 1
    await shop.manager.look()
    assert "it is bad" in shop.cause(1)


async def test_the_memory_of_a_version_that_has_left_is_freed(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    old = shop.repository.resolve("m", 0)
    gone = weakref.ref(old)
    shop.refcounts.begin(old)
    shop.write(2)
    await shop.manager.look()
    shop.refcounts.end(old)
    shop.gone.clear()
    del old
    gc.collect()
    assert gone() is None


async def test_what_was_asked_for_a_model_goes_with_it(shop: Shop) -> None:
    folder = shop.write(1).parent.parent
    await shop.manager.look()
    await shop.manager.unload("m")
    assert shop.states() == {1: "unloaded"}
    shutil.rmtree(folder)
    await shop.manager.look()
    assert shop.states() == {}
    shop.write(1)
    await shop.manager.look()
    assert shop.states() == {1: "ready"}  # nobody has asked for anything of this one
