"""A repository that changes while it is looked at: nothing that is half there is ever loaded."""

from __future__ import annotations

import shutil

from tests.unit.service.repository.shop import Shop


async def test_a_new_version_is_loaded_once_it_holds_still(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    shop.write(2)
    await shop.polling.look()
    assert shop.states() == {1: "ready"}
    await shop.polling.look()
    assert shop.states() == {1: "unloaded", 2: "ready"}


async def test_a_folder_that_is_being_filled_is_left_alone(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    hidden, bare = shop.folder / "m" / ".2.new", shop.folder / "m" / "3"
    hidden.mkdir()
    bare.mkdir()
    file = bare / "model.onnx"
    for part in ("", "h", "ha", "hal", "half"):
        (hidden / "model.onnx").write_text(part)
        if part:
            file.write_text(part)
        await shop.polling.look()
        assert shop.states() == {1: "ready"}
    await shop.polling.look()
    assert shop.states() == {1: "unloaded", 3: "ready"}
    assert shop.loads == [1, 3]


async def test_a_new_model_appears(shop: Shop) -> None:
    await shop.manager.look()
    shop.write(4, name="new")
    await shop.polling.look()
    await shop.polling.look()
    assert shop.states("new") == {4: "ready"}


async def test_a_repository_that_is_gone_for_a_moment_changes_nothing(shop: Shop) -> None:
    shop.write(1)
    await shop.manager.look()
    away = shop.folder.rename(shop.folder.with_name("away"))
    await shop.polling.look()
    assert shop.answers() == 1
    shutil.move(away, shop.folder)
    await shop.polling.look()
    assert shop.states() == {1: "ready"}
