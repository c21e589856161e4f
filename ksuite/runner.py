# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs suites in pytest and answers with our exit codes, whoever it was that ended the run.

``python -m ksuite.runner`` takes pytest's arguments.
"""

from __future__ import annotations

import signal
import sys

import pytest

from ksuite.errors import ExitCode
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

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.broken |= report.failed

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: pytest.Config) -> None:
        run = config.stash.get(RUN, None)
        self.concluded = run is not None and run.result is not None


def run_suites(arguments: list[str]) -> int:
    """Run pytest with these arguments and return an exit code of `ExitCode`."""
    signal.signal(signal.SIGINT, _interrupt_once)
    watch = _Watch()
    code = int(pytest.main(arguments, plugins=[watch]))
    if watch.concluded:
        return code
    if watch.broken:
        return int(ExitCode.INFRASTRUCTURE)
    return int(_PYTEST_CODES.get(code, ExitCode.INFRASTRUCTURE))


def _interrupt_once(_signal: int, _frame: object) -> None:
    # tox hands on a Ctrl-C that we have had from the terminal already: the second one must not
    # break into the clearing up after the first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(run_suites(sys.argv[1:]))
