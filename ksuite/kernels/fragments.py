# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments of kernel configurations: what a kernel must have, and which kernels know it.

A line is Kconfig's own, ``CONFIG_NAME=value``, and may end with a comment that says which kernels
are asked for it, each part before a comma, and then the reason:

============================  ==================================================================
``# >=5.12,<6.9``             those in that range of versions
``# or CONFIG_OTHER``         all, by the first of the names that the kernel's Kconfig files have
``# where known``             those whose Kconfig files have a name of it
============================  ==================================================================
"""

from __future__ import annotations

import difflib
import itertools
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

import ksuite
from ksuite.errors import UserError
from ksuite.kernels.kconfig import Kconfig, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FRAGMENTS = Path(ksuite.__file__).parent.parent / "kconfigs"
"""Ours; a name without a directory is one of them."""
USUAL = ("base", "vhost", "tc", "ovs", "xdp")
"""What kernels are built with unless others are named."""
DEBUG = "debug"
SHOWN_SYMBOLS = 3
_LINE = re.compile(r"CONFIG_(?P<name>\w+)=(?P<value>\S+|\".*\")(?:\s+#(?P<comment>.*))?")
_OR = re.compile(r"or CONFIG_(\w+)\b")
_OPERATORS = tuple("<>=!~")
_WHERE_KNOWN = re.compile(r"where known\b")
_OFF = re.compile(r"# CONFIG_(?P<name>\w+) is not set")


@dataclass(frozen=True)
class Request:
    """One symbol, and the value that it is to have; ``n`` where it is to be off.

    :param kernels: a range of versions, PEP 440.
    :param place: file and line.
    :param others: names that it has in other kernels.
    :param where_known: a kernel that has none of its names is not asked for it.
    """

    name: str
    value: str
    kernels: SpecifierSet
    place: str
    others: tuple[str, ...] = ()
    where_known: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All of its names, from the one that is preferred."""
        return (self.name, *self.others)

    def name_in(self, kconfig: Kconfig) -> str:
        """Return the name that a kernel knows; the first where it knows none."""
        if not self.others:
            return self.name
        return next((name for name in self.names if name in kconfig.names), self.name)


@dataclass(frozen=True)
class Configuration:
    """What a kernel is to be built with: fragments on top of allnoconfig.

    :param names: of its fragments.
    :param added: symbols that a series adds: a kernel without it need not know them.
    """

    names: tuple[str, ...]
    requests: tuple[Request, ...]
    added: frozenset[str] = frozenset()

    def for_series(self, added: Iterable[str]) -> Configuration:
        """Return the same for kernels with and without a series that adds symbols."""
        asked = {name for request in self.requests for name in request.names}
        return replace(self, added=frozenset(added) & asked)

    def fragment(self, version: str) -> str:
        """Return what a kernel of a version is asked for, as one fragment.

        What its Kconfig files don't know of it they leave out.
        """
        wanted = sorted(self._wanted(version).items())
        lines = [f"CONFIG_{name}={value}\n" for name, value in wanted]
        # Part of what a configuration is known by: a kernel may do without these.
        lines += [f"# CONFIG_{name} comes with a series\n" for name in sorted(self.added)]
        return "".join(lines)

    def check(self, config: Path, kconfig: Kconfig, version: str) -> None:
        """Make sure that a kernel's configuration has all that was asked for.

        :param config: the ``.config`` that came of it.
        :raises UserError: it names what did not survive, and what it depends on.
        """
        have = values(config)
        wanted = self._wanted(version)
        lost = [
            request
            for request in self.requests
            if request.kernels.contains(version)
            and wanted[name := request.name_in(kconfig)] == request.value
            and have.get(name, "n") != request.value
            and not (name not in kconfig.names and self._may_lack(request, kconfig))
        ]
        modular = self._modular(lost, have)
        lines = [_lost(one, have, kconfig) for one in lost if one not in modular]
        if modular:
            lines.insert(0, self._without_modules(modular))
        if lines:
            text = "\n".join(f"  {line}" for line in lines)
            raise UserError(f"the configuration of {version} lacks what was asked for:\n{text}")

    def _may_lack(self, request: Request, kconfig: Kconfig) -> bool:
        """Whether a kernel that does not know a request is no fault."""
        comes = any(name in self.added and not kconfig.adds(name) for name in request.names)
        return request.where_known or comes

    def _modular(self, lost: list[Request], have: dict[str, str]) -> list[Request]:
        """Return what was lost because modules are off, as was asked for."""
        asked = [one for one in self.requests if one.name == "MODULES"]
        if not asked or asked[-1].value != "n" or have.get("MODULES", "n") != "n":
            return []
        return [one for one in lost if one.value == "m" and have.get(one.name) == "y"]

    def _without_modules(self, modular: list[Request]) -> str:
        place = [one.place for one in self.requests if one.name == "MODULES"][-1]
        some = ", ".join(f"CONFIG_{one.name}=m" for one in modular[:SHOWN_SYMBOLS])
        more = len(modular) - SHOWN_SYMBOLS
        others = f", nor {more} others" if more > 0 else ""
        return f"{place}: CONFIG_MODULES=n: without modules there can't be {some}{others}"

    def lacking(self, config: Path, version: str) -> list[str]:
        """Return the options that a kernel has off, and was to have on, built in or not."""
        have = values(config)
        wanted = self._wanted(version)
        found = (
            one.name
            for one in self.requests
            if one.kernels.contains(version)
            and wanted[one.name] == one.value
            and one.value in {"m", "y"}
            and not one.where_known
            and have.keys().isdisjoint(one.names)
        )
        return list(dict.fromkeys(found))

    def _wanted(self, version: str) -> dict[str, str]:
        """Return the last word on each symbol."""
        asked = [request for request in self.requests if request.kernels.contains(version)]
        return {name: request.value for request in asked for name in request.names}


def read_configuration(names: Sequence[str] = USUAL) -> Configuration:
    """Return what fragments ask for; later ones have the last word.

    :param names: of fragments of ours, or paths of others.
    :raises UserError: one can't be read, or a line of it makes no sense.
    """
    requests = [request for name in names for request in _read(_place(name))]
    return Configuration(tuple(names), tuple(requests))


def _place(name: str) -> Path:
    return Path(name) if "/" in name or Path(name).suffix else FRAGMENTS / f"{name}.config"


def _read(path: Path) -> Iterable[Request]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        ours = ", ".join(sorted(one.stem for one in FRAGMENTS.glob("*.config")))
        msg = f"the config fragment {path} can't be read: {error}; there are {ours}, or give a path"
        raise UserError(msg) from error
    for number, line in enumerate(lines, 1):
        place = f"{path.name}:{number}"
        if off := _OFF.fullmatch(line.strip()):
            yield Request(off["name"], "n", SpecifierSet(), place)
        elif line.strip() and not line.startswith("#"):
            yield _request(line.strip(), place)


def _request(line: str, place: str) -> Request:
    match = _LINE.fullmatch(line)
    if match is None:
        raise UserError(f"{place}: {line!r:.80} is no line of a config fragment: CONFIG_NAME=value")
    ranges, others, where_known = _asked_of(match["comment"] or "")
    try:
        kernels = SpecifierSet(",".join(ranges))
    except InvalidSpecifier as error:
        raise UserError(f"{place}: {error}") from error
    return Request(match["name"], match["value"], kernels, place, others, where_known)


def _asked_of(comment: str) -> tuple[list[str], tuple[str, ...], bool]:
    """Return what a comment says of kernels: ranges, other names, and whether it says "known"."""
    ranges: list[str] = []
    others: list[str] = []
    where_known = False
    for part in map(str.strip, comment.split(",")):
        if part.startswith(_OPERATORS):
            words = part.split()
            ranges += itertools.takewhile(lambda word: word.startswith(_OPERATORS), words)
        elif _OR.match(part):
            others += _OR.findall(part)
        elif _WHERE_KNOWN.match(part):
            where_known = True
        else:
            # The reason.
            break
    return ranges, tuple(others), where_known


def _lost(request: Request, have: dict[str, str], kconfig: Kconfig) -> str:
    name = request.name_in(kconfig)
    wanted = f"{request.place}: CONFIG_{name}={request.value}"
    if name not in kconfig.names:
        near = difflib.get_close_matches(name, kconfig.names, n=1)
        hint = f"; did you mean CONFIG_{near[0]}?" if near else ""
        also = f", nor {', '.join(request.others)}" if request.others else ""
        return f"{wanted}: this kernel has no such option{also}{hint}"
    became = have.get(name, "n")
    return f"{wanted} became {became}: {kconfig.why(name, request.value, have)}"
