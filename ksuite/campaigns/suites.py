# SPDX-License-Identifier: GPL-2.0-or-later
"""The suites, as data: which files of the kernel each one exercises, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import ksuite
from ksuite.errors import NothingToCompare, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(ksuite.__file__).parent.parent
"""The checkout: suites and series live beside the package."""
NO_SUCH_TEST = "no test here is called"
"""How the error begins where `--check` names none of them."""
BASELINES = ROOT / "tests" / "baselines"


@dataclass(frozen=True)
class Suite:
    """One directory of tests, one tox environment.

    :param paths: patterns of the kernel files that it exercises.
    :param scenarios: names that ``--scenario`` takes, beside the suite's own.
    :param modules: what must be loaded for it, by name.
    :param imports: modules of `ksuite.dut` that it uses.
    :param default_series: judged when none is named.
    :param vcpus: of its guests, at least.
    :param by_default: ``ksuite check`` runs it for every series that touches its files, and not
        only where no other suite exercises them.
    """

    name: str
    paths: tuple[str, ...]
    scenarios: tuple[str, ...]
    modules: tuple[str, ...]
    imports: tuple[str, ...]
    default_series: str
    by_default: bool = True
    vcpus: int = 1

    @property
    def directory(self) -> Path:
        """Where its tests are."""
        return ROOT / "tests" / self.name

    def answers_to(self, name: str) -> bool:
        """Whether a name that ``--scenario`` takes is its own, or that of one of its scenarios."""
        return name in {self.name, *self.scenarios}

    @property
    def measures(self) -> bool:
        """Whether any of its scenarios is a cost."""
        return any(not name.endswith("_function") for name in self.scenarios)

    @property
    def series(self) -> str:
        """What is judged when no series is named."""
        return str(ROOT / self.default_series)


CORE = (
    "include/linux/netdevice.h",
    "include/linux/skbuff.h",
    "net/core/dev.c",
    "net/core/skbuff.c",
)
"""What every packet goes through, in any datapath."""

VHOST = Suite(
    name="vhost",
    paths=(
        *CORE,
        "include/linux/virtio_net.h",
        "drivers/vhost/net.c",
        "drivers/vhost/vhost.[ch]",
        "drivers/vhost/iotlb.c",
        "include/linux/vhost_iotlb.h",
        "drivers/net/tun.c",
        "drivers/net/tun_vnet.h",
    ),
    scenarios=("vhost_tx", "vhost_rx", "vhost_echo", "vhost_function"),
    modules=("tun", "vhost_net"),
    imports=(
        "loops",
        "vhost_transfer",
        "vhost_fairness",
        "vhost_queues",
        "vhost_bad_rings",
        "vhost_bridged",
        "probes",
        "modules",
        "symbols",
    ),
    default_series="patches/vhost-rx-tx-limits",
)

TC_ACTIONS = (
    "api",
    "bpf",
    "csum",
    "ct",
    "gact",
    "mirred",
    "mpls",
    "pedit",
    "police",
    "skbedit",
    "tunnel_key",
    "vlan",
)

TC = Suite(
    name="tc",
    paths=(
        *CORE,
        "include/net/act_api.h",
        "include/net/pkt_cls.h",
        "include/net/sch_generic.h",
        "include/net/tc_act/*.h",
        "net/core/flow_dissector.c",
        *(f"net/sched/act_{action}.c" for action in TC_ACTIONS),
        "net/sched/cls_api.c",
        "net/sched/cls_flower.c",
        "net/sched/cls_matchall.c",
        "net/sched/sch_ingress.c",
    ),
    scenarios=(
        "tc_redirect",
        "tc_mirror",
        "tc_drop",
        "tc_insert",
        "tc_delete",
        "tc_insert_masks",
        "tc_delete_masks",
        "tc_function",
    ),
    modules=(
        "sch_ingress",
        "cls_flower",
        "cls_matchall",
        "act_mirred",
        "act_gact",
        "dummy",
        "veth",
    ),
    imports=(
        "loops",
        "tc_mirred",
        "tc_redirected",
        "tc_slabs",
        "tc_flower",
        "tc_rules",
        "tunnels",
        "modules",
        "symbols",
    ),
    default_series="patches/act-mirred-clone-removal",
)

OVS = Suite(
    name="ovs",
    paths=(*CORE, "net/openvswitch/*.[ch]"),
    scenarios=(
        "ovs_output",
        "ovs_set",
        "ovs_push_vlan",
        "ovs_recirc",
        "ovs_ct",
        "ovs_masks",
        "ovs_function",
    ),
    modules=("openvswitch", "dummy", "veth"),
    imports=(
        "loops",
        "ovs_bare",
        "ovs_clones",
        "ovs_lookup",
        "ovs_openflow",
        "ovs_tunnel",
        "modules",
        "symbols",
    ),
    default_series="patches/openvswitch-last-output",
)

PVP_COSTS = tuple(
    f"pvp_{datapath}{load}"
    for datapath in ("tc", "ovs", "bridge")
    for load in (
        *("", "_100_flows", "_100_flows_4_pairs", "_10000_flows"),
        *("_hop_1_in", "_hop_2_rx", "_hop_3_echo", "_hop_4_out"),
    )
)

PVP = Suite(
    name="pvp",
    paths=(
        "drivers/vhost/net.c",
        "drivers/vhost/vhost.[ch]",
        "drivers/net/tun.c",
        "drivers/net/veth.c",
        "net/openvswitch/*.[ch]",
        "net/sched/act_mirred.c",
        "net/sched/cls_flower.c",
    ),
    scenarios=(*PVP_COSTS, "pvp_function"),
    modules=(
        "tun",
        "vhost_net",
        "veth",
        "bridge",
        "openvswitch",
        "sch_ingress",
        "cls_flower",
        "act_mirred",
    ),
    imports=("loops", "pvp_transfer", "pvp_testpmd", "modules", "symbols"),
    default_series="patches/act-mirred-clone-removal",
    by_default=False,
)

SMP = Suite(
    name="smp",
    paths=(
        "drivers/vhost/net.c",
        "drivers/vhost/vhost.[ch]",
        "drivers/net/tun.c",
        "net/openvswitch/*.[ch]",
        "net/sched/act_mirred.c",
        "net/sched/cls_flower.c",
    ),
    scenarios=("smp_function",),
    modules=(
        "tun",
        "vhost_net",
        "veth",
        "openvswitch",
        "sch_ingress",
        "cls_flower",
        "act_mirred",
    ),
    imports=("smp", "modules", "symbols"),
    default_series="patches/act-mirred-clone-removal",
    by_default=False,
    vcpus=2,
)

GATE = Suite(
    name="module",
    paths=(),
    scenarios=(),
    modules=("tun", "veth", "dummy", "bridge"),
    imports=("lab", "own", "shell", "modules", "symbols"),
    default_series="",
    by_default=False,
)
"""What holds for every out-of-tree module; it judges no series."""

SUITES = (VHOST, TC, OVS, PVP, SMP)
SCENARIO_NAMES = tuple(name for suite in SUITES for name in (suite.name, *suite.scenarios))
"""What ``--scenario`` takes."""


def exercised(file: str, suites: Iterable[Suite]) -> bool:
    """Whether any of these suites exercises a kernel file."""
    return any(fnmatchcase(file, pattern) for suite in suites for pattern in suite.paths)


def suites_for(files: Iterable[str], scenario: str = "") -> tuple[Suite, ...]:
    """Return the suites that ``ksuite check`` runs for a series that touches these kernel files.

    :param scenario: only those that have it, where any has.
    :raises NothingToCompare: none exercises one of the files.
    """
    touched = tuple(files)
    fitting = [suite for suite in SUITES if any(exercised(file, [suite]) for file in touched)]
    usual = [suite for suite in fitting if suite.by_default]
    left = [file for file in touched if not exercised(file, usual)]
    others = [suite for suite in fitting if any(exercised(file, [suite]) for file in left)]
    named = [suite for suite in fitting if suite.answers_to(scenario)]
    found = tuple(named or usual + others)
    if not found:
        have = ", ".join(pattern for suite in SUITES for pattern in suite.paths)
        msg = (
            f"no scenario exercises what this series touches: {', '.join(touched)}\n"
            f"there are scenarios for: {have}"
        )
        raise NothingToCompare(msg)
    return found


def check_scenario(name: str) -> None:
    """Refuse a scenario that no suite has.

    :raises UserError: it lists the known ones.
    """
    if name not in SCENARIO_NAMES:
        raise UserError(f"no scenario named {name!r}; there are: {', '.join(SCENARIO_NAMES)}")
