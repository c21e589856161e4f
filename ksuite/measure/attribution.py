# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a packet's instructions are: by function, base against candidate."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    Place = tuple[str, str]
    """A function, and the module or file that it is in."""

KERNEL = "kernel"
USER = "(user space)"
_FIRST_KERNEL_ADDRESS = 1 << 63
_SYMBOL = re.compile(r"^([0-9a-f]+) [tTwW] (\S+)(?:\t\[(\S+)\])?", re.MULTILINE)
"""A function in /proc/kallsyms, proc_kallsyms(5): a module's own has its name behind it."""
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ *(.*)", re.MULTILINE)
"""A line of /proc/PID/maps, proc_pid_maps(5)."""
TOLERANCE = 0.02
"""What the counts may differ by from the cost."""


@dataclass(frozen=True)
class FunctionCost:
    """What a packet costs in one function.

    :param module: the kernel module or file that it is in, or ``kernel``.
    :param base: instructions per packet without the series.
    :param candidate: with it.
    """

    function: str
    module: str
    base: float
    candidate: float

    @property
    def difference(self) -> float:
        """Instructions per packet that the series adds."""
        return self.candidate - self.base


@dataclass(frozen=True)
class Attribution:
    """A cost by function, the largest change first.

    :param base: all that was counted without the series, in instructions per packet.
    :param candidate: with it.
    """

    base: float
    candidate: float
    functions: tuple[FunctionCost, ...]


class Symbols:
    """Names by address.

    :param kallsyms: the DUT's /proc/kallsyms.
    :param maps: the /proc/PID/maps of the process that drives the scenario.
    """

    def __init__(self, kallsyms: bytes, maps: bytes) -> None:
        found = _SYMBOL.finditer(kallsyms.decode(errors="replace"))
        self._functions = sorted(
            (int(symbol[1], 16), symbol[2], symbol[3] or KERNEL) for symbol in found
        )
        self._addresses = [address for address, _, _ in self._functions]
        self._mappings = [
            (int(mapping[1], 16), int(mapping[2], 16), mapping[3].rpartition("/")[2])
            for mapping in _MAPPING.finditer(maps.decode(errors="replace"))
        ]

    def place(self, address: int) -> Place:
        """Return which function an address is in."""
        if address < _FIRST_KERNEL_ADDRESS:
            inside = (name for start, end, name in self._mappings if start <= address < end)
            return USER, next(inside, "") or "?"
        index = bisect_right(self._addresses, address) - 1
        if index < 0:
            return hex(address), KERNEL
        _, function, module = self._functions[index]
        return function, module


def by_function(counts: Mapping[int, int], symbols: Symbols) -> Counter[Place]:
    """Return instructions by function from those by address."""
    total: Counter[Place] = Counter()
    for address, instructions in counts.items():
        total[symbols.place(address)] += instructions
    return total


def attribute(
    base: Mapping[Place, int], candidate: Mapping[Place, int], packets: int
) -> Attribution:
    """Return a cost by function, from instructions counted for so many packets."""
    functions = [
        FunctionCost(*place, base.get(place, 0) / packets, candidate.get(place, 0) / packets)
        for place in {**base, **candidate}
    ]
    functions.sort(key=lambda one: (-abs(one.difference), -one.candidate, one.function))
    return Attribution(
        sum(base.values()) / packets, sum(candidate.values()) / packets, tuple(functions)
    )


def must_add_up(counted: float, cost: float) -> None:
    """Refuse counts that say something else than the clock.

    :raises InfrastructureError: they differ by more than TOLERANCE.
    """
    if abs(counted - cost) > TOLERANCE * cost:
        msg = f"{counted:,.1f} instructions per packet were counted, and {cost:,.1f} measured"
        raise InfrastructureError(f"the counts by function don't add up: {msg}")
