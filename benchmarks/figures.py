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

from ksuite.campaigns.check import Check
from ksuite.campaigns.costs import ROUNDS, WINDOWS, CostRequest
from ksuite.campaigns.options import CheckOptions, Recall
from ksuite.dut import loops, setup
from ksuite.kernels.source import distro_source, unpack
from ksuite.kernels.store import Store, run_directory
from ksuite.machines.emulator import hosts_own
from ksuite.machines.machine import MachineSpec, Root
from ksuite.machines.virtme import VirtmeMachine
from ksuite.measure.result import BASE, CANDIDATE
from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).parent.parent
SERIES = str(CHECKOUT / "patches" / "vhost-rx-tx-limits")
ONE_INSTRUCTION = 1.0
REQUESTS = tuple(
    CostRequest(loop, size)
    for loop in ("vhost_tx", "vhost_rx", "vhost_echo")
    for size in (64, 1500)
)


def vhost(_options: argparse.Namespace) -> None:
    """Time of ``tox -e vhost`` with the default series: warm set-up, empty store, then warm."""
    with tempfile.TemporaryDirectory() as store:
        environment = os.environ | {"KSUITE_STORE": store}
        for state in ("empty store", "warm"):
            started = time.monotonic()
            subprocess.run(["tox", "-q", "-e", "vhost"], cwd=CHECKOUT, env=environment, check=True)
            print(f"tox -e vhost, {state}: {time.monotonic() - started:.1f} s")


def boot(options: argparse.Namespace) -> None:
    """Time from the start of virtme-ng to an agent that answers, distro kernel."""
    times = []
    for _ in range(options.times):
        with (
            run_directory() as directory,
            VirtmeMachine(
                distro_source().image, MachineSpec(), directory, hosts_own().path
            ) as machine,
        ):
            machine.wait_ready()
            times.append(machine.boot_seconds)
    print(f"boot to agent ready: {', '.join(f'{seconds:.1f}' for seconds in times)} s")


@contextmanager
def two_core_build() -> Iterator[None]:
    """Keep two cores busy with compiling vhost's modules over and over."""
    headers = distro_source().headers
    with (
        tempfile.TemporaryDirectory() as top,
        Check(CheckOptions(SERIES, recall=Recall.NEVER)) as check,
    ):
        source = unpack(check.source, Store.default()).path / "drivers" / "vhost"
        script = f"cp -r {source} {top}/$1; while :; do touch {top}/$1/*.c; "
        script += f"make -s -C {headers} M={top}/$1 modules >/dev/null 2>&1; done"
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


def restore(options: argparse.Namespace) -> None:
    """Time from the start of a restored guest's QEMU to the answer to a first call."""
    times = []
    with Check(CheckOptions(SERIES, recall=Recall.NEVER)) as check, run_directory() as directory:
        snapshot = check.prepared.snapshot
        assert snapshot is not None
        for _ in range(options.times):
            started = time.monotonic()
            with snapshot.restore(directory) as machine:
                machine.run([(setup.clock_ns, (), {})])
                times.append(time.monotonic() - started)
        size = sum(file.stat().st_size for file in snapshot.state.parent.iterdir())
    print(f"restore to answer: median {statistics.median(times):.2f} s, most {max(times):.2f} s")
    print(f"disk of a snapshot: {size / 1e6:.0f} MB")


def exact(options: argparse.Namespace) -> None:
    """Spread of each cost over restores of one snapshot, beside a build on two cores."""
    with two_core_build(), Check(CheckOptions(SERIES, recall=Recall.NEVER)) as check:
        for request in REQUESTS:
            values = [_windows(check, CANDIDATE, request) for _ in range(options.times)]
            costs = [statistics.mean(windows) for windows in values]
            width = (max(costs) - min(costs)) / statistics.mean(costs)
            different = len({tuple(windows) for windows in values})
            print(f"{request.name:<18}{costs[0]:>12.4f}  spread {width:.4%}, {different} value(s)")


def cold(_options: argparse.Namespace) -> None:
    """The same costs from snapshots made by two cold boots, one of them beside a build."""
    with Check(CheckOptions(SERIES, recall=Recall.NEVER)) as check:
        first = [_windows(check, CANDIDATE, request) for request in REQUESTS]
    usual = Store.default().root
    with tempfile.TemporaryDirectory() as store:
        for kind in ("dut-root", "dut-kernel", "tree", "modules", "plugin"):
            (Path(store) / kind).symlink_to(usual / kind)
        os.environ["KSUITE_STORE"] = store
        try:
            options = CheckOptions(SERIES, recall=Recall.NEVER)
            with two_core_build(), Check(options) as check:
                second = [_windows(check, CANDIDATE, request) for request in REQUESTS]
        finally:
            del os.environ["KSUITE_STORE"]
    for request, one, other in zip(REQUESTS, first, second, strict=True):
        change = sum(other) / sum(one) - 1
        print(f"{request.name:<18}{change:+.4%} {'to the digit' if one == other else ''}")


def harmless(_options: argparse.Namespace) -> None:
    """Cost change of harmless edits."""
    for patch in sorted((CHECKOUT / "tests" / "broken").glob("harmless-*.patch")):
        with Check(CheckOptions(str(patch), recall=Recall.NEVER)) as check:
            seen = check.bench.compare_costs(REQUESTS).values()
            widest = max(abs(comparison.change) for comparison in seen)
            print(f"{patch.stem:<24} widest change of six costs: {widest:.4%}")


def told(options: argparse.Namespace) -> None:
    """How often one instruction a packet is told from none, in pairs of new guests."""
    patch = CHECKOUT / "tests" / "broken" / "one-instruction.patch"
    request = REQUESTS[0]
    with Check(CheckOptions(str(patch), recall=Recall.NEVER)) as check:
        differences = [
            statistics.mean(_windows(check, CANDIDATE, request))
            - statistics.mean(_windows(check, BASE, request))
            for _ in range(options.times)
        ]
    seen = sum(difference > ONE_INSTRUCTION / 2 for difference in differences)
    print(f"{request.name}: seen {seen} of {options.times}, as {sorted(set(differences))}")


def window(_options: argparse.Namespace) -> None:
    """Time that one more window takes."""
    counts = (WINDOWS, 5 * WINDOWS)
    with Check(CheckOptions(SERIES, recall=Recall.NEVER)) as check:
        for request in REQUESTS:
            times = []
            for count in counts:
                started = time.monotonic()
                _windows(check, CANDIDATE, request, count)
                times.append(time.monotonic() - started)
            print(f"{request.name:<18}{(times[1] - times[0]) / (counts[1] - counts[0]):.2f} s")


def _windows(check: Check, variant: str, request: CostRequest, count: int = WINDOWS) -> list[float]:
    answer = check.bench.dut.use_for(
        variant, loops.measure, request.scenario, request.size, count, ROUNDS
    )
    windows: list[float] = answer.value
    return windows


def spread(options: argparse.Namespace) -> None:
    """Spread of booted guests' costs over windows and between boots, beside a build."""
    check_options = CheckOptions(SERIES, root=Root.HOST)
    medians: dict[CostRequest, list[float]] = {request: [] for request in REQUESTS}
    widest: dict[CostRequest, float] = dict.fromkeys(REQUESTS, 0.0)
    with two_core_build(), Check(check_options) as check:
        for _ in range(options.times):
            check.bench.dut.discard()
            for request in REQUESTS:
                windows = _windows(check, CANDIDATE, request)
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
    with Check(CheckOptions(SERIES, recall=Recall.NEVER)) as check:
        check.bench.builds[CANDIDATE] = check.bench.builds[BASE]
        for number in range(options.times):
            check.bench.forget_costs()
            for request, comparison in check.bench.compare_costs(REQUESTS).items():
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
    figures: dict[Callable[[argparse.Namespace], None], int] = {
        vhost: 1,
        restore: 20,
        exact: 20,
        cold: 1,
        harmless: 1,
        told: 20,
        window: 1,
        aa: 34,
        boot: 3,
        spread: 3,
    }
    for function, times in figures.items():
        command = commands.add_parser(function.__name__, help=function.__doc__)
        command.add_argument("--times", type=int, default=times)
        command.set_defaults(run=function)
    options = parser.parse_args()
    options.run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
