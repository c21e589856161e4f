# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of the host."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ksuite.machines import host

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    paths = [tmp_path / "machine-id", tmp_path / "boot_id"]
    monkeypatch.setattr(host, "IDENTITIES", tuple(map(str, paths)))
    return paths


def test_two_hosts_are_told_apart_though_their_cpus_are_alike(ids: list[Path]) -> None:
    seen = set()
    for own in ("aaaa\n", "bbbb\n"):
        ids[0].write_text(own)
        seen.add(host.identity())
        assert host.identity() in seen
    assert len(seen) == 2


def test_host_without_an_id_is_one_until_it_boots(ids: list[Path]) -> None:
    ids[1].write_text("boot one")
    first = host.identity()
    ids[0].write_text("\n")
    assert host.identity() == first
    ids[1].write_text("boot two")
    assert host.identity() != first


def test_identity_shows_no_id(ids: list[Path]) -> None:
    ids[0].write_text("0123456789abcdef")
    assert "0123456" not in host.identity()
    assert f", {os.cpu_count()} CPUs, machine " in host.identity()
