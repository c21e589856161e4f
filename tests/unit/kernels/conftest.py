# SPDX-License-Identifier: GPL-2.0-or-later
"""The distro's source, unpacked once, and patches made from it on the spot."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Protocol

import pytest

from ksuite.kernels.diff import touched_files
from ksuite.kernels.series import Patch
from ksuite.kernels.source import KernelSource, distro_source, unpack
from ksuite.kernels.store import Store

if TYPE_CHECKING:
    from pathlib import Path


class Edit(Protocol):
    """Makes the patch that replaces one text by another in a file of the distro's source."""

    def __call__(self, file: str, old: str, new: str) -> Patch:
        """Return the patch."""


@pytest.fixture(scope="session")
def source() -> KernelSource:
    return distro_source()


@pytest.fixture(scope="session")
def tree(source: KernelSource) -> Path:
    return unpack(source, Store.default()).path


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return an empty store that the tests of one session share."""
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def edit(tree: Path) -> Edit:
    def make(file: str, old: str, new: str) -> Patch:
        before = (tree / file).read_text(encoding="utf-8")
        assert before.count(old) == 1
        lines = difflib.unified_diff(
            before.splitlines(keepends=True),
            before.replace(old, new).splitlines(keepends=True),
            f"a/{file}",
            f"b/{file}",
        )
        text = "".join(lines).encode()
        return Patch("edit.patch", "an edit", text, touched_files(text, "edit.patch"))

    return make
