# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules that do what they should, and are wrong: only a kernel that finds bugs sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.broken.test_broken import UNCHANGED, judged, only, running, verdicts

HERE = Path(__file__).parent
BROKEN = HERE.parent / "broken"
SOURCE = "/usr/src/linux-source-6.1.tar.xz"
"""The distro's, built by us: its modules can be built and loaded one by one."""
REPLACED = "test_target_that_is_no_more[ingress-redirect-replaced]"


@dataclass(frozen=True)
class Hidden:
    """A module that is wrong.

    :param fault: how the kernel's words begin.
    :param blamed: a function that they name.
    :param runs: the test that has it run.
    """

    fault: str
    blamed: str
    runs: str = UNCHANGED


HIDDEN = {
    HERE / "debug-rule-leaks.patch": Hidden("kmemleak: unreferenced object", "tcf_mirred_init"),
    HERE / "debug-sleeps.patch": Hidden("WARNING: suspicious RCU usage", "tcf_mirred_act"),
    HERE / "debug-locks-without-bh.patch": Hidden(
        "WARNING: inconsistent lock state", "tcf_mirred_act"
    ),
    BROKEN / "mirred-use-after-free.patch": Hidden(
        "BUG: KASAN: use-after-free in tcf_mirred_act", "tcf_mirred_act", REPLACED
    ),
}


def on_debug_kernel(patch: Path, tmp_path: Path, *runs: str) -> tuple[int, dict[str, Any]]:
    """Run tests of TC on a series; return the exit code and the result."""
    answer = tmp_path / "result.json"
    command = running("tc", patch, answer, only(*runs))
    command += ["--ks-kernel", SOURCE, "--ks-config", "debug"]
    return judged([*command, "--ks-candidate-only", "--ks-timeout", "600"], answer)


@pytest.mark.parametrize("patch", HIDDEN, ids=lambda patch: patch.stem)
def test_what_no_check_sees(patch: Path, tmp_path: Path) -> None:
    hidden = HIDDEN[patch]
    code, result = on_debug_kernel(patch, tmp_path, hidden.runs)
    assert (code, result["verdict"]) == (1, "FAIL")
    assert result["subject"]["modules"]["candidate"][0].startswith("act_mirred ")
    failed = [test for test in result["tests"] if test["verdict"] == "FAIL"]
    told = "\n".join(part for test in failed for part in (test["detail"], test["console"]))
    assert hidden.fault in told
    assert hidden.blamed in told


def test_what_is_right_passes(tmp_path: Path) -> None:
    patch = BROKEN / "harmless-mirred-reorder.patch"
    code, result = on_debug_kernel(patch, tmp_path, UNCHANGED, REPLACED)
    assert (code, result["verdict"]) == (0, "PASS")
    assert set(verdicts(result, "candidate").values()) == {"PASS"}
