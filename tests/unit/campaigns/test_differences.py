# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of what some kernels do otherwise: how it is read, and of which kernels it speaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksuite.campaigns.differences import (
    DIFFERENCES,
    Difference,
    find_difference,
    must_be_there,
    read_differences,
)
from ksuite.errors import UserError

TOP = Path(__file__).parents[3]
TEST = "tests/tc/test_redirected.py::test_circle_ends[itself-at-egress]"
TABLE = """\
[[difference]]
tests = ["tests/tc/test_redirected.py::test_circle_ends[itself-*]"]
kernels = [">=6.12.93,<6.13", ">=6.19"]
commit = "fe946a751d9b"
title = "net/sched: act_mirred: add loop detection"
instead = "a packet is dropped earlier"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "differences.toml"


def read(path: Path, text: str = TABLE) -> tuple[Difference, ...]:
    path.write_text(text, encoding="utf-8")
    return read_differences(path)


def test_what_is_read(path: Path) -> None:
    (one,) = read(path)
    assert one == Difference(
        tests=("tests/tc/test_redirected.py::test_circle_ends[itself-*]",),
        kernels=(">=6.12.93,<6.13", ">=6.19"),
        commit="fe946a751d9b",
        title="net/sched: act_mirred: add loop detection",
        instead="a packet is dropped earlier",
        runs=True,
        faults=False,
    )
    (other,) = read(path, f"{TABLE}runs = false\nfaults = true\n")
    assert (other.runs, other.faults) == (False, True)


def test_an_empty_list(path: Path) -> None:
    assert read(path, "# nothing yet\n") == ()


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        *(("6.12.92", False), ("6.12.93", True), ("6.12.100", True), ("6.13", False)),
        *(("6.18.40", False), ("6.19", True), ("7.2.12", True), ("7.3rc1", True)),
        ("5.10.262", False),
    ],
)
def test_kernels_that_it_holds_for(path: Path, kernel: str, expected: bool) -> None:
    (one,) = read(path)
    assert one.holds_for(kernel) is expected
    assert (find_difference([one], kernel, TEST) is one) is expected


@pytest.mark.parametrize(
    ("test", "listed"),
    [
        (TEST, True),
        ("tests/tc/test_redirected.py::test_circle_ends[itself-at-ingress]", True),
        ("tests/tc/test_redirected.py::test_circle_ends[two-at-egress]", False),
        ("tests/tc/test_redirected.py::test_circle_endsi", False),
        ("tests/tc/test_redirectedxpy::test_circle_ends[itself-at-egress]", False),
        ("tests/tc/test_redirected.py::test_circle_ends[itself-at-egress] ", False),
    ],
)
def test_tests_that_it_lists(path: Path, test: str, listed: bool) -> None:
    """An id's brackets are no set of characters."""
    (one,) = read(path)
    assert one.lists(test) is listed
    assert (find_difference([one], "7.2", test) is one) is listed


def test_what_is_told(path: Path) -> None:
    (one,) = read(path)
    assert one.told("7.2.12") == (
        "7.2.12: a packet is dropped earlier "
        '(fe946a751d9b "net/sched: act_mirred: add loop detection")'
    )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("instead =", "insted =", "unknown: insted"),
        ('">=6.19"', '"6.19 or so"', "Invalid specifier: '6.19 or so'"),
        ('[">=6.12.93,<6.13", ">=6.19"]', '">=6.19"', "kernels must be a list of texts"),
        ('[">=6.12.93,<6.13", ">=6.19"]', "[]", "kernels must be a list of texts"),
        ('">=6.19"', "6.19", "kernels must be a text"),
        ('"fe946a751d9b"', '"fe946a"', "'fe946a' is no commit"),
        ('"fe946a751d9b"', '"the loop detection"', "is no commit"),
        ('"a packet is dropped earlier"', '" "', "instead must be a text"),
        ('title = "net/sched: act_mirred: add loop detection"\n', "", "title must be a text"),
        ("::test_circle_ends[itself-*]", "", "is no FILE.py::TEST"),
        ("test_redirected.py", "test_*.py", "is no FILE.py::TEST"),
        ("[[difference]]", "[difference]", "it must hold tables [[difference]]"),
        ("[[difference]]", "[[differences]]", "it must hold tables [[difference]]"),
        ("[[difference]]", 'difference = ["a"]\n[x]', "it must hold tables [[difference]]"),
        ("commit =", "runs = 1\ncommit =", "runs must be true or false"),
        ("[[difference]]", "[[difference", "can't be read"),
    ],
)
def test_bad_list_is_one_clear_line(path: Path, old: str, new: str, complaint: str) -> None:
    assert TABLE.count(old) == 1
    with pytest.raises(UserError) as caught:
        read(path, TABLE.replace(old, new))
    text = str(caught.value)
    assert complaint in text
    assert str(path) in text
    assert "\n" not in text


def test_which_of_them_is_bad(path: Path) -> None:
    with pytest.raises(UserError, match="difference 2: unknown: x"):
        read(path, f"{TABLE}{TABLE}x = 1\n")


def test_list_that_is_not_there(path: Path) -> None:
    with pytest.raises(UserError, match=r"differences\.toml can't be read"):
        read_differences(path)


def test_tests_that_are_not_there_are_refused(path: Path) -> None:
    ours = read(path)
    must_be_there(ours, ["tests/tc"], [TEST])
    must_be_there(ours, ["tests/vhost"], [])
    with pytest.raises(UserError, match=r"no test is 'tests/tc/test_redirected\.py::"):
        must_be_there(ours, ["tests/vhost", "tests/tc"], ["tests/tc/test_rules.py::test_a"])


def test_ours_can_be_read() -> None:
    ours = read_differences(TOP / DIFFERENCES)
    assert ours
    for kernel in ("5.10.262", "6.12.95", "7.2.12"):
        assert any(one.holds_for(kernel) for one in ours), kernel
    assert not any(one.holds_for("6.1.192") for one in ours), "the tests say what 6.1 does"
