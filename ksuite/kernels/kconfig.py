# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a kernel's configuration has not got what it was asked for, read from the Kconfig files.

Only as much of the language as says under which conditions a symbol can be chosen
(Documentation/kbuild/kconfig-language.rst); the configuration itself is made by the kernel's own
tools.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ksuite.kernels.series import Patch

_SET = re.compile(r"^CONFIG_(\w+)=(.*)$", re.MULTILINE)
_TOKEN = re.compile(r'\s*(&&|\|\||!=|<=|>=|[!()=<>]|"[^"]*"|\'[^\']*\'|\$\([^)]*\)+|[\w.$-]+)')
_WORD = re.compile(r"^\s*([a-z_]+)\b\s*(.*?)\s*(?:#.*)?$")
_PROMPT = re.compile(r'^(?:bool|tristate|string|hex|int|prompt)\s+["\']')
_VALUES = {
    "bool": ("y or n", re.compile(r"[yn]")),
    "tristate": ("y, m or n", re.compile(r"[ymn]")),
    "int": ("a number", re.compile(r"-?\d+")),
    "hex": ("a number such as 0x10", re.compile(r"(0[xX])?[0-9a-fA-F]+")),
    "string": ("a text in double quotes", re.compile(r'".*"')),
}
"""What symbols of a type can be: in words, and as a pattern."""
_TYPES = {*_VALUES, "prompt", "def_bool", "def_tristate"}
_LEVEL = {"n": 0, "m": 1, "y": 2}
_OPENS = {"if", "menu", "choice"}
_MOST_DEEP = 40


def values(config: Path) -> dict[str, str]:
    """Return what a ``.config`` has on; strings are in quotes as they are there."""
    text = config.read_text(encoding="utf-8", errors="replace")
    return {match[1]: match[2] for match in _SET.finditer(text)}


def added_symbols(patches: Iterable[Patch]) -> set[str]:
    """Return the symbols that patches define in Kconfig files, some of which may not be new."""
    touching = (patch.text for patch in patches if any(map(is_kconfig, patch.files)))
    return {name for text in touching for name in _defined(text, r"\+")}


def is_kconfig(file: str) -> bool:
    """Say whether a file is one that defines symbols, by its name."""
    return file.rpartition("/")[2].startswith("Kconfig")


def _defined(text: bytes, before: str) -> set[str]:
    pattern = rf"^{before}\s*(?:menu)?config\s+(\w+)\s*$"
    return set(re.findall(pattern, text.decode(errors="replace"), re.MULTILINE))


@dataclass
class _Definition:
    """One place where a symbol is defined.

    :param conditions: all must hold for it to be chosen.
    :param type: empty where another place says it.
    """

    place: str
    conditions: list[str]
    prompt: bool = False
    type: str = ""


@dataclass
class _Block:
    """What a line of a Kconfig file is inside of."""

    kind: str
    conditions: list[str] = field(default_factory=list)


class Kconfig:
    """The symbols of a kernel for x86.

    :param changed: content of the files that patches leave different, None for removed ones.
    """

    def __init__(self, tree: Path, changed: Mapping[str, bytes | None] | None = None) -> None:
        self._tree = tree
        self._changed = changed or {}
        self._definitions: dict[str, list[_Definition]] = defaultdict(list)
        self._selected: dict[str, list[str]] = defaultdict(list)

    @cached_property
    def names(self) -> frozenset[str]:
        """All symbols that it knows."""
        self._read("Kconfig", [], 0)
        return frozenset(self._definitions)

    def adds(self, name: str) -> bool:
        """Whether a Kconfig file that patches have changed defines a symbol, read or not."""
        files = (text for file, text in self._changed.items() if text and is_kconfig(file))
        return any(name in _defined(text, "") for text in files)

    def why(self, name: str, wanted: str, have: dict[str, str]) -> str:
        """Say why a symbol of `names` has not got a value that it was asked to have."""
        definitions = self._definitions[name]
        of_type = next((one.type for one in definitions if one.type), "")
        if of_type and not _VALUES[of_type][1].fullmatch(wanted):
            return f"it takes {_VALUES[of_type][0]} ({definitions[0].place})"
        if wanted == "n":
            by = [other for other in self._selected[name] if have.get(other, "n") != "n"]
            return f"selected by {', '.join(by)}" if by else "it can't be turned off"
        if not any(one.prompt for one in definitions):
            by = self._selected[name]
            return f"nobody can choose it; it comes with {' or '.join(by) or 'others'}"
        missing = [self._unmet(one, wanted, have) for one in definitions if one.prompt]
        shortest = min(missing, key=len)
        if not shortest:
            return f"another fragment or a choice has the last word ({definitions[0].place})"
        return f"it depends on {' and '.join(shortest)} ({definitions[0].place})"

    def _unmet(self, one: _Definition, wanted: str, have: dict[str, str]) -> list[str]:
        # A string or a number is there whenever its conditions are anything but n.
        level = _LEVEL.get(wanted, 1)
        parts = [part for condition in one.conditions for part in _conjuncts(condition)]
        return list(dict.fromkeys(part for part in parts if _level(part, have) < level))

    def _read(self, file: str, outside: list[str], depth: int) -> None:
        content = None if depth > _MOST_DEEP else self._content(file)
        if content is not None:
            text = content.decode(errors="replace").replace("\\\n", " ")
            _Reader(self, file, outside, depth).read(text)

    def _content(self, file: str) -> bytes | None:
        """Return what is in a file; None where there is none."""
        if file in self._changed:
            return self._changed[file]
        path = self._tree / file
        return path.read_bytes() if path.is_file() else None

    def source(self, file: str, outside: list[str], depth: int) -> None:
        """Read a file that another one names."""
        self._read(file.replace("$(SRCARCH)", "x86").replace("$SRCARCH", "x86"), outside, depth)

    def define(self, name: str, place: str, conditions: list[str]) -> _Definition:
        """Note that a symbol is defined somewhere."""
        definition = _Definition(place, conditions)
        self._definitions[name].append(definition)
        return definition

    def select(self, by: str, name: str) -> None:
        """Note that one symbol selects another."""
        self._selected[name].append(by)


class _Reader:
    """Reads one file; what stands inside of conditions inherits them."""

    def __init__(self, kconfig: Kconfig, file: str, outside: list[str], depth: int) -> None:
        self._kconfig = kconfig
        self._file = file
        self._depth = depth
        self._blocks = [_Block("file", list(outside))]
        self._definition: _Definition | None = None
        self._name = ""
        self._help_indent: int | None = None

    def read(self, text: str) -> None:
        """Take in a file's text."""
        for number, line in enumerate(text.splitlines(), 1):
            if self._is_help(line):
                continue
            if match := _WORD.match(line.expandtabs()):
                self._take(match[1], match[2], number, line)

    def _is_help(self, line: str) -> bool:
        """Whether a line belongs to a help text, which ends where the indentation does."""
        if self._help_indent is None:
            return False
        stripped = line.expandtabs().lstrip()
        indent = len(line.expandtabs()) - len(stripped)
        if not stripped:
            return True
        if self._help_indent < 0:
            self._help_indent = indent
        if indent and indent >= self._help_indent:
            return True
        self._help_indent = None
        return False

    def _take(self, word: str, rest: str, number: int, line: str) -> None:
        if word in {"config", "menuconfig"}:
            self._begin(rest.split(maxsplit=1)[0] if rest else "", number)
        elif word == "help":
            self._help_indent = -1
        elif word in _OPENS:
            self._definition = None
            self._blocks.append(_Block(word, [rest] if word == "if" else []))
        elif word in {"endif", "endmenu", "endchoice"}:
            self._definition = None
            if len(self._blocks) > 1:
                self._blocks.pop()
        elif word == "source":
            self._definition = None
            self._kconfig.source(rest.strip("\"'"), self._conditions(), self._depth + 1)
        elif word == "comment":
            self._definition = _Definition("", [])
        else:
            self._attribute(word, rest, line)

    def _begin(self, name: str, number: int) -> None:
        self._name = name
        place = f"{self._file}:{number}"
        self._definition = self._kconfig.define(name, place, self._conditions())

    def _conditions(self) -> list[str]:
        return [condition for block in self._blocks for condition in block.conditions]

    def _attribute(self, word: str, rest: str, line: str) -> None:
        if word == "depends":
            condition = rest.removeprefix("on").strip()
            held = self._definition or self._blocks[-1]
            held.conditions.append(condition)
        elif self._definition is None:
            return
        elif word in _TYPES:
            self._definition.prompt |= _PROMPT.match(line.strip()) is not None
            self._definition.type = self._definition.type or _type_of(word)
        elif word in {"select", "imply"}:
            self._kconfig.select(self._name, rest.split(maxsplit=1)[0])


def _type_of(word: str) -> str:
    name = word.removeprefix("def_")
    return name if name in _VALUES else ""


def _conjuncts(expression: str) -> list[str]:
    """Return the parts of an expression that must all hold."""
    parts, depth, current = [], 0, ""
    for piece in _TOKEN.findall(expression):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if piece == "&&" and not depth:
            parts.append(current)
            current = ""
        else:
            current += f" {piece} "
    return [_tidy(part) for part in [*parts, current]]


def _tidy(expression: str) -> str:
    spaced = re.sub(r"\s+", " ", expression.strip())
    return spaced.replace("( ", "(").replace(" )", ")").replace("! ", "!")


def _level(expression: str, have: dict[str, str]) -> int:
    """Return what an expression comes to: 0 for n, 1 for m, 2 for y."""
    return _Evaluation(_TOKEN.findall(expression), have).level()


class _Evaluation:
    """A recursive descent over an expression's tokens."""

    def __init__(self, tokens: list[str], have: dict[str, str]) -> None:
        self._tokens = tokens
        self._have = have

    def level(self) -> int:
        """Return the value of what is left, up to a closing parenthesis."""
        found = self._all()
        while self._next("||"):
            found = max(found, self._all())
        return found

    def _all(self) -> int:
        found = self._one()
        while self._next("&&"):
            found = min(found, self._one())
        return found

    def _one(self) -> int:
        if self._next("!"):
            return 2 - self._one()
        if self._next("("):
            found = self.level()
            self._next(")")
            return found
        left = self._tokens.pop(0) if self._tokens else "y"
        for relation in ("=", "!="):
            if self._next(relation):
                right = self._tokens.pop(0) if self._tokens else "y"
                same = self._text(left) == self._text(right)
                return 2 if same == (relation == "=") else 0
        if self._tokens and self._tokens[0] in {"<", ">", "<=", ">="}:
            # Of numbers, such as compiler versions: not what a fragment can change.
            del self._tokens[:2]
            return 2
        # What a macro says depends on the compiler.
        return 2 if left.startswith("$") else _LEVEL.get(self._text(left), 0)

    def _next(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            del self._tokens[0]
            return True
        return False

    def _text(self, token: str) -> str:
        if token[0] in "\"'":
            return token[1:-1]
        if token in _LEVEL or token[0].isdigit():
            return token
        return self._have.get(token, "n").strip('"')
