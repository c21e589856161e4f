# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows a cost to the functions that it comes from, in guests whose instructions are counted."""

from __future__ import annotations

import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.costs import ROUNDS, WINDOWS, must_be_windows
from ksuite.dut import symbols as dut_symbols
from ksuite.errors import InfrastructureError
from ksuite.machines.counting import plugin_arguments, read_counts
from ksuite.measure.attribution import Symbols, attribute, by_function, must_add_up

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from ksuite.campaigns.costs import CostRequest
    from ksuite.campaigns.restored_dut import RestoredDut
    from ksuite.machines.machine import Call
    from ksuite.measure.attribution import Attribution, Place


def attribute_cost(
    duts: Sequence[tuple[RestoredDut, str]],
    request: CostRequest,
    plugin: Path,
    run_directory: Path,
    jobs: int,
) -> Attribution:
    """Measure a cost once more on two variants, counting, and return it by function.

    :param duts: of the base and of the candidate, with what it calls the variant.
    :param plugin: QEMU's, that counts.
    :param jobs: guests that may run at once.
    :raises KsuiteError: as `RestoredDut.run_alone`; the counts don't add up to the cost.
    """

    packets = WINDOWS * ROUNDS * request.batch

    def counted(one: tuple[RestoredDut, str]) -> Counter[Place]:
        dut, variant = one
        with tempfile.TemporaryDirectory(dir=run_directory) as scratch:
            output = Path(scratch) / "counts"
            calls: list[Call] = [
                request.call(WINDOWS, ROUNDS),
                (dut_symbols.kernel, (), {}),
                (dut_symbols.process, (), {}),
            ]
            windows, kallsyms, maps = dut.run_alone(
                variant, calls, plugin_arguments(plugin, output)
            )
            counts = read_counts(output)
        if not isinstance(kallsyms, bytes) or not isinstance(maps, bytes):
            raise InfrastructureError("the DUT sent no symbols")
        must_be_windows(windows, request.name)
        must_add_up(sum(counts.values()) / packets, statistics.mean(windows))
        return by_function(counts, Symbols(kallsyms, maps))

    with ThreadPoolExecutor(jobs) as pool:
        base, candidate = pool.map(counted, duts)
    return attribute(base, candidate, packets)
