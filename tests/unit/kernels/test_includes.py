# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files of a small tree include which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.kernels.includes import named_by_makefile, touched_through_includes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("includer", "line", "found"),
    [
        ("d/x.c", '#include "h.h"', True),
        ("d/x.S", '#include "h.h"', True),
        ("d/x.c", ' # include\t"./h.h" /* why */', True),
        ("d/sub/x.c", '#include "../h.h"', True),
        ("e/x.c", '#include "../d/h.h"', True),
        ("arch/x86/x.c", '#include "../../d/h.h"', True),
        # By way of some -I that we don't know of.
        ("e/x.c", '#include "h.h"', True),
        ("e/x.c", "#include <d/h.h>", True),
        ("e/x.c", '#include "../../../d/h.h"', True),
        ("own/x.c", '#include "h.h"', False),
        ("e/x.c", "#include <other/h.h>", False),
        ("e/x.c", '#include "hh.h"', False),
        ("e/x.c", '// see "h.h"', False),
        ("tools/x.c", '#include "../d/h.h"', False),
        ("arch/arm/x.c", '#include "../../d/h.h"', False),
    ],
)
def test_an_include_that_could_mean_it_counts(
    includer: str, line: str, found: bool, tmp_path: Path
) -> None:
    for name, text in {
        "d/h.h": "",
        "own/h.h": "",
        "arch/x86/y.c": "",
        includer: f"{line}\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    expected = {includer: "d/h.h"} if found else {}
    assert touched_through_includes(tmp_path, ["d/h.h"]) == expected


def test_includes_of_includes_count(tmp_path: Path) -> None:
    (tmp_path / "arch/x86").mkdir(parents=True)
    (tmp_path / "d").mkdir()
    for name, text in {
        "a.h": '#include "c.h"',
        "b.h": '#include "a.h"',
        "c.h": '#include "b.h"',
        "x.c": '#include "c.h"',
    }.items():
        (tmp_path / "d" / name).write_text(f"{text}\n")
    found = touched_through_includes(tmp_path, ["d/a.h"])
    assert found == {"d/b.h": "d/a.h", "d/c.h": "d/b.h", "d/x.c": "d/c.h"}


@pytest.mark.parametrize(
    ("place", "line", "found"),
    [
        ("lib/Makefile", "$(obj)/x.c: $(srctree)/include/linux/h.h FORCE", True),
        ("lib/Makefile", "\tsed p include/linux/h.h > $@", True),
        ("lib/Makefile", "generic-y += h.h", True),
        ("lib/Kbuild", "$(obj)/x.c: $(src)/../include/linux/h.h", True),
        ("lib/Makefile.rules", "ifneq ($(wildcard $(src)/linux/h.h),)", True),
        ("lib/Makefile", "$(obj)/x.c: $(srctree)/include/net/h.h", False),
        ("lib/Makefile", "generic-y += sch.h", False),
        ("lib/Makefile", "generic-y += h.hh", False),
        ("lib/Makefile", "obj-y += hxh.o", False),
        ("lib/x.sh", "include/linux/h.h", False),
        ("tools/Makefile", "include/linux/h.h", False),
    ],
)
def test_makefile_that_names_a_header(place: str, line: str, found: bool, tmp_path: Path) -> None:
    for name, text in {place: f"{line}\n", "arch/x86/Makefile": "\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert named_by_makefile(tmp_path, "include/linux/h.h") == (place if found else None)
