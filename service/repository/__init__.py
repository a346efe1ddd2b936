"""The models that are there: folders, their versions, which of them can be called and why the others can't."""

from service.repository.catalogue import Entry, Repository

__all__ = ["Entry", "Repository"]
