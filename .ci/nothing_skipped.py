# SPDX-License-Identifier: GPL-2.0-or-later
"""Fails when a test of a suite that must run in CI was skipped, or when a suite ran no test.

Expected failures of the base (xfail) are results, not skips. And the committed baseline of costs
says nothing on a machine with another kernel, compiler, QEMU or image than it was made on.
"""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

OTHER_MACHINE = re.compile(
    r"the committed baseline is another machine's: "
    r"((kernel_release|kernel_config|compiler|qemu|root): [^;]+ in the baseline, [^;]+ now(; |$))+"
)
BASELINE_TESTS = "tests.broken.test_baseline"


def trouble(report: Path) -> list[str]:
    """Return what is wrong with a JUnit report, a line each."""
    if not report.exists():
        return [f"{report}: the suite did not run"]
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 (pytest wrote it)
    skipped = [
        f"{report}: {case.get('name')} was skipped: {skip.get('message')}"
        for case in cases
        for skip in case.findall("skipped")
        if skip.get("type") != "pytest.xfail" and not _of_another_machine(case, skip)
    ]
    return skipped if cases else [f"{report}: no test"]


def _of_another_machine(case: ElementTree.Element, skip: ElementTree.Element) -> bool:
    of_baseline = case.get("classname") == BASELINE_TESTS
    return of_baseline and OTHER_MACHINE.fullmatch(skip.get("message") or "") is not None


def main(paths: list[str]) -> int:
    """Print what is wrong and return 1 where anything is."""
    lines = [line for path in paths for line in trouble(Path(path))]
    print("\n".join(lines) or f"nothing that must run was skipped in {', '.join(paths)}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
