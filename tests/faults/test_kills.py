# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite is killed at fifty moments; what it leaves goes at the next occasion."""

from __future__ import annotations

import random
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.test_host import OWN_MODULE, SHORT, checking, ended, gating
from tests.gate.gates import Gate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.drill import Drill


@pytest.mark.parametrize(
    ("seed", "kills", "command"), [(1, 20, "check"), (2, 20, "check"), (3, 10, "gate")]
)
def test_killed_at_any_moment(
    seed: int, kills: int, command: str, drill: Drill, tmp_path: Path
) -> None:
    chance = random.Random(seed)  # noqa: S311 (the same moments each time)
    if command == "check":
        answer = tmp_path / "result.json"
        arguments = checking(answer, SHORT)
    else:
        answer = tmp_path / "results" / "distro.json"
        arguments = gating(Gate.of(OWN_MODULE, tmp_path).top, answer.parent)
    # What a run takes that has to build its modules is another time on each host.
    began = time.monotonic()
    assert ended(drill.start(*arguments), drill, answer)[0] == 0
    most_seconds = time.monotonic() - began
    unfinished = 0
    for number in range(kills):
        if number % 2:
            # This one builds.
            shutil.rmtree(drill.store / "modules", ignore_errors=True)
        process = drill.start(*arguments)
        time.sleep(chance.uniform(0, most_seconds))
        unfinished += process.poll() is None
        process.kill()
        process.wait()
        drill.must_have_ended()
    assert unfinished > kills // 2
    answer.unlink(missing_ok=True)
    code, result = ended(drill.start(*arguments), drill, answer)
    assert (code, result["verdict"]) == (0, "PASS")
