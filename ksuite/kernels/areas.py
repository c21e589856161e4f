# SPDX-License-Identifier: GPL-2.0-or-later
"""Where whole kernels are built: objects stay, so that the next build compiles what changed.

There is an area for each origin of sources, compiler and set of fragments, and a compiler's cache
for all of them. Only trees as they are leave objects there. What patches have a hand in is built in
a copy that goes away, with a cache that it can only read: nothing of it is found by the next build.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import DiskFull, InfrastructureError, UserError
from ksuite.kernels.beneath import read_beneath
from ksuite.kernels.held import FULL, disk_full, readable_for_all, scratch_directory
from ksuite.kernels.locks import held_alone, shared
from ksuite.kernels.makelog import read_unfollowed
from ksuite.kernels.store import digest
from ksuite.kernels.tux import FRAGMENT, Workplace
from ksuite.processes import give_to_builder, run, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CONFIG = ".config"
CONFIG_BYTES = 4 << 20
ASKED_BYTES = 16 << 20
"""More than any file has that make reads for a configuration."""
_OBJECTS, COPY = "out", "copy"


@dataclass(frozen=True)
class Area:
    """A directory that kernels are built in.

    :param cache: ccache's.
    """

    path: Path
    cache: Path

    @contextmanager
    def workplace(
        self,
        source: Path,
        changed: Mapping[str, bytes | None],
        fragment: str,
        progress: Callable[[str], None],
    ) -> Iterator[Workplace]:
        """Yield where to build a tree; nobody else builds here meanwhile.

        What is written then is readable for all, as the builder needs it.

        :param changed: content of the files that patches leave different, None for removed ones.
        :param fragment: what the configuration asks for.
        :raises InfrastructureError: there is no room for it.
        """
        cache = _builders(self.cache)
        with (
            held_alone(self.path, progress),
            shared(cache),
            scratch_directory() as given,
            readable_for_all(),
        ):
            (given / FRAGMENT).write_text(fragment, encoding="utf-8")
            given.chmod(0o755)
            copy = self.path / COPY
            # Of a process that was killed.
            shutil.rmtree(copy, ignore_errors=True)
            out = _builders(self.path / _OBJECTS)
            try:
                yield Workplace(
                    source=(_changes(source, changed, given / "changes"), source),
                    out=_copied(out, copy) if changed else out,
                    ccache=cache,
                    given=given,
                    trusted=not changed,
                )
            except (DiskFull, OSError) as error:
                full = isinstance(error, DiskFull) or error.errno in FULL
                if full and not changed:
                    # What was cut off there would be taken for whole the next time.
                    shutil.rmtree(out, ignore_errors=True)
                raise
            finally:
                shutil.rmtree(copy, ignore_errors=True)


def config_key(tree: Path, changed: Mapping[str, bytes | None], fragment: str, tools: str) -> str:
    """Return the SHA-256 of what a configuration depends on: Kconfig files, and what they run.

    :param changed: content of the files that patches leave different, None for removed ones.
    :param tools: versions of compiler and linker.
    :raises UserError: one of them can't be read.
    """
    content = {name: _content(tree, name) for name in _asked_files(tree)}
    asked = {name: text for name, text in changed.items() if _is_asked(name)}
    parts: list[bytes | str] = [fragment, tools]
    for name, text in sorted((content | asked).items()):
        parts += [name, "removed" if text is None else text]
    return digest(*parts)


def _asked_files(tree: Path) -> Iterator[str]:
    for top, directories, files in os.walk(tree):
        links = (name for name in directories if Path(top, name).is_symlink())
        for file in (*files, *links):
            name = str(Path(top, file).relative_to(tree))
            if _is_asked(name):
                yield name


def _content(tree: Path, name: str) -> bytes:
    """Return what a file of a tree has; a link's is where it leads, and what is there in the tree.

    :raises UserError: it is something else, or can't be read.
    """
    path = tree / name
    if path.is_symlink():
        there = b""
        with suppress(OSError):
            there = read_beneath(tree, name, ASKED_BYTES, links=True)
        return b"a link to %s\0%s" % (os.fsencode(path.readlink()), there)
    try:
        return read_beneath(tree, name, ASKED_BYTES)
    except OSError as error:
        raise UserError(f"{name} in the kernel tree can't be read: {error.strerror}") from error


def put_config(config: bytes, out: Path) -> None:
    """Put a configuration where make looks; one that is there already keeps its time."""
    path = out / CONFIG
    is_file = path.is_file() and not path.is_symlink()
    if is_file and read_unfollowed(out, CONFIG, CONFIG_BYTES) == config:
        return
    path.unlink(missing_ok=True)
    path.write_bytes(config)
    give_to_builder(path)


def _is_asked(name: str) -> bool:
    base = name.rpartition("/")[2]
    return base.startswith("Kconfig") or name.startswith("scripts/") or name == "Makefile"


def _builders(path: Path) -> Path:
    """Return a directory that is there, and the builder's."""
    path.mkdir(parents=True, exist_ok=True)
    give_to_builder(path)
    return path


def _copied(source: Path, target: Path) -> Path:
    """Copy a directory with owners and times, which tell make what is up to date."""
    done = run([tool("cp", "coreutils"), "-a", "--reflink=auto", source, target])
    if done.returncode:
        said = done.stderr.decode(errors="replace")
        if "No space left" in said:
            raise disk_full(str(target.parent), "set KSUITE_STORE")
        raise InfrastructureError(f"can't copy {source}: {said[-300:]}")
    return target


def _changes(tree: Path, changed: Mapping[str, bytes | None], into: Path) -> Path:
    """Fill a directory with what patches leave different, to be laid over the tree."""
    into.mkdir()
    for name, content in changed.items():
        path, pristine = into / name, tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)
            path.chmod(pristine.stat().st_mode & 0o755 if pristine.is_file() else 0o644)
        elif pristine.is_file():
            # What overlayfs takes for "there is no such file".
            os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
    return into
