# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files of a small tree include which."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.kernels.includes import touched_through_includes

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
