# SPDX-License-Identifier: GPL-2.0-or-later
"""A prompt on a DUT, for the moment after a failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.dut import shell as dut_shell
from ksuite.errors import DutError, InfrastructureError

if TYPE_CHECKING:
    from ksuite.campaigns.costs import CostRequest
    from ksuite.campaigns.trial import Trial

LONGEST_SECONDS = 3600.0
"""Of the DUT's clock, for a line; where nothing runs there that is no time at all."""


@dataclass(frozen=True)
class Said:
    """What a line came to.

    :param status: its exit status; None where it did not end by itself.
    """

    status: int | None
    output: str


class Shell:
    """A fresh DUT with a variant's modules, and what is typed there.

    :param request: whose topology is set up; none when None.
    """

    def __init__(self, trial: Trial, variant: str, request: CostRequest | None) -> None:
        self._dut = trial.bench.dut
        self.directory = "/"
        self._dut.use(variant)
        if request is not None:
            function, arguments, _ = request.topology
            self._dut.call(function, *arguments)

    def run(self, line: str) -> Said:
        """Run a line in a shell on the DUT.

        :raises KernelFault: the kernel broke; the DUT is gone.
        """
        try:
            told = self._dut.call(dut_shell.line, line, self.directory, LONGEST_SECONDS)
        except DutError as error:
            # No room for a process, and the like; the next line may get through.
            return Said(None, f"{error}\n")
        if not isinstance(told, dict) or not {"status", "output", "directory"} <= told.keys():
            raise InfrastructureError("the DUT sent no answer")
        self.directory = str(told["directory"])
        status = told["status"]
        return Said(status if type(status) is int else None, str(told["output"]))
