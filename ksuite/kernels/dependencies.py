# SPDX-License-Identifier: GPL-2.0-or-later
"""Which headers the code of a finished build was made from, by what Kbuild left beside it.

The ``.cmd`` file of whatever was made has the command, and what the compiler read
(scripts/basic/fixdep.c); a ``.mod`` file has the objects of a module. A header that some modules'
objects read, and nothing else, can change without the kernel. Where any of it is not understood, it
proves nothing.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.kernels.makelog import read_unfollowed
from ksuite.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

FILE = "dependencies.json"
"""What an entry of the store calls it."""
FILE_BYTES, ALL_BYTES = 4 << 20, 8 << 30
DEPTH = 40
"""More directories below one another than any kernel has."""

_NOT_BUILT = {"results", "modinstall", ".git"}
_TOOLS = "tools/"
"""What is made there is part of no kernel, and names files from where it is."""
_COMMAND_FILE = re.compile(r"(?:^|/)\.([^/]+)\.cmd$")
_COMMAND = re.compile(r"(?:saved)?cmd_\S+ := ")
_READ = re.compile(r"^deps_\S+ := \\\n((?: .*\\\n)*)\n", re.MULTILINE)
_SOURCE = re.compile(r"^source_\S+ := ([\w./+,@-]+)$", re.MULTILINE)
_NAMED = re.compile(r"[^\s'\"`;|&<>()=,]+\.h\b")
_COMPILED = re.compile(r" -(?:I|include|isystem)")


@dataclass(frozen=True)
class Dependencies(Plain):
    """Who reads which header; files are named relative to the tree.

    :param modules: what each module is linked from, by its ``.ko``.
    :param readers: the objects of modules that read a header, where nothing else does.
    :param others: one reader of each header that is no object of a module.
    :param unplaced: the same of names that lead to no file of tree or build.
    :param doubt: why the rest says nothing; empty where it does.
    """

    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    readers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    unplaced: Mapping[str, str] = field(default_factory=dict)
    doubt: str = ""

    def other_reader(self, header: str) -> str | None:
        """Return what reads a header, or may, and is no object of a module."""
        if header in self.others:
            return self.others[header]
        for name, reader in self.unplaced.items():
            if f"/{header}".endswith(f"/{name}") or f"/{name}".endswith(f"/{header}"):
                return reader
        return None

    def modules_reading(self, header: str) -> tuple[str, ...]:
        """Return the modules (``.ko``) that hold an object which reads a header, sorted."""
        objects = set(self.readers.get(header, ()))
        return tuple(ko for ko, parts in sorted(self.modules.items()) if objects & set(parts))


def read_dependencies(path: Path | None) -> Dependencies:
    """Return what a file that `write_dependencies` made holds; None stands for there being none."""
    if path is None:
        return Dependencies(doubt="its build left no dependency files")
    return Dependencies.from_json(path.read_text(encoding="utf-8"))


def write_dependencies(out: Path, named: Mapping[str, Sequence[Path]], into: Path) -> None:
    """Gather the dependencies of a finished build in a file."""
    into.write_text(gather(out, named).as_json(), encoding="utf-8")


def gather(out: Path, named: Mapping[str, Sequence[Path]]) -> Dependencies:
    """Return the dependencies of a finished build.

    :param out: where make was run.
    :param named: the directories that it knew by a name: where their files are, each in the first
        place that has it.
    """
    try:
        return _Build(out, named).dependencies()
    except _DoubtError as doubt:
        return Dependencies(doubt=str(doubt))


class _DoubtError(Exception):
    """Something is not as Kbuild leaves it."""


class _Build:
    """A build directory; somebody's code had its hands in it."""

    def __init__(self, out: Path, named: Mapping[str, Sequence[Path]]) -> None:
        self._out = out
        self._named = named
        self._left_bytes = ALL_BYTES
        self._places: dict[str, str | None] = {}
        self._files = frozenset(self._walk())
        self._commands = {
            os.path.normpath(f"{file[: match.start()]}/{match[1]}".lstrip("/")): file
            for file in sorted(self._files)
            if (match := _COMMAND_FILE.search(file))
        }

    def dependencies(self) -> Dependencies:
        """Return what it holds.

        :raises _DoubtError: it is not understood.
        """
        modules = self._modules()
        parts = {part for objects in modules.values() for part in objects}
        self._must_be_told(parts)
        others: dict[str, str] = {}
        unplaced: dict[str, str] = {}
        for target in sorted(self._commands):
            if target not in parts:
                source, names = self._reads(target)
                for name in names:
                    place = self._place(name, target)
                    known = others if place else unplaced
                    known.setdefault(place or _tail(name), source)
        readers: dict[str, list[str]] = defaultdict(list)
        for target in sorted(parts):
            source, names = self._reads(target)
            for name in names:
                place = self._place(name, target)
                if place is None:
                    unplaced.setdefault(_tail(name), source)
                elif place not in others:
                    readers[place].append(target)
        return Dependencies(
            modules=modules,
            readers={header: tuple(readers[header]) for header in sorted(readers)},
            others=dict(sorted(others.items())),
            unplaced=dict(sorted(unplaced.items())),
        )

    def _walk(self) -> Iterator[str]:
        """Yield the names of all files, no link followed."""

        def unreadable(error: OSError) -> None:
            raise _DoubtError(f"not all of it can be read: {error.strerror}")

        for directory, directories, names in os.walk(self._out, onerror=unreadable):
            place = os.path.relpath(directory, self._out)
            if place.count("/") > DEPTH:
                raise _DoubtError("its directories are too deep")
            if strange := [one for one in (place, *names) if not one.isprintable()]:
                raise _DoubtError(f"there is a file called {strange[0]!a}")
            if place == ".":
                directories[:] = [one for one in directories if one not in _NOT_BUILT]
            yield from (os.path.normpath(f"{place}/{name}") for name in names)

    def _modules(self) -> dict[str, tuple[str, ...]]:
        """Return the objects of each module that was asked for."""
        modules = {}
        for line in sorted(self._text("modules.order").split()):
            name = line.removeprefix("kernel/").rpartition(".")[0]
            words = self._text(f"{name}.mod").split()
            objects = (os.path.normpath(word) for word in words if word.endswith(".o"))
            modules[f"{name}.ko"] = tuple(dict.fromkeys(objects))
        return modules

    def _must_be_told(self, parts: Iterable[str]) -> None:
        """Refuse a build where the command that made an object was not kept."""
        objects = {name for name in self._files if name.endswith(".o") and not _is_aside(name)}
        if missing := sorted((objects | set(parts)) - self._commands.keys()):
            raise _DoubtError(f"nothing says how {missing[0]} was made")

    def _reads(self, target: str) -> tuple[str, list[str]]:
        """Return the source of what was made, and the headers that it was made from."""
        text = self._text(self._commands[target])
        listed = _READ.search(text)
        if listed is None:
            command = _COMMAND.match(text)
            untold = target.endswith(".o") and _COMPILED.search(text)
            if "\ndeps_" in text or ((untold or not command) and not _is_aside(target)):
                raise _DoubtError(f"nothing says what {target} was made from")
            # What a command names it may read; a tool's file may be the compiler's own list.
            return target, _NAMED.findall(text[command.end() if command else 0 :])
        found = _SOURCE.search(text)
        source = (self._place(found[1], target) or found[1]) if found else target
        lines = (line.strip(" \\") for line in listed[1].splitlines())
        return source, [line for line in lines if line.endswith(".h")]

    def _place(self, name: str, target: str) -> str | None:
        """Return the file that a name leads to, relative to the tree or to the build."""
        key = f"{_TOOLS}{name}" if target.startswith(_TOOLS) else name
        if key not in self._places:
            self._places[key] = self._find(name, aside=target.startswith(_TOOLS))
        return self._places[key]

    def _find(self, name: str, *, aside: bool) -> str | None:
        choices = [] if aside or name.startswith("/") else [(name, self._out)]
        for top, places in self._named.items():
            if name.startswith(f"{top}/"):
                choices += [(name.removeprefix(f"{top}/"), place) for place in places]
        for rest, place in choices:
            top, found = os.path.realpath(place), os.path.realpath(f"{place}/{rest}")
            # Path.is_file() raises for names that are too long.
            if found.startswith(f"{top}/") and os.path.isfile(found):  # noqa: PTH113
                return os.path.relpath(found, top)
        return None

    def _text(self, name: str) -> str:
        """Return the content of a file."""
        if name not in self._files:
            raise _DoubtError(f"there is no {name}")
        most = min(FILE_BYTES, self._left_bytes)
        try:
            content = read_unfollowed(self._out, name, most)
        except InfrastructureError as error:
            raise _DoubtError(f"{name} can't be read") from error
        if len(content) >= most:
            raise _DoubtError(f"{name} is too long")
        if b"\0" in content:
            raise _DoubtError(f"{name} is no text")
        self._left_bytes -= len(content)
        return content.decode(errors="replace")


def _is_aside(name: str) -> bool:
    """Say whether an object is a tool's, or one that link-vmlinux.sh makes of others."""
    linked = name == "vmlinux.o" or PurePosixPath(name).name.startswith(".")
    return linked or name.startswith(_TOOLS)


def _tail(name: str) -> str:
    """Return a name without what depends on where one stands."""
    return re.sub(r"^(\.\./)+", "", os.path.normpath(name)).lstrip("/")
