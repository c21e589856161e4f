# SPDX-License-Identifier: GPL-2.0-or-later
"""What some kernels do otherwise than the tests expect, as data: which, since when, and instead.

A test that is listed for the running kernel must fail there, or the list is wrong.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ksuite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

DIFFERENCES = PurePosixPath("tests", "differences.toml")
"""Where they are in a checkout."""
_COMMIT = re.compile("[0-9a-f]{12,40}")
_TEXTS = ("commit", "title", "instead")
_FLAGS = {"runs": True, "faults": False}
_LISTS = ("tests", "kernels")


@dataclass(frozen=True)
class Difference:
    """Tests that some kernels can't pass.

    :param tests: ids as pytest prints them, without a variant; ``*`` stands for anything.
    :param kernels: ranges of versions, any of which a kernel may be in.
    :param commit: the one of mainline that made the difference.
    :param instead: what kernels in these ranges do.
    :param runs: False where the test would crash or hang the kernel.
    :param faults: a fault of the kernel is what is expected.
    """

    tests: tuple[str, ...]
    kernels: tuple[str, ...]
    commit: str
    title: str
    instead: str
    runs: bool = True
    faults: bool = False

    def lists(self, test: str) -> bool:
        """Whether a test is among them."""
        return any(_matches(pattern, test) for pattern in self.tests)

    def holds_for(self, kernel: str) -> bool:
        """Whether it is expected of a kernel of this upstream version."""
        return any(SpecifierSet(one).contains(kernel, prereleases=True) for one in self.kernels)

    def told(self, kernel: str) -> str:
        """Return why a test can't pass."""
        return f'{kernel}: {self.instead} ({self.commit} "{self.title}")'


def find_difference(differences: Iterable[Difference], kernel: str, test: str) -> Difference | None:
    """Return what is expected of a test on a kernel of this upstream version, if anything is."""
    fitting = (one for one in differences if one.lists(test) and one.holds_for(kernel))
    return next(fitting, None)


def must_be_there(
    differences: Iterable[Difference], directories: Iterable[str], tests: Sequence[str]
) -> None:
    """Refuse a list that names tests which are not there.

    :param directories: of which all tests are known.
    :param tests: ids of these.
    :raises UserError: no test is what a list's entry names.
    """
    whole = set(directories)
    for difference in differences:
        for pattern in difference.tests:
            place = str(PurePosixPath(pattern.partition("::")[0]).parent)
            if place in whole and not any(_matches(pattern, test) for test in tests):
                raise UserError(f"{DIFFERENCES}: no test is {pattern!r:.120}")


def read_differences(path: Path) -> tuple[Difference, ...]:
    """Read a TOML file of tables ``difference``.

    :raises UserError: it can't be read, or says anything else.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"the differences {path} can't be read: {error!s:.80}") from error
    tables = data.pop("difference", [])
    if data or not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise UserError(f"{path}: it must hold tables [[difference]], and nothing else")
    return tuple(_difference(f"{path}: difference {at}", one) for at, one in enumerate(tables, 1))


def _difference(where: str, table: dict[str, Any]) -> Difference:
    if unknown := set(table) - {*_LISTS, *_TEXTS, *_FLAGS}:
        raise UserError(f"{where}: unknown: {', '.join(sorted(unknown))}")
    tests, kernels = (_texts(where, name, table.get(name)) for name in _LISTS)
    commit, title, instead = (_text(where, name, table.get(name)) for name in _TEXTS)
    runs, faults = (_flag(where, name, table.get(name, usual)) for name, usual in _FLAGS.items())
    for pattern in tests:
        file, _, name = pattern.partition("::")
        if not name or "*" in file:
            raise UserError(f"{where}: {pattern!r:.120} is no FILE.py::TEST")
    for specifier in kernels:
        try:
            SpecifierSet(specifier)
        except InvalidSpecifier as error:
            raise UserError(f"{where}: kernels: {error!s:.80}") from error
    if not _COMMIT.fullmatch(commit):
        raise UserError(f"{where}: {commit!r:.60} is no commit: 12 to 40 hexadecimal digits")
    return Difference(tests, kernels, commit, title, instead, runs, faults)


def _texts(where: str, name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise UserError(f"{where}: {name} must be a list of texts")
    return tuple(_text(where, name, one) for one in value)


def _text(where: str, name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where}: {name} must be a text")
    return value.strip()


def _flag(where: str, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UserError(f"{where}: {name} must be true or false")
    return value


def _matches(pattern: str, test: str) -> bool:
    # In an id, brackets are brackets: fnmatch would take them for a set of characters.
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), test) is not None
