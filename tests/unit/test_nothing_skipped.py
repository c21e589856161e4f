# SPDX-License-Identifier: GPL-2.0-or-later
"""CI's look at what was skipped: one kind of skip is let through, and no other."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import pytest

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = "the committed baseline is another machine's: "
KERNEL = "kernel_release: 6.1.0-56-amd64 in the baseline, 6.1.0-57-amd64 now"
ROOT = "root: 5e469d4bee5f in the baseline, 0badcafe0bad now"
OURS = "tests.broken.test_baseline"


@pytest.mark.parametrize(
    ("classname", "message", "allowed"),
    [
        (OURS, ELSEWHERE + KERNEL, True),
        (OURS, f"{ELSEWHERE}{KERNEL}; {ROOT}", True),
        (OURS, ELSEWHERE, False),
        (OURS, f"{ELSEWHERE}vcpus: 1 in the baseline, 2 now", False),
        (OURS, f"{ELSEWHERE}{KERNEL}; scenario_version: 5 in the baseline, 6 now", False),
        (OURS, "no QEMU", False),
        ("tests.broken.test_exact", ELSEWHERE + KERNEL, False),
    ],
)
def test_skips(
    checkout: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    classname: str,
    message: str,
    allowed: bool,
) -> None:
    report = tmp_path / "broken.xml"
    skipped = f'<skipped type="pytest.skip" message={quoteattr(message)}/>'
    case = f'<testcase classname="{classname}" name="test_it">{skipped}</testcase>'
    report.write_text(f"<testsuites><testsuite>{case}</testsuite></testsuites>")
    main = runpy.run_path(str(checkout / ".ci" / "nothing_skipped.py"))["main"]
    assert main([str(report)]) == (0 if allowed else 1)
    assert (message in capsys.readouterr().out) is not allowed
