# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs suites in pytest and answers with our exit codes, whoever it was that ended the run.

``python -m ksuite.runner`` takes pytest's arguments.
"""

from __future__ import annotations

import sys

import pytest

from ksuite.campaigns.suites import ROOT
from ksuite.errors import ExitCode
from ksuite.interrupts import fatal_interrupts, interrupt_once
from ksuite.pytest_workers import RUN

_PYTEST_CODES: dict[int, ExitCode] = {
    pytest.ExitCode.OK: ExitCode.PASS,
    pytest.ExitCode.TESTS_FAILED: ExitCode.FAIL,
    pytest.ExitCode.INTERRUPTED: ExitCode.INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR: ExitCode.INFRASTRUCTURE,
    pytest.ExitCode.USAGE_ERROR: ExitCode.USAGE,
    pytest.ExitCode.NO_TESTS_COLLECTED: ExitCode.INCOMPARABLE,
}


class _Watch:
    """Tells whether the exit code is ksuite's own or pytest's."""

    def __init__(self) -> None:
        self.concluded = False
        self.broken = False
        self.somebodys = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        interrupt_once()
        self.somebodys = bool(config.getoption("--ks-gate", None)) and config.rootpath != ROOT

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.broken |= report.failed

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        run = config.stash.get(RUN, None)
        self.concluded = run is not None and run.result is not None


def run_suites(arguments: list[str]) -> int:
    """Run pytest with these arguments and return an exit code of `ExitCode`."""
    watch = _Watch()
    # Until the plugins are there.
    with fatal_interrupts():
        code = int(pytest.main(arguments, plugins=[watch]))
    if watch.concluded:
        return code
    if watch.broken:
        # A file of a module's own tests is not ours.
        return int(ExitCode.USAGE if watch.somebodys else ExitCode.INFRASTRUCTURE)
    return int(_PYTEST_CODES.get(code, ExitCode.INFRASTRUCTURE))


if __name__ == "__main__":
    sys.exit(run_suites(sys.argv[1:]))
