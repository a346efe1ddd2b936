"""What a Python program does first that has this folder on its path: it shares the tests' traces when it exports."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_EXPORTER = "export.graph"


class _Sharing(MetaPathFinder):
    """Finds the exporter, once, as the usual finder does."""

    def find_spec(self, fullname: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != _EXPORTER:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)  # type: ignore[arg-type]
        assert spec is not None
        loader = spec.loader
        assert loader is not None
        load = loader.exec_module

        def load_and_share(module: ModuleType) -> None:
            load(module)
            from tests.exporter import share_work_of_exports

            share_work_of_exports()

        loader.exec_module = load_and_share  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Sharing())
