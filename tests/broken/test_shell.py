# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite shell`` on real guests: a topology around it, and lines that follow each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.broken.test_broken import outside_pytest

HERE = Path(__file__).parent


def shell(
    series: str, *arguments: str, lines: str = "", code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run the command on a series of this directory, which must end with an exit code."""
    command = [sys.executable, "-m", "ksuite", "shell", str(HERE / f"{series}.patch")]
    done = subprocess.run(
        [*command, *arguments],
        input=lines,
        check=False,
        text=True,
        capture_output=True,
        env=outside_pytest(),
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("series", "scenario", "link"),
    [
        ("harmless-comment", "vhost_rx", "tap0"),
        ("mirred-slower-1-percent", "tc_redirect", "port"),
        ("ovs-slower-1-percent", "ovs_output", "dp"),
    ],
)
def test_topology_is_up(series: str, scenario: str, link: str) -> None:
    done = shell(series, "--scenario", scenario, lines="ls /sys/class/net\n")
    assert link in done.stdout.split()


def test_lines_follow_each_other() -> None:
    lines = (
        "cd /proc/sys\npwd\nexport X=1; echo $X > /tmp/x\ncat /tmp/x\nfalse\nexit\nnot reached\n"
    )
    done = shell("harmless-comment", lines=lines)
    assert done.stdout == "/proc/sys\n1\n"


def test_its_own_exit_code_is_the_commands() -> None:
    assert shell("harmless-comment", "--command", "echo here; exit 7", code=7).stdout == "here\n"


def test_what_waits_for_ever_is_ended() -> None:
    """In no time: the guest's clock leaps."""
    done = shell("harmless-comment", lines="sleep infinity\necho next\n")
    assert "did not end by itself" in done.stderr
    assert done.stdout == "next\n"


def test_background_of_a_line_runs_on() -> None:
    done = shell(
        "harmless-comment", lines="sleep 1000 &\necho next\nps ax | grep -c '[s]leep 1000'\n"
    )
    assert done.stdout == "next\n1\n"


def test_kernel_that_breaks_shows_its_console() -> None:
    command = "echo c > /proc/sysrq-trigger"
    done = shell("harmless-comment", "--command", command, code=1)
    assert "the kernel broke" in done.stderr
    assert "sysrq: Trigger a crash" in done.stderr


def test_module_is_the_variants() -> None:
    """Each is told by its build-id."""
    note = "od -An -tx1 /sys/module/vhost_net/notes/.note.gnu.build-id"
    base, candidate = (
        shell("slower-tx-2-percent", "--variant", variant, "--command", note).stdout
        for variant in ("base", "candidate")
    )
    assert base
    assert base != candidate


def test_scenario_without_a_topology_is_told() -> None:
    done = shell("harmless-comment", "--scenario", "vhost_function", code=2)
    assert "no topology of its own" in done.stderr
