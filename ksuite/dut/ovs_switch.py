# SPDX-License-Identifier: GPL-2.0-or-later
"""Real ovsdb-server and ovs-vswitchd, in a directory of their own, on either in-kernel datapath.

With ``hw-offload`` and ``tc-policy=skip_hw`` the switch puts its flows on TC, as flower rules that
no hardware sees; without, into the Open vSwitch module.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from ksuite.dut.agent import CannotObserveError

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
BRIDGE = "br0"
OPENFLOW = ("-O", "OpenFlow15")
UPTIME_SECONDS = 10.5
"""ovs-vswitchd 3.1 takes a machine that is up for less than ten seconds for one without CPUs
(lib/ovs-thread.c, count_cpu_cores()), and starts no thread that reads upcalls."""
LOG_CHARACTERS = 2000
LOOKS = 200
LOOK_SECONDS = 0.01
ON_TC = ("other_config:hw-offload=true", "other_config:tc-policy=skip_hw")
TC_MODULES = (
    *("cls_flower", "act_csum", "act_ct", "act_gact", "act_mirred", "act_mpls", "act_pedit"),
    *("act_police", "act_skbedit", "act_tunnel_key", "act_vlan"),
)
"""What flows on TC are made of. A purge misses a flow that gets new actions while the kernel still
loads a module for them."""
_FLOW = re.compile(r"packets:(\d+), bytes:(\d+),.*?\bdp:(\w+), actions:(.*)$")


class SwitchFlow(NamedTuple):
    """A datapath flow as the switch dumps it.

    :param datapath: ``ovs`` or ``tc``: where it sits.
    :param actions: in ovs-dpctl(8)'s words.
    """

    packets: int
    bytes: int
    datapath: str
    actions: str


class Switch:
    """A switch with one bridge; a context manager that leaves nothing of it.

    :param links: its ports, which are numbered from 1 in this order.
    :param on_tc: its flows go to TC.
    :param idle_ms: after which an unused flow is removed.
    :raises CannotObserveError: the DUT has no Open vSwitch.
    :raises OSError: a program failed, with what it said.
    """

    def __init__(self, links: Sequence[str], *, on_tc: bool, idle_ms: int = 10_000) -> None:
        self._links = links
        self._modules = TC_MODULES if on_tc else ()
        self._settings = (*(ON_TC if on_tc else ()), f"other_config:max-idle={idle_ms}")
        self._stack = ExitStack()
        self._directory = Path()

    def __enter__(self) -> Self:
        if shutil.which("ovs-vswitchd") is None:
            raise CannotObserveError("the DUT has no ovs-vswitchd (openvswitch-switch)")
        time.sleep(max(0.0, UPTIME_SECONDS - time.monotonic()))
        try:
            if self._modules:
                self.run("modprobe", "-a", *self._modules)
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        # A socket's path is short.
        temporary = tempfile.TemporaryDirectory(prefix="ks-ovs-")
        self._directory = Path(self._stack.enter_context(temporary))
        database = str(self._directory / "conf.db")
        remote = f"unix:{self._directory}/db.sock"
        self.run("ovsdb-tool", "create", database, SCHEMA)
        self.run("ovsdb-server", database, f"--remote=p{remote}", *self._daemon("ovsdb-server"))
        self._stack.callback(self._end, "ovs-appctl", "-t", "ovsdb-server", "exit")
        settings = ("set", "Open_vSwitch", ".", *self._settings)
        self.run("ovs-vsctl", f"--db={remote}", "--no-wait", "init", "--", *settings)
        self.run("ovs-vswitchd", remote, *self._daemon("ovs-vswitchd"))
        self._stack.callback(self._end, "ovs-appctl", "exit", "--cleanup")
        words = ["add-br", BRIDGE]
        for number, link in enumerate(self._links, 1):
            words += ["--", "add-port", BRIDGE, link]
            words += ["--", "set", "Interface", link, f"ofport_request={number}"]
        self.run("ovs-vsctl", f"--db={remote}", *words)

    def _daemon(self, name: str) -> Sequence[str]:
        log = self._directory / f"{name}.log"
        return ("--pidfile", "--detach", "--no-chdir", f"--log-file={log}", "-vconsole:off")

    def run(self, *command: str, text: str = "") -> str:
        """Run one of Open vSwitch's programs on this switch, and return what it printed.

        :param text: its standard input.
        """
        own = {f"OVS_{name}DIR": str(self._directory) for name in ("RUN", "LOG", "DB", "SYSCONF")}
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | own,
        )
        if done.returncode:
            said = done.stderr.strip() or str(done.returncode)
            raise OSError(f"{' '.join(command)}: {said}\n{self._log()}".rstrip())
        return done.stdout

    def _end(self, *command: str) -> None:
        # One that has crashed can't be told to end; whoever talked to it has said so.
        with suppress(OSError):
            self.run(*command)

    def _log(self) -> str:
        """Return the end of what the switch has logged."""
        log = self._directory / "ovs-vswitchd.log"
        return log.read_text(encoding="utf-8")[-LOG_CHARACTERS:] if log.exists() else ""

    def use(self, flows: Sequence[str]) -> None:
        """Have these OpenFlow rules, in ovs-ofctl(8)'s words, and no others.

        What the datapaths have of earlier ones is gone when this returns.

        :raises OSError: a rule is refused, or they keep a flow.
        """
        self.run("ovs-ofctl", *OPENFLOW, "del-flows", BRIDGE)
        lines = "".join(f"{flow}\n" for flow in flows)
        self.run("ovs-ofctl", *OPENFLOW, "add-flows", BRIDGE, "-", text=lines)
        for _ in range(LOOKS):
            # A flow that is being revalidated meanwhile comes back with the new rules' actions.
            self.run("ovs-appctl", "revalidator/purge")
            if not self.flows():
                return
            time.sleep(LOOK_SECONDS)
        raise OSError(f"the switch does not let go of {self.flows()}")

    def flows(self) -> list[SwitchFlow]:
        """Return the flows of both datapaths."""
        dumped = self.run("ovs-appctl", "dpctl/dump-flows", "-m")
        return [_flow(line) for line in dumped.splitlines() if line.startswith("ufid:")]

    def wait_for_flows(self, count: int) -> None:
        """Wait until the datapaths have so many flows at least.

        :raises OSError: they don't get them.
        """
        for _ in range(LOOKS):
            if len(self.flows()) >= count:
                return
            time.sleep(LOOK_SECONDS)
        raise OSError(f"the switch installed {self.flows()} where {count} flows were due")


def _flow(line: str) -> SwitchFlow:
    found = _FLOW.search(line)
    if found is None:
        raise OSError(f"a flow that can't be read: {line}")
    packets, size, datapath, actions = found.groups()
    return SwitchFlow(int(packets), int(size), datapath, actions)
