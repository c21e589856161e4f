# SPDX-License-Identifier: GPL-2.0-or-later
"""Remembers which checks have failed and then passed, and when."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ksuite.kernels.locks import held_alone
from ksuite.kernels.store import digest
from ksuite.report.whole_file import write_json

if TYPE_CHECKING:
    from ksuite.kernels.store import Store

KIND = "flakes"
MOST = 1000
"""Times that are remembered of a check."""


class Flakes:
    """The flakes of a project, in the store; any number of processes may count at once.

    :param project: its name.
    """

    def __init__(self, store: Store, project: str) -> None:
        self._store = store
        self._path = store.root / KIND / f"{digest(project)[:16]}.json"

    def count(self, check: str) -> str:
        """Add one, and return in words how often there was one.

        :raises InfrastructureError: it can't be written.
        """
        with self._store.writable(KIND), held_alone(self._path.parent, lambda _: None):
            seen = self._seen()
            times = [*seen.get(check, []), datetime.now(UTC).date().isoformat()][-MOST:]
            write_json(seen | {check: times}, self._path)
        if len(times) == 1:
            return "for the first time"
        return f"{len(times)} times since {times[0]}"

    def _seen(self) -> dict[str, list[str]]:
        try:
            found: dict[str, list[str]] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # Nobody is judged by it: where it is damaged, counting begins anew.
            return {}
        return found if isinstance(found, dict) else {}
