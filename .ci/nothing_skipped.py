# SPDX-License-Identifier: GPL-2.0-or-later
"""Fails when a test of a suite that must run in CI was skipped, or when a suite ran no test.

Expected failures of the base (xfail) are results, not skips.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree


def trouble(report: Path) -> list[str]:
    """Return what is wrong with a JUnit report, a line each."""
    if not report.exists():
        return [f"{report}: the suite did not run"]
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 (pytest wrote it)
    skipped = [
        f"{report}: {case.get('name')} was skipped: {skip.get('message')}"
        for case in cases
        for skip in case.findall("skipped")
        if skip.get("type") != "pytest.xfail"
    ]
    return skipped if cases else [f"{report}: no test"]


def main(paths: list[str]) -> int:
    """Print what is wrong and return 1 where anything is."""
    lines = [line for path in paths for line in trouble(Path(path))]
    print("\n".join(lines) or f"nothing that must run was skipped in {', '.join(paths)}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
