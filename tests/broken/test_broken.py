# SPDX-License-Identifier: GPL-2.0-or-later
"""Each deliberately broken module is caught with the right verdict, and each harmless one is not.

The patches beside this file are given to ``ksuite check`` as anybody's series would be, and judged
by what it writes with ``--json``. README.md says what each one breaks.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ksuite.dut.pvp_datapaths import DATAPATHS

HERE = Path(__file__).parent
SCHEMA = HERE.parent.parent / "docs" / "result-v1.schema.json"
HANG_SECONDS = "25"


@dataclass(frozen=True)
class Broken:
    """A broken module and how it must be caught.

    :param caught_by: tests of which each must fail on the candidate.
    :param fault: words of the kernel's own that the report must show.
    :param scenario: runs only this one.
    :param passes: tests that must pass beside it.
    :param runs: which of its tests run, as pytest's -k; that of 100,000 wake-ups takes longest.
    """

    verdict: str
    caught_by: tuple[str, ...]
    fault: str = ""
    scenario: str = "vhost_function"
    runs: str = "not wakeups"
    suite: str = "vhost"
    passes: tuple[str, ...] = ()


BROKEN = {
    "rx-limit-out": Broken(
        "FAIL",
        (
            "test_rx_bursts_are_limited",
            "test_tx_completes_while_rx_is_flooded",
            "test_service_is_even_under_double_saturation",
            "test_oversized_packets_yield_to_tx",
        ),
    ),
    "tx-limit-out": Broken(
        "FAIL",
        (
            "test_tx_bursts_are_limited",
            "test_rx_goes_on_while_tx_is_flooded",
            "test_service_is_even_under_double_saturation",
        ),
    ),
    "rx-drops-every-1000th": Broken(
        "FAIL",
        (
            "test_every_size_arrives_unchanged[to_guest]",
            "test_wakeups_and_index_wrap[to_guest-flags]",
        ),
        runs="every_size or (wakeups and to_guest)",
    ),
    "tx-corrupts-a-byte": Broken("FAIL", ("test_every_size_arrives_unchanged[to_host]",)),
    "lost-notification": Broken(
        "FAIL",
        (
            "test_wakeups_and_index_wrap[to_host-event_idx]",
            "test_wakeups_and_index_wrap[to_host-flags]",
            "test_wakeups_and_index_wrap[to_guest-event_idx]",
            "test_wakeups_and_index_wrap[to_guest-flags]",
        ),
        runs="wakeups",
    ),
    "lie-believed-later": Broken(
        "FAIL",
        ("test_lie_is_refused[tx-absurd index]", "test_lie_is_refused[rx-absurd index]"),
        passes=("test_lie_is_refused[tx-head out of range]",),
        runs="lie_is_refused",
    ),
    "warn-10000th": Broken(
        "FAIL",
        ("test_service_is_even_under_double_saturation",),
        fault="WARNING: CPU: 0",
    ),
    "null-dereference": Broken(
        "FAIL", ("test_tx_bursts_are_limited",), fault="BUG: kernel NULL pointer dereference"
    ),
    "endless-loop": Broken("FAIL", ("test_rx_bursts_are_limited",), fault="handle_rx"),
    "slower-tx-2-percent": Broken(
        "REGRESSION", ("test_cost[vhost_tx-64]", "test_cost[vhost_tx-1500]"), scenario="vhost_tx"
    ),
}
UNCHANGED = "test_frames_arrive_unchanged[ingress-redirect-stolen]"
INTACT = "test_mirror_leaves_the_original_intact"
NO_MORE = "test_target_that_is_no_more"
RESET = "test_conntrack_state_is_reset"
XDP = "test_generic_xdp_does_not_see_what_was_redirected"
ITSELF = "test_redirect_at_ingress_moves_the_packet_itself[stolen]"
SLABS = "test_slabs_do_not_grow[tc_redirect-1000000]"
TUNNEL = "test_tunnel_key[vxlan enc_key_id]"
TC: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "mirred-not-counted": ((UNCHANGED,), ()),
    "mirred-steals-original": ((INTACT,), (ITSELF, UNCHANGED)),
    "mirred-clone-leaked": ((ITSELF, SLABS), (UNCHANGED,)),
    "mirred-clone-forced": ((ITSELF,), (UNCHANGED, INTACT)),
    "mirred-wrong-device": ((INTACT,), (ITSELF, UNCHANGED)),
    "mirred-drop-not-counted": ((f"{NO_MORE}[ingress-redirect-down]",), (ITSELF, INTACT)),
    "mirred-use-after-free": ((f"{NO_MORE}[ingress-redirect-replaced]",), (ITSELF, INTACT)),
    "mirred-ct-not-reset": ((f"{RESET}[redirect-ingress]",), (ITSELF, UNCHANGED)),
    "mirred-not-marked": ((f"{XDP}[redirect-ingress]",), (ITSELF, f"{XDP}[mirror-ingress]")),
    "mirred-nests-deeper": (("test_circle_ends[itself-at-ingress]",), (ITSELF, INTACT)),
    "mirred-past-backlog": (
        ("test_target_may_be_either_side_of_a_link[egress-ingress-redirect]",),
        (ITSELF, INTACT),
    ),
    "flower-mask-ignored": (
        ("test_key[src_mac masked]", "test_key[tos]"),
        (ITSELF, "test_key[ttl]"),
    ),
    "flower-range-off-by-one": (("test_key[udp port range]",), ("test_key[udp ports]",)),
    "flower-wrong-dump": (("test_key[vlan id]",), ("test_key[vlan prio]",)),
    "flower-tunnel-key-ignored": ((TUNNEL,), ("test_tunnel_key[vxlan enc_src_ip]",)),
    "flower-linear-insert": (("test_rule_takes_no_longer_among_many[1]",), (ITSELF,)),
}
"""The tests that catch each, and some that pass beside them."""


def only(*tests: str) -> str:
    """Return what pytest's -k takes to run these, on whichever variant."""
    words = (test.replace("[", " ").split() for test in tests)
    return " or ".join(f"({' and '.join(each)})" for each in words)


BROKEN |= {
    name: Broken(
        "FAIL",
        caught_by,
        scenario="tc_function",
        runs=only(*caught_by, *passes),
        suite="tc",
        passes=passes,
    )
    for name, (caught_by, passes) in TC.items()
}
BROKEN["mirred-device-held"] = Broken(
    "FAIL",
    (f"{NO_MORE}[ingress-redirect-replaced]",),
    fault="waiting for out to become free",
    scenario="tc_function",
    runs=only(f"{NO_MORE}[ingress-redirect-replaced]"),
    suite="tc",
)
BROKEN["mirred-slower-1-percent"] = Broken(
    "REGRESSION",
    ("test_cost[tc_redirect-64]", "test_cost[tc_redirect-1500]"),
    scenario="tc_redirect",
    suite="tc",
)
OVS = {
    "ovs-wrong-checksum": ("ipv4", "test_action[set ipv4 src]", "test_action[set ipv4 ttl]"),
    "ovs-vlan-not-popped": ("pop", "test_action[pop vlan]", "test_action[pop mpls]"),
    "ovs-hash-constant": (
        "hash",
        "test_hash_tells_flows_apart",
        "test_action[hash and recirc]",
    ),
    "ovs-meter-ignored": (
        "meter",
        "test_meter_drops_what_is_above_the_burst",
        "test_action[meter that lets through]",
    ),
    "ovs-stats-lost": (
        "output",
        "test_action[output]",
        "test_last_output_takes_the_packet_itself[one]",
    ),
    "ovs-upcall-truncated": (
        "test_upcalls",
        "test_empty_table_sends_each_packet_up_once",
        "test_truncated_packet_comes_up_truncated",
    ),
    "ovs-upcall-left-out": (
        "test_upcalls or output",
        "test_empty_table_sends_each_packet_up_once",
        "test_action[output]",
    ),
    "ovs-lost-not-counted": (
        "test_upcalls",
        "test_upcalls_without_room_are_counted_as_lost",
        "test_empty_table_sends_each_packet_up_once",
    ),
    "ovs-mark-not-committed": (
        "test_conntrack",
        "test_committed_connection_has_zone_and_mark",
        "test_zones_know_nothing_of_each_other",
    ),
    "ovs-tunnel-id-lost": (
        "test_tunnel or output",
        "test_tunnel[plain-vxlan]",
        "test_action[output]",
    ),
    "ovs-recirc-forgets-hash": (
        "hash or recirc",
        "test_hash_tells_flows_apart",
        "test_action[recirc after a change]",
    ),
}
"""Which tests run, one that must fail, and one that must pass."""
BROKEN |= {
    name: Broken(
        "FAIL", (fails,), scenario="ovs_function", runs=runs, suite="ovs", passes=(passes,)
    )
    for name, (runs, fails, passes) in OVS.items()
}
BROKEN["ovs-slower-1-percent"] = Broken(
    "REGRESSION",
    ("test_cost[ovs_output-64]", "test_cost[ovs_output-1500]"),
    scenario="ovs_output",
    suite="ovs",
)
BROKEN["flower-many-rules"] = Broken(
    "FAIL",
    ("test_each_flow_finds_its_way[10000-tc]",),
    scenario="pvp_function",
    runs="finds_its_way and tc",
    suite="pvp",
    passes=("test_each_flow_finds_its_way[100-tc]",),
)
BROKEN["veth-swallows-every-500th"] = Broken(
    "FAIL",
    tuple(f"test_frames_reach_the_guest_and_come_back[64-{name}]" for name in DATAPATHS),
    scenario="pvp_function",
    runs="come_back and 64",
    suite="pvp",
)
PAIRS = "test_workers_on_every_cpu_send_each_frame_once"
RULE, FLOW = "test_rule_counts_what_every_cpu_redirects", "test_flow_counts_what_every_cpu_switches"
SMP = {
    "smp-mirred-first-cpu-counts": ((f"{RULE}[of_each_cpu]",), (f"{RULE}[of_all]", FLOW)),
    "smp-ovs-first-cpu-told": ((FLOW,), (f"{RULE}[of_each_cpu]", PAIRS)),
    "smp-vhost-other-cpus-lose-signals": ((PAIRS,), (FLOW,)),
}
BROKEN |= {
    name: Broken(
        "FAIL", fails, scenario="smp_function", runs="every_cpu", suite="smp", passes=passes
    )
    for name, (fails, passes) in SMP.items()
}
SEEN_BY_NONE = {
    "smp-mirred-first-cpu-counts": ("tc", UNCHANGED),
    "smp-ovs-first-cpu-told": ("ovs", "test_action[output]"),
    "smp-vhost-other-cpus-lose-signals": ("vhost", "test_every_size_arrives_unchanged[to_host]"),
}
"""A suite of one vCPU, and its test of the same counters, which passes."""
SOME_VHOST, SOME_TC, SOME_OVS = "bursts or every_size", "test_mirred", "test_action"
HARMLESS = {
    "harmless-comment": ("vhost", 6, SOME_VHOST),
    "harmless-rename": ("vhost", 6, SOME_VHOST),
    "harmless-shared-header": ("vhost", 6, SOME_VHOST),
    "harmless-reorder": ("vhost", 6, SOME_VHOST),
    "harmless-mirred-reorder": ("tc", 12, SOME_TC),
    "harmless-ovs-reorder": ("ovs", 7, SOME_OVS),
}
"""Its suite, how many costs are compared, and which other tests run, as pytest's -k."""
HARMLESS_CHANGE = 0.0005
"""What a compiler may make of a harmless edit."""


def check(series: Path, tmp_path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Run ``ksuite check`` on a series; return its exit code and result."""
    answer = tmp_path / "result.json"
    # Others run beside it already.
    command = ["-m", "ksuite", "check", str(series), "--json", str(answer), "--jobs", "1"]
    return judged([*command, *options], answer)


def run_some(series: Path, tmp_path: Path, broken: Broken) -> tuple[int, dict[str, Any]]:
    """Run some tests of the suite on a series, as with `check`, on the candidate."""
    answer = tmp_path / "result.json"
    command = running(broken.suite, series, answer, broken.runs)
    command += ["--ks-timeout", HANG_SECONDS, "--ks-scenario", broken.scenario]
    return judged([*command, "--ks-candidate-only"], answer)


def running(suite: str, series: Path, answer: Path, runs: str) -> list[str]:
    """Return the arguments of Python that run some tests of a suite on a series."""
    command = ["-m", "ksuite.runner", str(HERE.parent / suite), "--ks-series", str(series)]
    return [*command, "--ks-json", str(answer), "-k", runs]


def judged(arguments: list[str], answer: Path) -> tuple[int, dict[str, Any]]:
    """Run Python; return its exit code and the result that it has written."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
        env=outside_pytest(),
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert answer.exists(), done.stdout[-4000:] + done.stderr[-4000:]
    result: dict[str, Any] = json.loads(answer.read_text())
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    print(done.stdout[-8000:])
    return done.returncode, result


def outside_pytest() -> dict[str, str]:
    """Return the environment without what pytest and its plugins told this process."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def verdicts(result: dict[str, Any], variant: str) -> dict[str, str]:
    """Return the verdict of each test on a variant, or of those that compare both."""
    tests = result["tests"]
    return {test["test"]: test["verdict"] for test in tests if test["variant"] in {variant, ""}}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_module_is_caught(name: str, tmp_path: Path) -> None:
    broken = BROKEN[name]
    code, result = run_some(HERE / f"{name}.patch", tmp_path, broken)
    assert code == 1
    assert result["verdict"] == broken.verdict
    seen = verdicts(result, "candidate")
    assert {test: seen[test] for test in broken.caught_by} == dict.fromkeys(
        broken.caught_by, broken.verdict
    )
    assert {test: seen[test] for test in broken.passes} == dict.fromkeys(broken.passes, "PASS")
    consoles = [test["console"] for test in result["tests"]]
    assert any(broken.fault in console for console in consoles), consoles
    assert bool(broken.fault) == any(consoles)
    assert "ERROR" not in seen.values()


@pytest.mark.parametrize("name", SEEN_BY_NONE)
def test_what_takes_two_cpus_is_not_seen_by_one(name: str, tmp_path: Path) -> None:
    suite, test = SEEN_BY_NONE[name]
    one = Broken("PASS", (), scenario=f"{suite}_function", runs=only(test), suite=suite)
    code, result = run_some(HERE / f"{name}.patch", tmp_path, one)
    assert code == 0
    assert verdicts(result, "candidate") == {test: "PASS"}


def reverse(patch: str) -> str:
    """Return the diff that undoes a patch."""
    lines = []
    for line in patch[patch.index("diff --git") :].partition("\n-- \n")[0].splitlines():
        hunk = re.match(r"@@ -(\S+) \+(\S+) @@(.*)", line)
        if hunk:
            lines.append(f"@@ -{hunk[2]} +{hunk[1]} @@{hunk[3]}")
        elif line.startswith(("--- ", "+++ ", "diff ", "index ")):
            lines.append("" if line.startswith("index ") else line)
        else:
            lines.append({"+": "-", "-": "+"}.get(line[:1], line[:1]) + line[1:])
    return "\n".join(line for line in lines if line) + "\n"


@pytest.mark.parametrize("scenario", ["vhost_tx", "vhost_function"])
def test_series_that_mends_a_crash_passes(scenario: str, tmp_path: Path) -> None:
    """The base oopses, in costs and checks; the candidate does not, and its verdict counts."""
    folder = tmp_path / "mends"
    folder.mkdir()
    crash = (HERE / "null-dereference.patch").read_text()
    (folder / "base.patch").write_text(crash)
    (folder / "mend.patch").write_text(reverse(crash))
    (folder / "series").write_text("mend.patch\n")
    (folder / "meta.toml").write_text(
        'title = "mend a crash"\nupstream = []\nkernels = ">=6.1,<6.2"\n'
        'expected_effect = "no oops"\nbase = ["base.patch"]\n'
    )
    if scenario == "vhost_tx":
        code, result = check(folder, tmp_path, "--scenario", scenario)
    else:
        answer = tmp_path / "result.json"
        code, result = judged(
            running("vhost", folder, answer, f"not cost and ({SOME_VHOST})"), answer
        )
    assert code == 0
    assert result["verdict"] == "PASS"
    base = [test for test in result["tests"] if test["variant"] == "base"]
    assert any("NULL pointer dereference" in test["console"] for test in base)
    assert {test["verdict"] for test in result["tests"] if test["variant"] == "candidate"} == {
        "PASS"
    }


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_module_is_not_caught(name: str, tmp_path: Path) -> None:
    suite, costs, runs = HARMLESS[name]
    answer = tmp_path / "result.json"
    command = running(suite, HERE / f"{name}.patch", answer, f"test_cost or {runs}")
    code, result = judged([*command, "--ks-candidate-only", "--ks-jobs", "1"], answer)
    assert code == 0
    assert result["verdict"] == "PASS"
    seen = verdicts(result, "candidate")
    assert set(seen.values()) == {"PASS"}, seen
    assert len(seen) > 5, "nothing was checked beside costs"
    assert len(result["costs"]) == costs
    assert {cost["verdict"] for cost in result["costs"]} == {"PASS"}
    assert max(abs(cost["change"]) for cost in result["costs"]) <= HARMLESS_CHANGE
