# SPDX-License-Identifier: GPL-2.0-or-later
"""The distro's source, unpacked once, and patches made from it on the spot."""

from __future__ import annotations

import difflib
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from ksuite.kernels.diff import touched_files
from ksuite.kernels.series import Patch
from ksuite.kernels.source import KernelSource, distro_source, unpack
from ksuite.kernels.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


class Edit(Protocol):
    """Makes the patch that replaces one text by another in a file of the distro's source."""

    def __call__(self, file: str, old: str, new: str) -> Patch:
        """Return the patch."""


@pytest.fixture(scope="session")
def source() -> KernelSource:
    return distro_source()


@pytest.fixture(scope="session")
def tree(source: KernelSource) -> Path:
    return unpack(source, Store.default())


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


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Return a directory that others than root may go through, as builds need it."""
    with tempfile.TemporaryDirectory(prefix="ks-test-") as name:
        path = Path(name)
        path.chmod(0o711)
        yield path


@pytest.fixture
def tiny_disk(open_directory: Path) -> Callable[[str], AbstractContextManager[Path]]:
    """Return what mounts a file system of a size such as ``1m``."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")

    @contextmanager
    def mounted(size: str) -> Iterator[Path]:
        options = f"size={size},mode=711"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(open_directory)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode()}")
        try:
            yield open_directory
        finally:
            subprocess.run(["umount", open_directory], check=True)

    return mounted
