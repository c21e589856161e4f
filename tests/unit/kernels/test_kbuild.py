# SPDX-License-Identifier: GPL-2.0-or-later
"""Makefiles that are not only asked: what they run is nobody's, and reaches nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import InfrastructureError, NeedsFullBuild
from ksuite.kernels import kbuild
from ksuite.kernels.kbuild import evaluate

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource


def said_by(source: KernelSource, tree: Path, command: str) -> str:
    """Return what a command prints that a Makefile runs while it is read."""
    (tree / "scripts").mkdir()
    (tree / "scripts/Kbuild.include").touch()
    (tree / "d").mkdir()
    (tree / "d/Makefile").write_text(f"$(error said: $(shell {command}))\n")
    with pytest.raises(NeedsFullBuild, match="needs a full build") as caught:
        evaluate(source, tree, "d")
    return str(caught.value).partition("said: ")[2].removesuffix(".  Stop.")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has what nobody can't read")
def test_what_a_makefile_runs_is_not_root(source: KernelSource, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    secret.chmod(0o600)
    assert said_by(source, tmp_path, f"id -u; cat {secret} 2>/dev/null") == "65534"


def test_what_a_makefile_runs_has_no_network(source: KernelSource, tmp_path: Path) -> None:
    names = "tail -n +3 /proc/net/dev | cut -d: -f1"
    assert said_by(source, tmp_path, names).split() == ["lo"]


def test_what_a_makefile_runs_writes_nothing(source: KernelSource, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    said_by(
        source,
        tmp_path,
        "exec 2>/dev/null; echo x > new; echo x > d/Makefile; echo x > /mnt/headers/new",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "scripts"]
    assert "said" in (tmp_path / "d/Makefile").read_text()
    assert not (source.headers / "new").exists()


def test_a_make_that_can_not_be_run_is_our_fault(
    source: KernelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = ["sh", "-c", "echo unshare: no >&2; exit 1"]
    monkeypatch.setattr(kbuild, "contained", lambda **_: refused)
    with pytest.raises(InfrastructureError, match="make could not be run: unshare: no"):
        evaluate(source, tmp_path, "d")


@pytest.mark.parametrize("command", ["yes >&2", "yes"])
def test_what_a_makefile_prints_has_an_end(
    command: str, source: KernelSource, tmp_path: Path
) -> None:
    said_by(source, tmp_path, command)


def test_a_path_may_have_anything_in_it(source: KernelSource, tmp_path: Path) -> None:
    tree = tmp_path / "a tree $(of its) own"
    for name in ("scripts/Kbuild.include", "d/Kbuild"):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_text("obj-m += one.o\n" if name == "d/Kbuild" else "")
    assert dict(evaluate(source, tree, "d").modules) == {"one.ko": ("d/one.o",)}
