# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures the figures that we promise; see ``python benchmarks/figures.py --help``.

Not tests: they take minutes, and what they print depends on the machine. On the instruction clock
only the times do; spreads and false verdicts must not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.check import Check, CheckOptions
from ksuite.campaigns.costs import ROUNDS, WINDOWS, CostRequest
from ksuite.dut import vhost_loops
from ksuite.kernels.source import distro_source
from ksuite.kernels.store import run_directory
from ksuite.machines.machine import MachineSpec
from ksuite.machines.virtme import VirtmeMachine
from ksuite.measure.result import BASE, CANDIDATE
from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parent.parent
SERIES = str(CHECKOUT / "patches" / "vhost-rx-tx-limits")
REQUESTS = tuple(
    CostRequest(loop, size)
    for loop in ("vhost_tx", "vhost_rx", "vhost_echo")
    for size in (64, 1500)
)


def vhost(_options: argparse.Namespace) -> None:
    """Time of ``tox -e vhost`` with the default series: warm set-up, empty store."""
    with tempfile.TemporaryDirectory() as store:
        started = time.monotonic()
        environment = os.environ | {"KSUITE_STORE": store}
        subprocess.run(["tox", "-q", "-e", "vhost"], cwd=CHECKOUT, env=environment, check=True)
        print(f"tox -e vhost, empty store: {time.monotonic() - started:.1f} s")


def boot(options: argparse.Namespace) -> None:
    """Time from the start of virtme-ng to an agent that answers, distro kernel."""
    times = []
    for _ in range(options.times):
        with (
            run_directory() as directory,
            VirtmeMachine(distro_source().image, MachineSpec(), directory) as machine,
        ):
            machine.wait_ready()
            times.append(machine.boot_seconds)
    print(f"boot to agent ready: {', '.join(f'{seconds:.1f}' for seconds in times)} s")


@contextmanager
def two_core_build() -> Iterator[None]:
    """Keep two cores busy with compiling vhost's modules over and over."""
    headers = distro_source().headers
    with tempfile.TemporaryDirectory() as top, Check(CheckOptions(SERIES)) as check:
        source = check.tree / "drivers" / "vhost"
        script = f"cp -r {source} {top}/$1; while :; do touch {top}/$1/*.c; "
        script += f"make -s -C {headers} M={top}/$1 modules >/dev/null 2>&1; done"
        check.dut.discard()
        builds = [
            subprocess.Popen(["sh", "-c", script, "sh", str(core)], start_new_session=True)
            for core in range(2)
        ]
        try:
            yield
        finally:
            for build in builds:
                os.killpg(build.pid, 9)
                build.wait()


def spread(options: argparse.Namespace) -> None:
    """Spread of each cost over 5 windows, and between boots, beside a build on two cores."""
    medians: dict[CostRequest, list[float]] = {request: [] for request in REQUESTS}
    widest: dict[CostRequest, float] = dict.fromkeys(REQUESTS, 0.0)
    with two_core_build(), Check(CheckOptions(SERIES)) as check:
        for _ in range(options.times):
            check.dut.discard()
            check.dut.use(CANDIDATE)
            for request in REQUESTS:
                windows = check.dut.call(
                    vhost_loops.measure, request.scenario, request.frame_bytes, WINDOWS, ROUNDS
                )
                median = statistics.median(windows)
                medians[request].append(median)
                width = (max(windows) - min(windows)) / median
                widest[request] = max(widest[request], width)
    print(f"{'cost':<18}{'median':>10}  spread of {WINDOWS} windows  between {options.times} boots")
    for request in REQUESTS:
        between = (max(medians[request]) - min(medians[request])) / medians[request][0]
        median = statistics.median(medians[request])
        print(f"{request.name:<18}{median:>10.1f}  {widest[request]:>17.3%}  {between:>14.3%}")


def aa(options: argparse.Namespace) -> None:
    """Compare the base against itself, and count the verdicts that are not PASS."""
    false = 0
    widest = 0.0
    with Check(CheckOptions(SERIES)) as check:
        check.builds[CANDIDATE] = check.builds[BASE]
        for number in range(options.times):
            check.forget_costs()
            for request, comparison in check.compare_costs(REQUESTS).items():
                widest = max(widest, abs(comparison.change))
                if comparison.verdict is not Verdict.PASS:
                    false += 1
                    print(
                        f"{number}: {request.name}: {comparison.verdict} {comparison.change:+.3%}"
                    )
    total = options.times * len(REQUESTS)
    print(f"A/A: {options.times} comparisons of {len(REQUESTS)} costs: {false} false of {total}")
    print(f"widest change: {widest:.3%}")


def main() -> int:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    for function, times in ((vhost, 1), (boot, 3), (spread, 3), (aa, 20)):
        command = commands.add_parser(function.__name__, help=function.__doc__)
        command.add_argument("--times", type=int, default=times)
        command.set_defaults(run=function)
    options = parser.parse_args()
    options.run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
