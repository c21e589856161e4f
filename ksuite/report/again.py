# SPDX-License-Identifier: GPL-2.0-or-later
"""What to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ksuite.measure.result import CheckResult, TestOutcome


def again(result: CheckResult, outcome: TestOutcome) -> str:
    """Return the command that runs one test alone, on the same; empty where none is known.

    What ksuite says of no test of its own, such as a fault at the end, has no such command.
    """
    if result.subject is None or not result.subject.command or not outcome.seconds:
        return ""
    return shlex.join([*result.subject.command, "--check", outcome.test])
