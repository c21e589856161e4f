# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files get into what is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.running import that_run
from ksuite.errors import NothingToCompare
from ksuite.kernels.dependencies import Dependencies
from ksuite.kernels.plan import ModuleTarget

if TYPE_CHECKING:
    from pathlib import Path


def module(name: str, directory: str, *sources: str) -> ModuleTarget:
    objects = tuple(f"{directory}/{one}.o" for one in sources or (name,))
    return ModuleTarget(name, directory, objects, f"{name}.ko")


IDLE = module("ip_gre", "net/ipv4")
BELOW = module("nf_defrag_ipv4", "net/ipv4/netfilter")
MIRRED, GACT = module("act_mirred", "net/sched"), module("act_gact", "net/sched")
VHOST = module("vhost", "drivers/vhost")
EVERY = (IDLE, BELOW, MIRRED, GACT, VHOST)
LOADED = frozenset({"nf_defrag_ipv4", "act_mirred"})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for target in EVERY:
        place = tmp_path / target.directory
        place.mkdir(parents=True, exist_ok=True)
        (place / "Makefile").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        # Its directory lies below that of a module which is not loaded.
        ("net/ipv4/netfilter/nf_defrag_ipv4.c", True),
        ("net/ipv4/netfilter/nf_defrag_ipv4.h", True),
        ("net/ipv4/ip_gre.c", False),
        # A module below may read it.
        ("net/ipv4/fib_lookup.h", True),
        ("net/sched/act_mirred.c", True),
        ("net/sched/act_gact.c", False),
        ("net/sched/sch.h", True),
        ("drivers/vhost/vhost.h", False),
        ("drivers/vhost/new.c", False),
        ("include/net/act_api.h", True),
    ],
)
def test_files_of_what_is_loaded(tree: Path, file: str, counts: bool) -> None:
    running, files = that_run(EVERY, frozenset({file}), LOADED, tree, None)
    assert running == (BELOW, MIRRED)
    assert files == ({file} if counts else set())


def test_header_counts_where_what_is_loaded_reads_it(tree: Path) -> None:
    """Wherever it is: a build has told who reads it."""
    near, far, ours = "drivers/vhost/vhost.h", "net/sched/sch.h", "include/net/gre.h"
    kos = {f"{one.directory}/{one.file}": one.objects for one in EVERY}
    readers = {near: MIRRED.objects, far: GACT.objects, ours: IDLE.objects}
    told = tree / "dependencies.json"
    told.write_text(Dependencies(kos, readers).as_json(), encoding="utf-8")
    _, files = that_run(EVERY, frozenset(readers), LOADED, tree, told)
    assert files == {near}


def test_nothing_that_is_loaded(tree: Path) -> None:
    with pytest.raises(NothingToCompare, match=r"ip_gre, .* takes none of them"):
        that_run(EVERY, frozenset({"net/ipv4/ip_gre.c"}), frozenset({"veth"}), tree, None)
