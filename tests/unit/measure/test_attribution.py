# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions by function: names for addresses, sums, and what a DUT may send that is neither."""

from __future__ import annotations

import math
import time

import pytest

from ksuite.errors import InfrastructureError
from ksuite.measure.attribution import (
    TOLERANCE,
    FunctionCost,
    Symbols,
    attribute,
    by_function,
    must_add_up,
)

KALLSYMS = b"""\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T startup_64
ffffffff81000200 t secondary
ffffffff81000300 D some_data
ffffffff81000400 W weak_one
ffffffffc0001000 t handle_rx\t[vhost_net]
ffffffffc0001800 T vhost_work_queue\t[vhost]
"""
MAPS = b"""\
00400000-00800000 r-xp 00000000 fe:00 1234                       /usr/bin/python3.11
7ffff7a00000-7ffff7c00000 r-xp 00001000 fe:00 5678               /usr/lib/with space.so (deleted)
7ffff7d00000-7ffff7e00000 rwxp 00000000 00:00 0 \n\
7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                  [stack]
"""
SYMBOLS = Symbols(KALLSYMS, MAPS)
HANDLE_RX = 0xFFFFFFFFC0001000


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (0xFFFFFFFF81000000, ("startup_64", "kernel")),
        (0xFFFFFFFF810001FF, ("startup_64", "kernel")),
        (0xFFFFFFFF81000200, ("secondary", "kernel")),
        (0xFFFFFFFF81000304, ("secondary", "kernel")),
        (0xFFFFFFFF81000400, ("weak_one", "kernel")),
        (HANDLE_RX, ("handle_rx", "vhost_net")),
        (HANDLE_RX + 0x7FF, ("handle_rx", "vhost_net")),
        (HANDLE_RX + 0x800, ("vhost_work_queue", "vhost")),
        ((1 << 64) - 1, ("vhost_work_queue", "vhost")),
        (0xFFFFFFFF80FFFFFF, ("0xffffffff80ffffff", "kernel")),
        (1 << 63, ("0x8000000000000000", "kernel")),
        (0x400000, ("(user space)", "python3.11")),
        (0x7FFFFF, ("(user space)", "python3.11")),
        (0x800000, ("(user space)", "?")),
        (0x7FFFF7A00001, ("(user space)", "with space.so (deleted)")),
        (0x7FFFF7D00001, ("(user space)", "?")),
        (0x7FFFFFFDE000, ("(user space)", "[stack]")),
        (0, ("(user space)", "?")),
    ],
)
def test_address_has_a_place(address: int, place: tuple[str, str]) -> None:
    assert SYMBOLS.place(address) == place


def test_symbols_need_no_order() -> None:
    lines = KALLSYMS.splitlines(keepends=True)
    assert Symbols(b"".join(reversed(lines)), MAPS).place(HANDLE_RX) == ("handle_rx", "vhost_net")


def test_one_of_several_names_is_always_the_same() -> None:
    """Base and candidate may list them in another order."""
    names = [b"ffffffff81000000 T one\n", b"ffffffff81000000 T other\n"]
    tables = [b"".join(names), b"".join(reversed(names))]
    assert len({Symbols(table, b"").place(0xFFFFFFFF81000000) for table in tables}) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe" * 100,
        b"ffffffff81000000",
        b"ffffffff81000000 T ",
        b"no address T name\n",
        b"-ffffffff81000000 - T\n",
        "\uff46\uff46 T name\n".encode(),
        b"00400000 r-xp",
    ],
)
def test_garbage_names_nothing(garbage: bytes) -> None:
    symbols = Symbols(garbage, garbage)
    assert symbols.place(HANDLE_RX) == (hex(HANDLE_RX), "kernel")
    assert symbols.place(0x400000) == ("(user space)", "?")


def test_good_lines_count_among_garbage() -> None:
    symbols = Symbols(b"\xff\n\n T \n" + KALLSYMS + b"ffff", b"garbage\n" + MAPS + b"7fff-")
    assert symbols.place(HANDLE_RX) == ("handle_rx", "vhost_net")
    assert symbols.place(0x400000) == ("(user space)", "python3.11")


def test_garbage_takes_no_longer_than_symbols() -> None:
    """A DUT whose memory is overwritten may send anything."""
    started = time.monotonic()
    Symbols(b"a" * 20_000, b"a" * 20_000)
    assert time.monotonic() - started < 1


def test_instructions_are_summed_by_function() -> None:
    counts = {HANDLE_RX: 5, HANDLE_RX + 8: 7, 0x400000: 11, 0x400100: 13, 0x900000: 17}
    assert by_function(counts, SYMBOLS) == {
        ("handle_rx", "vhost_net"): 12,
        ("(user space)", "python3.11"): 24,
        ("(user space)", "?"): 17,
    }


def test_nothing_counted_no_function() -> None:
    assert by_function({}, SYMBOLS) == {}


def test_largest_change_comes_first() -> None:
    base = {("same", "k"): 500, ("small", "k"): 100, ("shrinks", "k"): 100, ("gone", "k"): 20}
    candidate = {("same", "k"): 500, ("small", "k"): 101, ("shrinks", "k"): 40, ("new", "m"): 30}
    seen = attribute(base, candidate, 10)
    assert seen.functions == (
        FunctionCost("shrinks", "k", 10, 4),
        FunctionCost("new", "m", 0, 3),
        FunctionCost("gone", "k", 2, 0),
        FunctionCost("small", "k", 10, 10.1),
        FunctionCost("same", "k", 50, 50),
    )
    assert (seen.base, seen.candidate) == (72, 67.1)
    assert [one.difference for one in seen.functions[:3]] == [-6, 3, -2]


def test_parts_are_the_whole() -> None:
    base = {(str(number), "k"): number for number in range(100)}
    candidate = {(str(number), "k"): 2 * number for number in range(50, 150)}
    seen = attribute(base, candidate, 7)
    assert sum(one.base for one in seen.functions) == pytest.approx(seen.base)
    assert sum(one.candidate for one in seen.functions) == pytest.approx(seen.candidate)
    assert len(seen.functions) == 150


def test_equal_changes_are_in_one_order() -> None:
    """Larger functions first, then by name: two runs of one series print the same."""
    names = [("b", "k"), ("a", "k"), ("large", "k")]
    counts = {("b", "k"): 1, ("a", "k"): 1, ("large", "k"): 5}
    for order in (names, names[::-1]):
        some = {place: counts[place] for place in order}
        seen = attribute(some, some, 1)
        assert [one.function for one in seen.functions] == ["large", "a", "b"]


def test_functions_of_one_name_in_other_modules_are_kept_apart() -> None:
    base = {("init", "vhost"): 1, ("init", "tun"): 2}
    assert {(one.module, one.base) for one in attribute(base, base, 1).functions} == {
        ("vhost", 1),
        ("tun", 2),
    }


@pytest.mark.parametrize("counted", [1000.0, 1000 * (1 + TOLERANCE), 1000 * (1 - TOLERANCE)])
def test_counts_add_up(counted: float) -> None:
    must_add_up(counted, 1000.0)


@pytest.mark.parametrize(
    ("counted", "cost"),
    [(1021.0, 1000.0), (979.0, 1000.0), (0.0, 1000.0), (1000.0, 0.0), (math.inf, 1000.0)],
)
def test_counts_that_say_something_else_are_refused(counted: float, cost: float) -> None:
    with pytest.raises(
        InfrastructureError, match=f"{counted:,.1f} .* were counted, and {cost:,.1f}"
    ):
        must_add_up(counted, cost)
