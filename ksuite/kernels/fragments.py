# SPDX-License-Identifier: GPL-2.0-or-later
"""Fragments of kernel configurations: what a kernel must have, and which kernels know it.

A line is Kconfig's own, ``CONFIG_NAME=value``, and may end with ``# RANGE, reason``: only kernels
in that range of versions are asked for it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
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
_LINE = re.compile(
    r"CONFIG_(?P<name>\w+)=(?P<value>\S+|\".*\")(?:\s+#\s*(?P<range>[<>=!~][^ ,]*).*)?"
)
_OFF = re.compile(r"# CONFIG_(?P<name>\w+) is not set")


@dataclass(frozen=True)
class Request:
    """One symbol, and the value that it is to have; ``n`` where it is to be off.

    :param kernels: a range of versions, PEP 440.
    :param place: file and line.
    """

    name: str
    value: str
    kernels: SpecifierSet
    place: str


@dataclass(frozen=True)
class Configuration:
    """What a kernel is to be built with: fragments on top of allnoconfig.

    :param names: of its fragments.
    """

    names: tuple[str, ...]
    requests: tuple[Request, ...]

    def fragment(self, version: str) -> str:
        """Return what a kernel of a version is asked for, as one fragment."""
        return "".join(
            f"CONFIG_{name}={value}\n" for name, value in sorted(self._wanted(version).items())
        )

    def check(self, config: Path, kconfig: Kconfig, version: str) -> None:
        """Make sure that a kernel's configuration has all that was asked for.

        :param config: the ``.config`` that came of it.
        :raises UserError: it names what did not survive, and what it depends on.
        """
        have = values(config)
        lost = [
            _lost(request, have, kconfig)
            for request in self.requests
            if request.kernels.contains(version)
            and self._wanted(version)[request.name] == request.value
            and have.get(request.name, "n") != request.value
        ]
        if lost:
            text = "\n".join(f"  {line}" for line in lost)
            raise UserError(f"the configuration of {version} lacks what was asked for:\n{text}")

    def lacking(self, config: Path, version: str) -> list[str]:
        """Return the options that a kernel has off, and was to have on, built in or not."""
        have = values(config)
        wanted = self._wanted(version)
        return [name for name, value in wanted.items() if value in "my" and name not in have]

    def _wanted(self, version: str) -> dict[str, str]:
        """Return the last word on each symbol."""
        asked = [request for request in self.requests if request.kernels.contains(version)]
        return {request.name: request.value for request in asked}


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
    try:
        kernels = SpecifierSet(match["range"] or "")
    except InvalidSpecifier as error:
        raise UserError(f"{place}: {error}") from error
    return Request(match["name"], match["value"], kernels, place)


def _lost(request: Request, have: dict[str, str], kconfig: Kconfig) -> str:
    wanted = f"{request.place}: CONFIG_{request.name}={request.value}"
    if request.name not in kconfig.names:
        near = difflib.get_close_matches(request.name, kconfig.names, n=1)
        hint = f"; did you mean CONFIG_{near[0]}?" if near else ""
        return f"{wanted}: this kernel has no such option{hint}"
    became = have.get(request.name, "n")
    return f"{wanted} became {became}: {kconfig.why(request.name, request.value, have)}"
