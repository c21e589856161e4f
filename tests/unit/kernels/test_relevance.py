# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files of the distro's source can make no difference to its kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.kernels.relevance import that_count

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("net/sched/act_mirred.c", True),
        ("net/core/dev.c", True),
        ("include/linux/skbuff.h", True),
        ("arch/x86/kernel/setup.c", True),
        ("scripts/mod/modpost.c", True),
        ("tools/objtool/check.c", True),
        ("net/sched/not_there_yet.h", True),
        ("drivers/vhost/test.c", False),
        ("arch/arm64/kernel/setup.c", False),
        ("tools/perf/perf.c", False),
        ("Documentation/networking/tap.rst", False),
        ("net/sched/README", False),
    ],
)
def test_file(source: KernelSource, tree: Path, file: str, *, counts: bool) -> None:
    assert that_count(source, tree, [file]) == ({file} if counts else set())


def test_source_that_another_includes_counts(source: KernelSource, tmp_path: Path) -> None:
    top = tmp_path / "net" / "sched"
    top.mkdir(parents=True)
    (tmp_path / "arch" / "x86").mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "Kbuild.include").touch()
    (top / "Makefile").write_text("obj-m += act_mirred.o\n", encoding="utf-8")
    (top / "act_mirred.c").write_text('#include "part.c"\n', encoding="utf-8")
    files = ["net/sched/part.c", "net/sched/other.c", "net/sched/act_mirred.c"]
    assert that_count(source, tmp_path, files) == set(files) - {"net/sched/other.c"}


def test_makefile_may_have_other_files_compiled(source: KernelSource, tree: Path) -> None:
    files = ["drivers/vhost/test.c", "drivers/vhost/Makefile"]
    assert that_count(source, tree, files) == set(files)
