# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite is killed at fifty moments; what it leaves goes at the next occasion."""

from __future__ import annotations

import random
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.test_host import SHORT, checking, ended

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.drill import Drill

KILLS = 25
MOST_SECONDS = 12.0
"""A run that has to build its modules takes about as long."""


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_any_moment(seed: int, drill: Drill, tmp_path: Path) -> None:
    chance = random.Random(seed)  # noqa: S311 (the same moments each time)
    answer = tmp_path / "result.json"
    unfinished = 0
    for number in range(KILLS):
        if number % 2:
            # This one builds.
            shutil.rmtree(drill.store / "modules", ignore_errors=True)
        process = drill.start(*checking(answer, SHORT))
        time.sleep(chance.uniform(0, MOST_SECONDS))
        unfinished += process.poll() is None
        process.kill()
        process.wait()
        drill.must_have_ended()
    assert unfinished > KILLS // 2
    answer.unlink(missing_ok=True)
    code, result = ended(drill.start(*checking(answer, SHORT)), drill, answer)
    assert (code, result["verdict"]) == (0, "PASS")
