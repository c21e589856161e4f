# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a bisection takes: ``python benchmarks/bisect.py``.

One culprit of +1 % among 1,024 commits to modules of the distro's kernel; nothing of the history
was built or measured before.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from ksuite.campaigns.bisect import Campaign
from ksuite.campaigns.quest import Quest
from ksuite.kernels.source import distro_source, unpack
from ksuite.kernels.store import Store
from ksuite.report.bisection import render
from tests.bisect.repositories import Kind, make

COMMITS = 1024


def main() -> None:
    """Make a history, and search it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=COMMITS)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    source = unpack(distro_source(), Store.default()).path
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory) / "tree"
        repository = make(tree, source, Kind.CULPRIT, options.seed, options.commits)
        quest = Quest(
            tree=str(tree), good="first", bad="main", scenario="tc_redirect", kernel="distro"
        )
        started = time.monotonic()
        finding = Campaign(quest, {}).run()
        seconds = time.monotonic() - started
        print(render(finding), end="")
        right = [step.subject for step in finding.steps] == list(repository.culprits)
        print(
            f"seed {options.seed}: {repository.commits:,} commits, {finding.guests} guests, "
            f"{seconds:.0f} s, {'right' if right else 'WRONG'}"
        )


if __name__ == "__main__":
    main()
