# SPDX-License-Identifier: GPL-2.0-or-later
"""Images hold nothing of the host that makes them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.machines import image

if TYPE_CHECKING:
    from pathlib import Path


def tree(top: Path, umask: int, hostname: str) -> Path:
    """Return what two hosts would have made of the same packages."""
    before = os.umask(umask)
    try:
        (top / "etc").mkdir(parents=True)
        for name in image.HOSTS_OWN:
            (top / "etc" / name).write_text(hostname)
        (top / "etc" / "os-release").write_text("bookworm")
        (top / "bin").mkdir()
        program = top / "bin" / "program"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o777 & ~umask)
        (top / "link").symlink_to("nowhere")
    finally:
        os.umask(before)
    (top / "tmp").mkdir()
    (top / "tmp").chmod(0o1777)
    return top


@pytest.mark.skipif(shutil.which("mkfs.erofs") is None, reason="no mkfs.erofs (erofs-utils)")
def test_umask_and_name_of_the_host_leave_no_trace(tmp_path: Path) -> None:
    digests = set()
    for umask, hostname in ((0o022, "one"), (0o002, "other"), (0o077, "third")):
        into = tmp_path / hostname
        into.mkdir()
        image.pack(tree(into / "top", umask, hostname), into, {})
        digests.add(image.read(into).digest)
    assert len(digests) == 1


@pytest.mark.skipif(shutil.which("mkfs.erofs") is None, reason="no mkfs.erofs (erofs-utils)")
def test_another_file_is_another_image(tmp_path: Path) -> None:
    digests = set()
    for content in ("bookworm", "trixie"):
        into = tmp_path / content
        into.mkdir()
        top = tree(into / "top", 0o022, "one")
        (top / "etc" / "os-release").write_text(content)
        image.pack(top, into, {})
        digests.add(image.read(into).digest)
    assert len(digests) == 2


def test_programs_stay_programs_and_what_all_may_write_stays_so(tmp_path: Path) -> None:
    top = tree(tmp_path / "top", 0o077, "one")
    image.leave_no_trace_of_this_host(top)
    modes = {name: (top / name).stat().st_mode & 0o7777 for name in ("bin/program", "etc", "tmp")}
    assert modes == {"bin/program": 0o755, "etc": 0o755, "tmp": 0o1777}
    assert (top / "link").is_symlink()
    assert not any((top / "etc" / name).exists() for name in image.HOSTS_OWN)


@pytest.mark.parametrize("part", ["FORMAT", "agent_code", "DATA"])
def test_all_of_a_guest_that_is_ours_is_told(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = image.guest_code()
    for name in ("dut.toml", "init"):
        (tmp_path / name).write_text("another")
    other: Any = {"FORMAT": "0", "agent_code": lambda: {"ksuite/dut/x.py": b""}, "DATA": tmp_path}
    monkeypatch.setattr(image, part, other[part])
    assert image.guest_code() not in {before, ""}
