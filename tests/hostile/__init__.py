"""Files that no one should load, made by code: what each is, and what is said of it."""

from tests.hostile.entry import Hostile
from tests.hostile.graphs import GRAPHS
from tests.hostile.model_files import MODEL_FILES
from tests.hostile.texts import TEXTS

HOSTILE: tuple[Hostile, ...] = (*MODEL_FILES, *GRAPHS, *TEXTS)

__all__ = ["HOSTILE", "Hostile"]
