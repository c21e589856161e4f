# SPDX-License-Identifier: GPL-2.0-or-later
"""Marks do nothing but be there: they run on this CPU as on the DUT's."""

from __future__ import annotations

from ksuite.dut.marks import BEGIN, END, END_OFFSET, RETURN, Marks


def test_marks_can_be_set() -> None:
    marks = Marks()
    for _ in range(1000):
        marks.begin()
        marks.end()


def test_marks_are_these_instructions_and_no_more() -> None:
    code = Marks()._code
    assert code[: len(BEGIN) + 1] == BEGIN + RETURN
    assert code[END_OFFSET : END_OFFSET + len(END) + 1] == END + RETURN


def test_marks_differ_and_are_multi_byte_no_operations() -> None:
    """Of the form nopl disp32(%rax), with a displacement that no compiler would choose."""
    assert BEGIN != END
    for mark in (BEGIN, END):
        assert mark[:3] == b"\x0f\x1f\x80"
        assert len(mark) == 7
