# SPDX-License-Identifier: GPL-2.0-or-later
"""How often kernel functions are called: kprobes whose hits the kernel itself counts.

tracefs, Documentation/trace/kprobetrace.rst.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.dut.agent import CannotObserveError

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACING = Path("/sys/kernel/debug/tracing")
GROUP = "ksuite"


class Calls:
    """The calls since the probes were set."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._before = dict.fromkeys(names, 0)
        self.reset()

    def reset(self) -> None:
        """Count from now on."""
        self._before = _hits(tuple(self._before))

    def counts(self) -> dict[str, int]:
        """Return the calls by function.

        :raises CannotObserveError: the kernel missed some.
        """
        now = _hits(tuple(self._before))
        return {name: now[name] - before for name, before in self._before.items()}


@contextmanager
def counted(*names: str, perhaps: tuple[str, ...] = ()) -> Iterator[Calls]:
    """Count the calls of kernel functions.

    :param perhaps: more of them, which not every kernel has; one that is missing is not counted.
    :raises CannotObserveError: the kernel has no such function, or it can't be probed.
    """
    with ExitStack() as stack:
        found = []
        for name in (*names, *perhaps):
            try:
                _write("kprobe_events", f"p:{GROUP}/{name} {name}")
            except CannotObserveError:
                if name in perhaps:
                    continue
                raise
            stack.callback(_write, "kprobe_events", f"-:{GROUP}/{name}")
            _write(f"events/{GROUP}/{name}/enable", "1")
            stack.callback(_write, f"events/{GROUP}/{name}/enable", "0")
            found.append(name)
        yield Calls(tuple(found))


def _hits(names: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for line in (TRACING / "kprobe_profile").read_text(encoding="ascii").splitlines():
        name, hits, missed = line.split()
        if name in names:
            found[name] = int(hits)
            if int(missed):
                raise CannotObserveError(f"{missed} calls of {name} were not counted")
    return found


def _write(name: str, text: str) -> None:
    try:
        # Python's own way to append seeks first, which these files refuse.
        file = os.open(TRACING / name, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, f"{text}\n".encode())
        finally:
            os.close(file)
    except OSError as error:
        raise CannotObserveError(f"{text} > {TRACING / name}: {error.strerror}") from error
