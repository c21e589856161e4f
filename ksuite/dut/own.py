# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody's own functions on the DUT: those of an out-of-tree module's tests."""

from __future__ import annotations

import importlib.abc
import importlib.util
import linecache
import sys
from typing import TYPE_CHECKING, Any

from ksuite.dut import windows

if TYPE_CHECKING:
    from types import ModuleType


def call(sources: dict[str, str], module: str, function: str, args: Any, kwargs: Any) -> Any:
    """Call a function of a file.

    :param sources: the text of each file, by the name that the others import it by.
    :param module: the one that has the function.
    :return: what it returns, which must be plain.
    """
    return getattr(_imported(sources, module), function)(*args, **kwargs)


def measure(
    sources: dict[str, str], module: str, scenario: str, size: int, count: int, rounds: int
) -> list[float]:
    """Return what a packet costs in each of some windows of a file's own loop.

    The file has ``LOOPS``, ``BATCH``, ``VERSION`` and ``SIZE`` as `ksuite.dut.tc_loops` has them.
    """
    group = _imported(sources, module)
    with group.LOOPS[scenario](size) as run:
        return windows.measured(run, group.BATCH, count, rounds)


def topology(sources: dict[str, str], module: str, scenario: str, size: int) -> Any:
    """Return what a file's own loop is measured in, to be looked at."""
    return _imported(sources, module).LOOPS[scenario](size)


def _imported(sources: dict[str, str], module: str) -> ModuleType:
    finder = _Finder.there()
    finder.sources |= sources
    return importlib.import_module(module)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules in texts; in ``sys.meta_path``, behind all that finds files."""

    def __init__(self) -> None:
        self.sources: dict[str, str] = {}

    @classmethod
    def there(cls) -> _Finder:
        """Return the one that this process has; its first use makes it."""
        for finder in sys.meta_path:
            if isinstance(finder, cls):
                return finder
        finder = cls()
        sys.meta_path.append(finder)
        return finder

    def find_spec(self, name: str, *_: object) -> Any:
        """Return how a module is to be loaded; None where it is none of ours."""
        if name not in self.sources:
            return None
        return importlib.util.spec_from_loader(name, self, origin=f"{name}.py")

    def create_module(self, spec: Any) -> None:
        """Have the usual kind of module made."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's text."""
        text = self.sources[module.__name__]
        name = f"<{module.__name__}.py>"
        # A traceback shows its lines.
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), vars(module))  # noqa: S102 (it is what it is for)
