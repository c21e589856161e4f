# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C ends what has nothing to clear up, whoever swallows it, and interrupts the rest once."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SWALLOWS = """
import os, signal
from ksuite.interrupts import fatal_interrupts, interrupt_once
def interrupted():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        return type(error).__name__
"""


def ended(code: str) -> tuple[int, str]:
    """Run Python; return how it ended, and what it printed."""
    # Whoever runs us may have said that Ctrl-C is not for its children.
    prefix = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{prefix}\n{SWALLOWS}\n{code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_import_that_swallows_it_ends() -> None:
    assert ended("with fatal_interrupts(): interrupted()") == (-signal.SIGINT, "")


def test_afterwards_it_is_an_exception_again() -> None:
    code = "with fatal_interrupts(): pass\nprint(interrupted(), interrupted())"
    assert ended(code) == (0, "KeyboardInterrupt KeyboardInterrupt\n")


def test_who_is_not_to_be_interrupted_stays_so() -> None:
    code = "signal.signal(signal.SIGINT, signal.SIG_IGN)\nwith fatal_interrupts(): "
    assert ended(f"{code} print(interrupted())") == (0, "None\n")


def test_only_the_first_interrupts() -> None:
    code = "interrupt_once()\nprint(interrupted(), interrupted())"
    assert ended(code) == (0, "KeyboardInterrupt None\n")


def test_one_that_was_swallowed_can_be_sent_again() -> None:
    code = "interrupt_once(0)\nprint(interrupted(), interrupted())"
    assert ended(code) == (0, "KeyboardInterrupt KeyboardInterrupt\n")


def test_a_handler_that_came_meanwhile_stays() -> None:
    code = "with fatal_interrupts(): interrupt_once()\nprint(interrupted(), interrupted())"
    assert ended(code) == (0, "KeyboardInterrupt None\n")


@pytest.mark.parametrize("module", ["ksuite", "ksuite.runner"])
def test_help_still_works(module: str) -> None:
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0
    assert "usage:" in done.stdout
