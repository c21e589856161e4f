# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that need not be started, because others have been asked the same.

A restored guest does the same each time, and answers the same: asking it again can only cost time.
Answers are kept in the store by all that made them. Only answers are: a guest that breaks is worth
looking at each time.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from execnet import gateway_base

from ksuite.errors import InfrastructureError
from ksuite.kernels.store import digest
from ksuite.machines.agent import as_message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.kernels.store import Store
    from ksuite.machines.image_machine import RestoredMachine
    from ksuite.machines.machine import Call
    from ksuite.machines.snapshot import Snapshot

    Messages = Sequence[Sequence[Call]]
    """All that a guest has been told since it was restored from the snapshot."""

KIND = "answer"
FORMAT = "1"
"""Raised whenever all is to be asked anew."""
_FILE = "answers"


class Answers:
    """The answers of guests that were restored from one snapshot.

    The code that answers is in the snapshot; modules that are loaded are part of what is asked.
    """

    def __init__(self, store: Store, snapshot: Snapshot) -> None:
        self._store = store
        self._snapshot = snapshot.key

    def of(self, snapshot: Snapshot) -> Answers:
        """Return those of guests of another snapshot."""
        return Answers(self._store, snapshot)

    def recall(self, said: Messages, repeat: int = 0) -> list[Any] | None:
        """Return what a guest answered to the last of these messages; None if none was asked.

        :param repeat: tells several measurements of the same thing from one another.
        """
        with self._store.reading(KIND, self._key(said, repeat)) as entry:
            if entry is None:
                return None
            answers: list[Any] = gateway_base.loads_internal((entry / _FILE).read_bytes())
            return answers

    def keep(self, said: Messages, answers: list[Any], repeat: int = 0) -> None:
        """Keep what a guest has answered; what there is no room for will be asked again."""
        key = self._key(said, repeat)
        with suppress(InfrastructureError), self._store.create(KIND, key) as into:
            (into / _FILE).write_bytes(gateway_base.dumps_internal(answers))

    def _key(self, said: Messages, repeat: int) -> str:
        messages = [gateway_base.dumps_internal(as_message(calls)) for calls in said]
        return digest(FORMAT, self._snapshot, str(repeat), *messages)


class RecallingMachine:
    """A restored guest that is started when it is asked what no guest like it was asked before.

    It is then told all that it seemed to have been told.

    :param start: restores it.
    :param release: the kernel release that runs in it.
    :param before: what it had been told when it was saved.
    :param repeat: as `Answers.recall` takes it.
    """

    def __init__(
        self,
        start: Callable[[], RestoredMachine],
        release: str,
        answers: Answers,
        before: Messages = (),
        repeat: int = 0,
    ) -> None:
        self._start = start
        self._release = release
        self._answers = answers
        self._before = list(before)
        self._said: list[Sequence[Call]] = []
        self._repeat = repeat
        self._machine: RestoredMachine | None = None

    @property
    def recalled(self) -> bool:
        """Whether no guest had to be started so far."""
        return self._machine is None

    @property
    def release(self) -> str:
        """``uname -r``; empty while a guest that had to be started is not up."""
        return self._release if self._machine is None else self._machine.release

    @property
    def console(self) -> str:
        """The console so far."""
        return "" if self._machine is None else self._machine.console

    def wait_ready(self) -> None:
        """Wait until it is up, if it had to be started."""
        if self._machine is not None:
            self._machine.wait_ready()

    def call(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Any:
        """Run a function of `ksuite.dut` on the DUT; see `Machine.call`."""
        return self.run([(function, args, kwargs)], timeout)[0]

    def run(self, calls: Sequence[Call], timeout: float | None = None) -> list[Any]:
        """Return what is known, or else ask; see `Machine.run`."""
        earlier = list(self._said)
        # What a call that fails has left behind is part of all that comes after it.
        self._said.append(calls)
        said = [*self._before, *self._said]
        if self._machine is None:
            known = self._answers.recall(said, self._repeat)
            if known is not None:
                return known
            self._machine = self._start()
            for message in earlier:
                self._machine.run(message, timeout)
        answers = self._machine.run(calls, timeout)
        self._answers.keep(said, answers, self._repeat)
        return answers

    def close(self) -> None:
        """End the guest, if there is one."""
        if self._machine is not None:
            self._machine.close()
