from __future__ import annotations

import importlib.util
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from tests.artifacts import copied

_MAKER = """
COUNT = 0

def make(folder):
    global COUNT
    COUNT += 1
    (folder / "made.txt").write_text({text!r})

def fail(folder):
    (folder / "half.txt").write_text("half")
    raise ValueError("no such luck")
"""


def maker(folder: Path, text: str) -> ModuleType:
    path = folder / "maker.py"
    path.write_text(_MAKER.format(text=text))
    spec = importlib.util.spec_from_file_location("maker", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_made_once_however_many_ask_at_once(tmp_path: Path) -> None:
    module, barrier = maker(tmp_path, "first"), threading.Barrier(4)

    def ask(number: int) -> str:
        barrier.wait(timeout=30)
        return (copied("x", module.make, tmp_path / str(number), store=tmp_path / "store") / "made.txt").read_text()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == ["first"] * 4
    assert module.COUNT == 1


def test_what_a_test_does_to_its_copy_reaches_no_other(tmp_path: Path) -> None:
    module = maker(tmp_path, "first")
    (copied("x", module.make, tmp_path / "one", store=tmp_path / "store") / "made.txt").write_text("spoilt")
    assert (copied("x", module.make, tmp_path / "two", store=tmp_path / "store") / "made.txt").read_text() == "first"


def test_other_code_makes_it_anew_and_the_older_is_dropped(tmp_path: Path) -> None:
    store = tmp_path / "store"
    copied("x", maker(tmp_path, "first").make, tmp_path / "one", store=store)
    copied("x-y", maker(tmp_path, "first").make, tmp_path / "one", store=store)
    found = copied("x", maker(tmp_path, "second").make, tmp_path / "two", store=store)
    assert (found / "made.txt").read_text() == "second"
    assert len(list((store / "x").iterdir())) == len(list((store / "x-y").iterdir())) == 1


def test_what_failed_is_not_kept(tmp_path: Path) -> None:
    module, store = maker(tmp_path, "first"), tmp_path / "store"
    with pytest.raises(ValueError, match="no such luck"):
        copied("x", module.fail, tmp_path / "one", store=store)
    assert not (tmp_path / "one").exists()
    assert (copied("x", module.make, tmp_path / "two", store=store) / "made.txt").read_text() == "first"
    assert not list((store / "x").rglob("half.txt"))
