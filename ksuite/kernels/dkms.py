# SPDX-License-Identifier: GPL-2.0-or-later
"""What a DKMS configuration says: dkms(8). It is a shell script, and somebody's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.git import CLEAN_PATH
from ksuite.processes import contained, run

if TYPE_CHECKING:
    from ksuite.kernels.room import Room

MOST_BYTES = 1 << 16
_LIMITS = ("--as=268435456", "--cpu=10", f"--fsize={MOST_BYTES}", "--core=0")
_QUESTION = r"""
configuration=$(cat)
eval "$configuration" >/dev/null 2>&1 </dev/null
printf '%s\0' "$PACKAGE_NAME" "$PACKAGE_VERSION" "${MAKE[0]}"
for each in "${!BUILT_MODULE_NAME[@]}"; do
    printf '%s\0%s\0' "${BUILT_MODULE_NAME[each]}" "${BUILT_MODULE_LOCATION[each]}"
done
"""
_USUAL = 'make -C "$kernel_source_dir" M="$PWD" modules'
_WORD = re.compile(r"[A-Za-z0-9][\w.+~-]*")
_PLACE = re.compile(r"(?:[\w.+~-]+/)*")


@dataclass(frozen=True)
class Dkms:
    """A DKMS configuration.

    :param make: the shell command that builds.
    :param built: where each module is after that, below the source's top, by name.
    """

    name: str
    version: str
    make: str
    built: Mapping[str, str]


def variables(room: Room) -> dict[str, str]:
    """Return what dkms tells a configuration, and the command that builds."""
    return {
        "kernelver": room.source.release,
        "arch": "x86_64",
        "kernel_source_dir": room.headers,
        "dkms_tree": room.seen,
        "source_tree": room.seen,
    }


def read_dkms(content: bytes, name: str, room: Room) -> Dkms:
    """Return what a configuration says of a kernel.

    :param name: of its file.
    :param room: where it will be built.
    :raises UserError: it says nothing that can be built.
    """
    command = [
        *contained(drop_root=True),
        *("env", "-i", f"PATH={CLEAN_PATH}", "LC_ALL=C"),
        *(f"{name}={value}" for name, value in variables(room).items()),
        *("prlimit", *_LIMITS, "--", "bash", "--norc", "--noprofile", "-c", _QUESTION),
    ]
    done = run(command, stdin=content, most_bytes=MOST_BYTES, timeout_seconds=60)
    parts = [part.decode(errors="replace") for part in done.stdout.split(b"\0")[:-1]]
    if len(parts) < 3:
        said = done.stderr.decode(errors="replace").strip()[:200]
        raise UserError(f"{name} is no DKMS configuration: it can't be read to its end {said}")
    package, version, make, *built = parts
    _must_be_word(name, "PACKAGE_NAME", package)
    _must_be_word(name, "PACKAGE_VERSION", version)
    places = _built(name, built) or {package: f"{package}.ko"}
    return Dkms(package, version, make.strip() or _USUAL, places)


def _built(name: str, listed: list[str]) -> dict[str, str]:
    places = {}
    for module, place in zip(listed[::2], listed[1::2], strict=True):
        _must_be_word(name, "BUILT_MODULE_NAME", module)
        below = place.strip().removeprefix("./")
        below = f"{below.rstrip('/')}/" if below else ""
        if not _PLACE.fullmatch(below) or ".." in below.split("/"):
            raise UserError(f"{name}: BUILT_MODULE_LOCATION={place!r:.60} is no directory of it")
        places[module] = f"{below}{module}.ko"
    return places


def _must_be_word(name: str, what: str, value: str) -> None:
    if not _WORD.fullmatch(value):
        raise UserError(f"{name}: {what}={value!r:.60} is no name")
