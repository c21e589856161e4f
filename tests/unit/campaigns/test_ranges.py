# SPDX-License-Identifier: GPL-2.0-or-later
"""Series that are taken apart on a tree which its owner has built in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ksuite.campaigns import ranges
from ksuite.campaigns.options import Build, CheckOptions
from ksuite.campaigns.ranges import range_of_series
from ksuite.errors import UserError
from ksuite.kernels.source import KernelSource
from ksuite.kernels.store import Store
from ksuite.kernels.trees import Tree

SERIES = Path(__file__).parents[3] / "patches" / "vhost-rx-tx-limits"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    place = tmp_path / "linux"
    place.mkdir()
    (place / ".config").touch()
    tree = Tree(place, "5eed", "0r161n")
    source = KernelSource("mine", "6.1", "6.1.192", place, place, place, place, "gcc", tree=tree)
    monkeypatch.setattr(ranges, "find_source", lambda *_: source)
    return Store(tmp_path / "store")


def take(store: Store, build: Build) -> Any:
    options = CheckOptions(str(SERIES), kernel="mine", build=build)
    with range_of_series(options, store, lambda _: None) as taken:
        return taken


def test_whole_kernels_of_it(store: Store) -> None:
    with pytest.raises(UserError, match=r"^no whole kernel can be built from mine"):
        take(store, Build.FULL)


def test_one_that_has_changed_since(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise UserError("newer")

    monkeypatch.setattr(ranges, "plan_once", lambda *_: ())
    monkeypatch.setattr(ranges, "must_be_current", refuse)
    with pytest.raises(UserError, match="newer"):
        take(store, Build.MODULE)
