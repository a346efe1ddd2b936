from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.sealing import sealer
from service.sealing.keys_file import Key, new_key
from service.sealing.sealer import BrokenSealError, Sealer, UnknownKeyError

OLD, NEW = new_key(seals_from=0), new_key(seals_from=1)


def make(newest: Key, *others: Key) -> Sealer:
    by_id = {key.id: key for key in (newest, *others)}
    return Sealer(lambda: newest, by_id.get)


@given(text=st.binary(max_size=300), bound=st.binary(max_size=50))
@settings(max_examples=30, deadline=None)
def test_another_server_with_the_key_opens_what_was_sealed(text: bytes, bound: bytes) -> None:
    assert make(NEW, OLD).open(make(OLD).seal(text, bound), bound) == text


def test_without_the_key_it_stays_closed() -> None:
    with pytest.raises(UnknownKeyError):
        make(NEW).open(make(OLD).seal(b"text", b""), b"")
    same_id = Key(id=OLD.id, seals_from=0, secret=NEW.secret)
    with pytest.raises(BrokenSealError):
        make(same_id).open(make(OLD).seal(b"text", b""), b"")


def test_every_bit_counts_and_so_does_what_it_is_bound_to() -> None:
    sealing = make(OLD)
    sealed = sealing.seal(b"text", b"bound")
    assert len(sealed) == len(b"text") + sealer.OVERHEAD_BYTES
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises((BrokenSealError, UnknownKeyError)):
            sealing.open(bytes(changed), b"bound")
    for cut in (b"", sealed[:-1], sealed[:20], sealed + b"x"):
        with pytest.raises(BrokenSealError):
            sealing.open(cut, b"bound")
    with pytest.raises(BrokenSealError):
        sealing.open(sealed, b"other")


def test_no_nonce_comes_twice_and_no_derived_key_seals_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealer, "_SEALS_PER_SALT", 8)
    sealing = make(OLD)
    heads = [sealing.seal(b"", b"")[: -sealer._TAG_BYTES] for _ in range(64)]
    assert len(set(heads)) == 64
    salts = [head[: sealer._NONCE_AT] for head in heads]
    assert max(salts.count(salt) for salt in salts) == 8
    assert sealing.open(sealing.seal(b"text", b""), b"") == b"text"


def test_the_new_key_seals_as_soon_as_it_is_there() -> None:
    newest = OLD
    sealing = Sealer(lambda: newest, {OLD.id: OLD, NEW.id: NEW}.get)
    assert OLD.id in sealing.seal(b"", b"")
    newest = NEW
    assert NEW.id in sealing.seal(b"", b"")


_FORK = """
import os
from service.sealing.keys_file import new_key
from service.sealing.sealer import Sealer
key = new_key(seals_from=0)
sealing = Sealer(lambda: key, {key.id: key}.get)
sealing.seal(b"", b"")
if not os.fork():
    print(sealing.seal(b"", b"")[:25].hex(), flush=True)
    os._exit(0)
os.wait()
print(sealing.seal(b"", b"")[:25].hex())
"""


def test_a_child_process_draws_a_salt_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", _FORK], check=True, capture_output=True, text=True)
    child, parent = done.stdout.split()
    assert len(child) == len(parent) == 50
    assert child != parent
