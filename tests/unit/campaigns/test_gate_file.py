# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``ksuite.toml`` may say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.gate_file import read_gate_file
from ksuite.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """\
[module]
name = "redirector"
load = ["redirector"]
[parameters]
redirector = "mode=1"
[kernels]
run = ["distro", "debian:6.12"]
[scenarios]
run = ["tc_redirect"]
[thresholds]
default_percent = 0.5
[flakes]
fail = true
"""


def written(place: Path, text: str) -> Path:
    path = place / "ksuite.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_whole_file_is_read(tmp_path: Path) -> None:
    gate = read_gate_file(written(tmp_path, WHOLE))
    assert (gate.name, gate.how.modules) == ("redirector", ("redirector",))
    assert gate.parameters == {"redirector": "mode=1"}
    assert gate.kernels == ("distro", "debian:6.12")
    assert gate.scenarios == ("tc_redirect",)
    assert gate.flakes_fail
    assert gate.top == tmp_path


def test_directory_stands_for_the_file_in_it(tmp_path: Path) -> None:
    written(tmp_path, '[module]\nname = "a"\n')
    assert read_gate_file(tmp_path).kernels == ("distro",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"the section \[module\] is missing"),
        ("[module]", r"\[module\] has no name"),
        ('[module]\nname = "a"\nkbiuld = "."', "unknown key 'kbiuld'; did you mean 'kbuild'"),
        ('[modul]\nname = "a"', r"no section \[modul\]; did you mean 'module'"),
        ("[module]\nname = 3", r"\[module\] name = 3: it must be a text"),
        ('[module]\nname = "a"\nload = "b"', "load = 'b': it must be a list of texts"),
        ('[module]\nname = "a"\nkbuild = ".."', r"\.\. is outside of the repository"),
        ('[module]\nname = "a"\nkbuild = "."\ndkms = "d"', "both kbuild and dkms"),
        ('[module]\nname = "a"\n[tests]\nrun = ["t"]', "there is no t"),
        ('[module]\nname = "a"\n[kernels]\nrun = ["debian:4.4"]', "4.4"),
        ('[module]\nname = "a"\n[scenarios]\nrun = ["tc_no"]', "no scenario named 'tc_no'"),
        ('[module]\nname = "a"\n[thresholds]\npercnt = 1', "unknown: percnt"),
        ("[module", "can't be read"),
    ],
)
def test_nonsense_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_gate_file(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"x = {'[' * 20_000}", "can't be read: maximum recursion depth"),
        ('[module]\nname = "a"\nkbuild = "loop"', "loop is no place: Symlink loop"),
        (f'[module]\nname = "a"\nkbuild = "{"k" * 300}"', "k is no place: .*File name too long"),
        (f'[module]\nname = "a"\n[baseline]\ndirectory = "{"k" * 300}"', "k is no place"),
    ],
    ids=["nested", "loop", "long", "long baseline"],
)
def test_what_no_one_can_follow_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match=said):
        read_gate_file(written(tmp_path, text))


@pytest.mark.parametrize("name", ["loop", "k" * 300])
def test_directory_that_no_one_can_follow(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="can't be read"):
        read_gate_file(tmp_path / name)


def test_kernels_that_find_bugs_are_known(tmp_path: Path) -> None:
    names = '["distro+debug", "debian:6.12+debug"]'
    path = written(tmp_path, f'[module]\nname = "a"\n[kernels]\nrun = {names}')
    assert read_gate_file(path).kernels == ("distro+debug", "debian:6.12+debug")


def test_missing_file_is_said_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="ksuite gate init"):
        read_gate_file(tmp_path)
