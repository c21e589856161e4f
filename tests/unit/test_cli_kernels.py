# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite kernels``, up to where something would be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite import cli_kernels
from ksuite.cli import main
from ksuite.errors import ExitCode
from ksuite.kernels.source import KernelSource
from ksuite.kernels.trees import Tree

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_build_of_what_has_no_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = KernelSource(
        "bzImage,modules", "1.0", "1.0", tmp_path, tmp_path, tmp_path, tmp_path, "gcc"
    )
    monkeypatch.setattr(cli_kernels, "find_source", lambda *_: kernel)
    assert main(["kernels", "build", "bzImage,modules"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "bzImage,modules has no source to build a kernel from" in said
    assert "--unpatched" not in said


def test_build_of_a_tree_that_was_built_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is there already, and make would build it nowhere else."""
    (tmp_path / ".config").touch()
    tree = Tree(tmp_path, "", "")
    kernel = KernelSource(
        "linux", "1.0", "1.0", tmp_path, tmp_path, tmp_path, tmp_path, "gcc", tree=tree
    )
    monkeypatch.setattr(cli_kernels, "find_source", lambda *_: kernel)
    assert main(["kernels", "build", "linux"]) == ExitCode.USAGE
    assert "no whole kernel can be built from" in capsys.readouterr().err
