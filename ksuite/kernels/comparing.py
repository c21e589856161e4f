# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that differ from a tree, as one patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.kernels.git import git
from ksuite.kernels.held import scratch_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def as_patch(tree: Path, changed: Mapping[str, bytes | None]) -> bytes:
    """Return a patch that makes files of a tree what they are to be.

    :param changed: their content, None for those that go.
    """
    with scratch_directory() as scratch:
        for side in ("a", "b"):
            (scratch / side).mkdir()
        for name, content in changed.items():
            path = tree / name
            _put(scratch / "a" / name, path.read_bytes() if path.is_file() else None)
            _put(scratch / "b" / name, content)
        plain = ["--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--no-prefix"]
        done = git("diff", "--no-index", *plain, "--", "a", "b", cwd=scratch)
    if done.returncode > 1:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise InfrastructureError(f"git can't compare: {said}")
    return done.stdout


def _put(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
