# SPDX-License-Identifier: GPL-2.0-or-later
"""Which suites a series is given to, and which names --scenario takes."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from ksuite.campaigns.suites import (
    PVP,
    ROOT,
    SUITES,
    TC,
    VHOST,
    Suite,
    check_scenario,
    suites_for,
)
from ksuite.dut import loops
from ksuite.errors import ExitCode, NothingToCompare, UserError


@pytest.mark.parametrize(
    "file",
    [
        "drivers/vhost/net.c",
        "drivers/vhost/vhost.c",
        "drivers/vhost/vhost.h",
        "drivers/vhost/iotlb.c",
        "drivers/net/tun.c",
    ],
)
def test_vhost_files_go_to_the_vhost_suite(file: str) -> None:
    assert suites_for(["MAINTAINERS", file]) == (VHOST,)


@pytest.mark.parametrize(
    "file",
    [
        "drivers/vhost/vsock.c",
        "drivers/vhost/scsi.c",
        "drivers/vhost/Makefile",
        "tools/drivers/vhost/net.c",
        "drivers/vhost/net.c.orig",
        "Drivers/vhost/net.c",
        "net/sched/sch_htb.c",
    ],
)
def test_file_that_nothing_exercises(file: str) -> None:
    with pytest.raises(NothingToCompare) as raised:
        suites_for([file])
    assert file in str(raised.value)
    assert "drivers/vhost/net.c" in str(raised.value)
    assert raised.value.exit_code == ExitCode.INCOMPARABLE


def test_what_only_pvp_exercises_goes_to_pvp() -> None:
    assert suites_for(["drivers/net/veth.c"]) == (PVP,)
    assert suites_for(["net/sched/act_mirred.c", "drivers/net/veth.c"]) == (TC, PVP)


def test_pvp_is_for_others_files_only_when_it_is_asked_for() -> None:
    files = ["net/sched/act_mirred.c", "drivers/vhost/net.c"]
    assert suites_for(files) == (VHOST, TC)
    assert suites_for(files, "pvp") == suites_for(files, "pvp_tc") == (PVP,)
    assert suites_for(files, "tc") == (TC,)
    assert suites_for(["net/sched/act_mirred.c"], "vhost_tx") == (TC,)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_scenarios_of_costs_have_their_loops(suite: Suite) -> None:
    mine = {name for name in loops._GROUP_OF if name.partition("_")[0] == suite.name}
    assert set(suite.scenarios) == mine | {f"{suite.name}_function"}


def test_no_file_at_all() -> None:
    with pytest.raises(NothingToCompare):
        suites_for([])


@pytest.mark.parametrize("name", ["vhost", "vhost_tx", "vhost_rx", "vhost_echo", "vhost_function"])
def test_known_scenario(name: str) -> None:
    check_scenario(name)


@pytest.mark.parametrize("name", ["", "vhost_tz", "VHOST", "vhost "])
def test_unknown_scenario_names_the_known_ones(name: str) -> None:
    with pytest.raises(UserError, match="vhost_tx, vhost_rx") as raised:
        check_scenario(name)
    assert raised.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_suite_is_all_there(suite: Suite) -> None:
    assert list(suite.directory.glob("test_*.py"))
    assert (ROOT / suite.default_series / "series").is_file()
    for name in suite.imports:
        assert find_spec(f"ksuite.dut.{name}")
