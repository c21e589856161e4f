# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of an out-of-tree module bring along: the suite that they are, and their loops."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ksuite.campaigns.costs import OwnLoop
from ksuite.campaigns.suites import GATE, SCENARIO_NAMES, Suite
from ksuite.dut import own
from ksuite.dut.sizes import Size
from ksuite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from ksuite.campaigns.gate_file import GateFile
    from ksuite.machines.machine import Call

OWN = "tests"
"""What the suite of a module's own tests is called."""
LOOP_PARTS = ("LOOPS", "BATCH", "VERSION", "SIZE")


def own_suite(file: GateFile) -> Suite:
    """Return the suite of a repository's own tests."""
    return Suite(
        name=OWN,
        paths=(),
        scenarios=(),
        modules=tuple(dict.fromkeys((*GATE.modules, *file.needs))),
        imports=GATE.imports,
        default_series="",
        by_default=False,
    )


class OnDut:
    """The files of a repository whose functions run on the DUT.

    :raises UserError: two of them have the same name, or one can't be read.
    """

    def __init__(self, file: GateFile) -> None:
        self._top = file.top
        self._paths = {Path(name).stem: (file.top / name).resolve() for name in file.on_dut}
        if len(self._paths) < len(set(file.on_dut)):
            raise UserError(f"{file.path}: [tests] on_dut: two files have the same name")
        try:
            self.sources = {
                name: path.read_text(encoding="utf-8") for name, path in self._paths.items()
            }
        except (OSError, UnicodeError) as error:
            raise UserError(f"{file.path}: [tests] on_dut can't be read: {error}") from error

    def call(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Call:
        """Return what calls a function on the DUT: one of `ksuite.dut`, or of these files.

        :raises UserError: it is neither.
        """
        module = getattr(function, "__module__", "") or ""
        if module.startswith("ksuite.dut."):
            return function, args, kwargs
        name = self._file_of(function)
        inner = getattr(function, "__qualname__", "")
        if not name or "." in inner:
            have = ", ".join(str(path.relative_to(self._top)) for path in self._paths.values())
            raise UserError(
                f"{module}.{inner} can't run on the DUT: it has to be a function of a file that "
                f"[tests] on_dut names ({have or 'none'})"
            )
        return own.call, (self.sources, name, inner, args, kwargs), {}

    def loops(self) -> dict[str, OwnLoop]:
        """Return the loops of all files, by scenario.

        :raises UserError: a file can't be imported here, or a loop has the name of one of ours.
        """
        found: dict[str, OwnLoop] = {}
        for name, path in self._paths.items():
            if "LOOPS" in self.sources[name]:
                found |= self._loops_of(name, path)
        return found

    def _loops_of(self, name: str, path: Path) -> dict[str, OwnLoop]:
        module = _imported(name, path)
        if missing := [part for part in LOOP_PARTS if not hasattr(module, part)]:
            raise UserError(f"{path}: a file with loops has {', '.join(LOOP_PARTS)}; not {missing}")
        batch, version, size = module.BATCH, module.VERSION, module.SIZE
        if not (type(batch) is type(version) is int and batch > 0 and isinstance(size, Size)):
            raise UserError(f"{path}: BATCH and VERSION are numbers, and SIZE is a Size")
        if taken := [scenario for scenario in module.LOOPS if scenario in SCENARIO_NAMES]:
            raise UserError(f"{path}: {taken[0]} is the name of a scenario of ksuite's")
        loop = OwnLoop(self.sources, name, batch, version, size)
        return dict.fromkeys(map(str, module.LOOPS), loop)

    def _file_of(self, function: Callable[..., Any]) -> str:
        try:
            path = Path(inspect.getsourcefile(function) or "").resolve()
        except TypeError:
            return ""
        return next((name for name, known in self._paths.items() if known == path), "")


def _imported(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _beside(path):
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            raise UserError(f"{path} can't be imported: {told:.300}") from error
    return module


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Let a file import those beside it."""
    place = str(path.parent)
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)
