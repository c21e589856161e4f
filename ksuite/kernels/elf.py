# SPDX-License-Identifier: GPL-2.0-or-later
"""What a module's object code is, apart from how and where it was built.

Two modules have the same code digest when everything that gets loaded is the same: the contents of
all allocated sections, and their relocations with local symbols resolved to section and offset.
Left out are notes (the build-id among them), .modinfo, debug information and the names of local
symbols.

Line numbers are code to the kernel: WARN keeps them in __bug_table and pr_debug in __dyndbg, and
__LINE__ may be an operand. A comment that moves the lines below it can so change the digest, which
says "different" where a measurement will say "the same"; never the other way around.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_RELA, _NOTE, _NOBITS = 4, 7, 8
_ALLOCATED = 0x2
_RESERVED_INDEX = 0xFF00
_BUILD_ID_NOTE = 3
_NOTE_BYTES = 12
_MOST_NOTES, _MOST_NAME = 1 << 20, 1 << 10
"""Bytes of all of them, and of a name: somebody's file may have them overlap."""
_HEADER, _SECTION = struct.Struct("<6s34xQ10xHHH"), struct.Struct("<IIQQQQIIQQ")
"""Of the first, what makes it an ELF file, and where its sections are."""


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    flags: int
    link: int
    info: int
    align: int
    size: int
    data: bytes

    @property
    def is_code(self) -> bool:
        return bool(self.flags & _ALLOCATED) and self.kind != _NOTE and self.name != ".modinfo"


def code_digest(module: Path) -> str:
    """Return a SHA-256 of all that a module loads, the same wherever it was built.

    :raises InfrastructureError: it is no 64-bit little-endian ELF file.
    """
    data = module.read_bytes()
    _must_be_elf(data, str(module))
    try:
        return _digest(_sections(data))
    except (struct.error, IndexError, ValueError) as error:
        raise _damaged(str(module)) from error


def _digest(sections: list[_Section]) -> str:
    tables: dict[int, list[_Section]] = {}
    for section in sections:
        if section.kind == _RELA:
            tables.setdefault(section.info, []).append(section)
    total = hashlib.sha256()
    for index, section in enumerate(sections):
        if not section.is_code:
            continue
        head = (section.name, section.kind, section.flags, section.align, section.size)
        total.update(repr((*head, hashlib.sha256(section.data).digest())).encode())
        for table in tables.get(index, ()):
            total.update(repr(sorted(_relocations(table, sections))).encode())
    return total.hexdigest()


def build_id(module: Path) -> str:
    """Return the build-id of a module, or of vmlinux, in hex.

    :raises InfrastructureError: it has none, or is no 64-bit little-endian ELF file.
    """
    with module.open("rb") as file:
        return build_id_of(file, str(module))


def build_id_of(file: BinaryIO, name: str) -> str:
    """Return the build-id of an open file; see `build_id`. Little of it is read."""
    left = _MOST_NOTES
    try:
        for kind, offset, size in _places(file, name):
            if kind == _NOTE and size <= left:
                left -= size
                file.seek(offset)
                if found := _build_id(file.read(size)):
                    return found
    except (struct.error, OverflowError, ValueError, OSError) as error:
        raise _damaged(name) from error
    raise InfrastructureError(f"{name} has no build-id: it was linked without --build-id")


def _places(file: BinaryIO, name: str) -> Iterator[tuple[int, int, int]]:
    """Yield kind, offset and size of each section."""
    head = file.read(_HEADER.size)
    _must_be_elf(head, name)
    _, offset, entry_size, count, _ = _HEADER.unpack(head)
    for index in range(count):
        file.seek(offset + entry_size * index)
        fields = _SECTION.unpack(file.read(_SECTION.size))
        yield fields[1], fields[4], fields[5]


def _build_id(notes: bytes) -> str:
    """Return what a section of notes has of a build-id; vmlinux has all of its notes in one."""
    at = 0
    while at + _NOTE_BYTES <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        name = notes[at + _NOTE_BYTES : at + _NOTE_BYTES + name_size]
        start = at + _NOTE_BYTES + (name_size + 3) // 4 * 4
        if (name, kind) == (b"GNU\0", _BUILD_ID_NOTE):
            return notes[start : start + size].hex()
        at = start + (size + 3) // 4 * 4
    return ""


def _sections(data: bytes) -> list[_Section]:
    _, offset, entry_size, count, names = _HEADER.unpack_from(data)
    heads = [_SECTION.unpack_from(data, offset + entry_size * index) for index in range(count)]
    # No tool has them overlap, and together they would be as large as somebody wants.
    if sum(head[5] for head in heads if head[1] != _NOBITS) > len(data):
        raise ValueError
    strings = data[heads[names][4] :]
    return [_section(head, strings, data) for head in heads]


def _must_be_elf(data: bytes, name: str) -> None:
    if data[:6] != b"\x7fELF\x02\x01":
        raise InfrastructureError(f"{name} is no 64-bit little-endian ELF file: rebuild it")


def _damaged(name: str) -> InfrastructureError:
    return InfrastructureError(f"{name} is cut short or damaged: rebuild it")


def _section(head: tuple[int, ...], strings: bytes, data: bytes) -> _Section:
    name, kind, flags, _, offset, size, link, info, align, _ = head
    content = b"" if kind == _NOBITS else data[offset : offset + size]
    if kind != _NOBITS and len(content) != size:
        raise ValueError
    title = _string(strings, name)
    if title == "__versions":
        # modpost writes this table in the order of the symbol table, which debug information moves.
        content = b"".join(sorted(content[at : at + 64] for at in range(0, size, 64)))
    return _Section(title, kind, flags, link, info, align, size, content)


def _relocations(table: _Section, sections: list[_Section]) -> Iterator[tuple[int, int, str, int]]:
    """Yield offset, type, target and addend; a target inside the module is its section."""
    symbols = sections[table.link]
    strings = sections[symbols.link].data
    for offset, info, addend in struct.iter_unpack("<QQq", table.data):
        name, _, _, index, value, _ = struct.unpack_from("<IBBHQQ", symbols.data, (info >> 32) * 24)
        if 0 < index < _RESERVED_INDEX:
            yield offset, info & 0xFFFFFFFF, sections[index].name, value + addend
        else:
            yield offset, info & 0xFFFFFFFF, f"symbol {_string(strings, name)}", value + addend


def _string(strings: bytes, start: int) -> str:
    return strings[start : strings.index(b"\0", start, start + _MOST_NAME)].decode(errors="replace")
