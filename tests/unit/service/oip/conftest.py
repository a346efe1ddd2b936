from __future__ import annotations

import pytest

from service.store.memory_store import MemoryStore
from tests.unit.service.oip.stored_replica import Replica


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def one(store: MemoryStore) -> Replica:
    return Replica(store)


@pytest.fixture
def two(store: MemoryStore) -> Replica:
    return Replica(store)
