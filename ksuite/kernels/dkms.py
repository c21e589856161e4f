# SPDX-License-Identifier: GPL-2.0-or-later
"""What a DKMS configuration says: dkms(8). It is a shell script, and somebody's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.errors import NothingToCompare, UserError
from ksuite.kernels.git import CLEAN_PATH
from ksuite.kernels.kconfig import values
from ksuite.processes import contained, run

if TYPE_CHECKING:
    from ksuite.kernels.room import Room

MOST_BYTES = 1 << 16
TIME_SECONDS = 20
_LIMITS = ("--as=268435456", "--cpu=10", f"--fsize={MOST_BYTES}", "--core=0")
_QUESTION = r"""
configuration=$(cat)
eval "$configuration" >/dev/null 2>&1 </dev/null
excluded= refused=
for each in kernelver:KERNEL arch:ARCH; do
    key=BUILD_EXCLUSIVE_${each#*:} value=${each%:*}
    [[ -n ${!key} && ! ${!value} =~ ${!key} ]] && excluded="$key=${!key}"
done
[[ -n $PRE_BUILD ]] && refused=PRE_BUILD
for each in "${!PATCH[@]}"; do
    [[ -n ${PATCH[each]} && $kernelver =~ ${PATCH_MATCH[each]:-.} ]] && refused="PATCH[$each]"
done
for each in "${!MAKE_MATCH[@]}"; do
    [[ -n ${MAKE_MATCH[each]} ]] || continue
    [[ $kernelver =~ ${MAKE_MATCH[each]} ]] && matches=1 || matches=0
    # The first one is what is used where none matches.
    [[ $matches != "$((each == 0))" ]] && refused="MAKE_MATCH[$each]"
done
for each in "${!DEST_MODULE_NAME[@]}"; do
    built=${BUILT_MODULE_NAME[each]:-$PACKAGE_NAME}
    [[ ${DEST_MODULE_NAME[each]:-$built} != "$built" ]] && refused="DEST_MODULE_NAME[$each]"
done
printf '%s\0' answers "$PACKAGE_NAME" "$PACKAGE_VERSION" "${MAKE[0]}"
printf '%s\0' "$excluded" "$BUILD_EXCLUSIVE_CONFIG" "$refused"
for each in "${!BUILT_MODULE_NAME[@]}"; do
    printf '%s\0%s\0' "${BUILT_MODULE_NAME[each]}" "${BUILT_MODULE_LOCATION[each]}"
done
"""
FIXED = 7
"""Answers, before those for each module."""
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
    :raises UserError: it says nothing that can be built, or asks for what is not done here.
    :raises NothingToCompare: it is not for this kernel.
    """
    command = [
        *contained(drop_root=True),
        *("env", "-i", f"PATH={CLEAN_PATH}", "LC_ALL=C"),
        *(f"{name}={value}" for name, value in variables(room).items()),
        *("timeout", "--signal=KILL", str(TIME_SECONDS)),
        *("prlimit", *_LIMITS, "--", "bash", "--norc", "--noprofile", "-c", _QUESTION),
    ]
    done = run(command, stdin=content, most_bytes=MOST_BYTES, timeout_seconds=60)
    parts = [part.decode(errors="replace") for part in done.stdout.split(b"\0")[:-1]]
    # It can print, and so end the list anywhere.
    cut = parts[:1] != ["answers"] or len(parts) < FIXED or (len(parts) - FIXED) % 2
    if done.returncode or cut:
        said = done.stderr.decode(errors="replace").strip().partition("\n")[0][:200]
        raise UserError(f"{name} is no DKMS configuration: it can't be read to its end {said}")
    package, version, make, excluded, options, refused, *built = parts[1:]
    _must_be_word(name, "PACKAGE_NAME", package)
    _must_be_word(name, "PACKAGE_VERSION", version)
    if excluded := excluded or _lacking(options, room):
        raise NothingToCompare(f"{name} is not for {room.source.release}: {excluded!r:.80}")
    if refused:
        raise UserError(
            f"{name}: {refused!r:.60} is not done here: the build has to be whole without"
        )
    places = _built(name, built) or {package: f"{package}.ko"}
    return Dkms(package, version, make.strip() or _USUAL, places)


def _lacking(options: str, room: Room) -> str:
    """Return which of the options that it has to be built with a kernel has not; or has."""
    have = values(room.source.config)
    for option in options.split():
        wanted = not option.startswith("!")
        if (have.get(option.removeprefix("!").removeprefix("CONFIG_")) in {"y", "m"}) != wanted:
            return f"BUILD_EXCLUSIVE_CONFIG={option}"
    return ""


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
