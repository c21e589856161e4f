# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that ksuite raises on purpose.

::

    KsuiteError
     +- UserError               exit 2   what was asked for makes no sense
     +- SeriesError             exit 1   the series is at fault before it is judged
     |   +- DoesNotApply
     |   +- DoesNotCompile
     |   +- DoesNotBoot
     +- NothingToCompare        exit 4   nothing to run, or not comparable
     |   +- NeedsFullBuild
     +- InfrastructureError     exit 3   ours or the host's fault, never the patch's
     |   +- GuestNotReady                unless a guest like it with another kernel was
     |   +- DiskFull
     +- KernelFault             exit 1   the kernel under test broke: splat, panic, hang, leak
     +- DutError                exit 1   a kernel interface answered with an error on the DUT
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every ksuite command, and of pytest runs that use its fixtures."""

    PASS = 0
    FAIL = 1
    USAGE = 2
    INFRASTRUCTURE = 3
    INCOMPARABLE = 4
    INTERRUPTED = 130


class KsuiteError(Exception):
    """Base of all; its text says what happened, what it was looking at and what to do."""

    exit_code = ExitCode.INFRASTRUCTURE


class UserError(KsuiteError):
    """Usage, or input that is no patch series at all or reaches outside the tree."""

    exit_code = ExitCode.USAGE


class SeriesError(KsuiteError):
    """The series is at fault before anything could be judged."""

    exit_code = ExitCode.FAIL


class DoesNotApply(SeriesError):
    """A hunk was refused; the text shows it."""


class DoesNotCompile(SeriesError):
    """The compiler refused the patched source; the text shows its message."""


class DoesNotBoot(SeriesError):
    """The kernel without the series comes up, and the one with it breaks; the console is shown."""


class NothingToCompare(KsuiteError):
    """There is nothing to run, or what was measured can't be compared."""

    exit_code = ExitCode.INCOMPARABLE


class NeedsFullBuild(NothingToCompare):
    """The series touches what a module build can't cover."""


class InfrastructureError(KsuiteError):
    """The host, a tool or ksuite itself is at fault, never the patch."""


class GuestNotReady(InfrastructureError):
    """A guest started, and its kernel never got to the point where it can be asked anything.

    By itself that says nothing of the kernel: it may lack what a DUT takes. Where the kernel
    without the series did come up, it is the series' fault.
    """


class DiskFull(InfrastructureError):
    """There was no room for what was to be made, and nothing of it is left."""


class KernelFault(KsuiteError):
    """The kernel under test broke.

    :param kind: one word: ``warn``, ``bug``, ``oops``, ``panic``, ``hang``, ...
    :param summary: the line that tells most.
    :param console: the console around the fault.
    """

    exit_code = ExitCode.FAIL

    def __init__(self, kind: str, summary: str, console: str = "") -> None:
        super().__init__(f"{kind}: {summary}")
        self.kind = kind
        self.summary = summary
        self.console = console


class DutError(KsuiteError):
    """An ``OSError`` on the DUT: a kernel interface refused what it should have done.

    :param remote_traceback: the traceback as the DUT printed it.
    """

    exit_code = ExitCode.FAIL

    def __init__(self, text: str, remote_traceback: str = "") -> None:
        super().__init__(text)
        self.remote_traceback = remote_traceback


def as_ours(error: Exception, doing: str) -> KsuiteError:
    """Return an error as one of these: what the operating system refuses is infrastructure."""
    if isinstance(error, KsuiteError):
        return error
    return InfrastructureError(f"{doing} failed: {error}")
