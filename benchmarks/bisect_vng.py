# SPDX-License-Identifier: GPL-2.0-or-later
"""The same search as people do it today: ``python benchmarks/bisect_vng.py``.

``git bisect run`` over a history like that of ``benchmarks/bisect.py``, where each step is a
``vng --build`` and a boot in which pktgen sends packets through flower and act_mirred. A step is
bad if fewer packets a second get through than half-way between what first good and bad have shown:
the wall clock's figures.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ksuite.kernels.source import distro_source, unpack
from ksuite.kernels.store import Store
from ksuite.machines.virtme import vng
from tests.bisect.repositories import Kind, make

COMMITS = 200
LOOKS = 3
"""Boots of good, and of bad."""
PACKETS = 300_000
SKIP = 125
"""git-bisect(1)"""
CONFIG = """\
CONFIG_NET_PKTGEN=y
CONFIG_VETH=y
CONFIG_DUMMY=y
CONFIG_NET_SCHED=y
CONFIG_NET_SCH_INGRESS=y
CONFIG_NET_CLS_FLOWER=y
CONFIG_NET_CLS_ACT=y
CONFIG_NET_ACT_MIRRED=y
"""
GUEST = f"""\
#!/bin/sh -e
ip link add out type dummy
ip link set out up
ip link add gen type veth peer name port
ip link set gen up
ip link set port up
tc qdisc add dev port clsact
tc filter add dev port ingress protocol ip flower action mirred egress redirect dev out
echo add_device gen >/proc/net/pktgen/kpktgend_0
for word in "count {PACKETS}" "pkt_size 60" "dst_mac 02:00:00:00:00:01" "dst 198.51.100.1"; do
    echo "$word" >/proc/net/pktgen/gen
done
echo start >/proc/net/pktgen/pgctrl
grep pps /proc/net/pktgen/gen
"""


@dataclass(frozen=True)
class Step:
    """What each step does.

    :param tree: the repository, which is built where it is.
    """

    tree: Path

    def build(self) -> bool:
        """Build what is checked out; whether that can be done."""
        config = self.tree.parent / "config"
        config.write_text(CONFIG)
        command = [vng(), "--build", "--config", str(config)]
        return self._run(command).returncode == 0

    def packets_a_second(self) -> float:
        """Boot it, and return what pktgen says; 0 if it does not get that far."""
        script = self.tree.parent / "guest.sh"
        script.write_text(GUEST)
        image = "arch/x86/boot/bzImage"
        command = [vng(), "--run", image, "--disable-kvm", "--user", "root"]
        done = self._run([*command, "--exec", f"sh {script}"])
        found = re.search(r"(\d+)pps", done.stdout)
        return float(found[1]) if found else 0.0

    def looks(self, revision: str) -> list[float]:
        """Build a revision, and look at it some times."""
        subprocess.run(["git", "checkout", "-q", revision], cwd=self.tree, check=True)
        if not self.build():
            raise SystemExit(f"{revision} does not compile: see {self.tree.parent}/log")
        return [self.packets_a_second() for _ in range(LOOKS)]

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.tree,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        with (self.tree.parent / "log").open("a") as log:
            log.write(done.stdout)
        return done


def step(tree: Path, least: float) -> int:
    """Judge what is checked out, with an exit code for ``git bisect run``."""
    mine = Step(tree)
    if not mine.build():
        return SKIP
    seen = mine.packets_a_second()
    print(f"{seen:,.0f} packets/s", flush=True)
    return SKIP if not seen else int(seen < least)


def search(tree: Path, culprits: dict[str, int]) -> None:
    """Measure both ends, search, and print what came of it."""
    mine = Step(tree)
    started = time.monotonic()
    ends = {revision: mine.looks(revision) for revision in ("first", "main")}
    for revision, seen in ends.items():
        told = ", ".join(f"{one:,.0f}" for one in seen)
        spread = (max(seen) - min(seen)) / statistics.mean(seen)
        print(f"{revision}: {told} packets/s, spread {spread:.1%}", flush=True)
    print(f"both ends: {time.monotonic() - started:.0f} s", flush=True)
    least = statistics.mean([statistics.mean(seen) for seen in ends.values()])
    again = [sys.executable, __file__, "--step", str(tree), "--least", str(least)]
    for words in (["start", "main", "first"], ["run", *again]):
        subprocess.run(["git", "bisect", *words], cwd=tree, check=False)
    command = ["git", "log", "-1", "--format=%s", "refs/bisect/bad"]
    done = subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True)
    found = done.stdout.strip()
    print(f"found {found!r}, {'right' if found in culprits else 'WRONG'}: it is {[*culprits]}")
    print(f"all: {time.monotonic() - started:.0f} s")


def main() -> None:
    """Make a history, and search it; or judge a step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=COMMITS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--step", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--least", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        sys.exit(step(options.step, options.least))
    source = unpack(distro_source(), Store.default()).path
    with tempfile.TemporaryDirectory(dir=Store.default().root) as place:
        tree = Path(place) / "tree"
        repository = make(tree, source, Kind.CULPRIT, options.seed, options.commits)
        # Whatever has no history is there beside it: vng builds whole kernels.
        shutil.copytree(source, tree, symlinks=True, dirs_exist_ok=True)
        repository.git("reset", "--hard", "--quiet", "main")
        search(tree, repository.culprits)


if __name__ == "__main__":
    main()
