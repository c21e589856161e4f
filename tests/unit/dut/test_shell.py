# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of a shell, run where the tests are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut.shell import line

if TYPE_CHECKING:
    from pathlib import Path


def test_a_line_leaves_its_directory(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    told = line("cd 'a b'; pwd; echo wrong >&2; false", str(tmp_path), 5)
    assert told == {
        "status": 1,
        "output": f"{tmp_path}/a b\nwrong\n",
        "directory": f"{tmp_path}/a b",
    }


@pytest.mark.parametrize("text", ['echo "unbalanced', "if", "echo )", "fi"])
def test_what_is_no_line_is_complained_about(text: str, tmp_path: Path) -> None:
    told = line(text, str(tmp_path), 5)
    assert told["status"] == 2
    assert "yntax error" in told["output"]
    assert told["directory"] == str(tmp_path)


def test_a_line_may_go_on_in_the_next(tmp_path: Path) -> None:
    assert line("echo a\\", str(tmp_path), 5)["output"].startswith("a")


def test_a_directory_that_is_gone_is_told(tmp_path: Path) -> None:
    told = line("echo never", str(tmp_path / "gone"), 5)
    assert told["status"] == 2
    assert "gone" in told["output"]
