"""The repository of models: folders, versions, which of them can be called, and why the others can't."""

from service.repository.catalogue import Repository
from service.repository.entry import Entry
from service.repository.manager import RepositoryManager

__all__ = ["Entry", "Repository", "RepositoryManager"]
