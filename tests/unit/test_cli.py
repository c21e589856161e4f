# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line up to where kernels would be built."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite import __version__, cli
from ksuite.campaigns.doctor import Finding
from ksuite.errors import ExitCode
from ksuite.measure.result import NamedComparison
from ksuite.report import json_file
from tests.unit.measure.samples import comparison, result

if TYPE_CHECKING:
    from collections.abc import Callable

Run = tuple[int, str, str]


@pytest.fixture
def series(checkout: Path) -> Path:
    """Return a directory of series that are refused before anything is built."""
    return checkout / "tests" / "broken" / "input"


@pytest.mark.parametrize("command", [["--help"], ["check", "--help"]])
def test_help_documents_the_exit_codes(ksuite: Callable[..., Run], command: list[str]) -> None:
    code, out, _ = ksuite(*command)
    assert code == 0
    told = out[out.index("exit codes:") :].splitlines()[1:]
    assert [int(line.split()[0]) for line in told if line] == [int(code) for code in ExitCode]


def test_help_of_check_names_the_scenarios(ksuite: Callable[..., Run]) -> None:
    _, out, _ = ksuite("check", "--help")
    assert "vhost_echo" in " ".join(out.split())


def test_version(ksuite: Callable[..., Run]) -> None:
    assert ksuite("--version")[:2] == (0, f"ksuite {__version__}\n")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["chekc"],
        ["--bogus"],
        ["check"],
        ["check", "x.patch", "--bogus"],
        ["check", "x.patch", "y.patch"],
        ["check", "x.patch", "--clock", "sundial"],
        ["check", "x.patch", "--timeout", "soon"],
        ["check", "x.patch", "--jobs", "0"],
        ["check", "x.patch", "--attribute", "some"],
        ["check", "x.patch", "--recall", "some"],
        ["doctor", "who"],
    ],
    ids=" ".join,
)
def test_usage(ksuite: Callable[..., Run], words: list[str]) -> None:
    code, _, err = ksuite(*words)
    assert code == 2
    assert err.startswith("usage: ksuite")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_timeout_that_makes_no_sense(
    ksuite: Callable[..., Run], series: Path, seconds: str
) -> None:
    """Everything would be said to hang, or nothing ever."""
    code, _, err = ksuite("check", series / "not-ours.patch", f"--timeout={seconds}")
    assert code == 2
    assert "timeout" in err


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("no-such-file.patch", 2, "does not exist"),
        ("not-a-patch.txt", 2, "no diff"),
        ("outside-tree.patch", 2, "outside"),
        ("not-ours.patch", 4, "no scenario"),
    ],
)
def test_series_that_is_refused(
    ksuite: Callable[..., Run], series: Path, name: str, code: int, says: str
) -> None:
    seen, out, err = ksuite("check", series / name)
    assert seen == code
    assert out == ""
    assert err.startswith("ksuite: ")
    assert says in err
    assert name in err or code == 4


def test_missing_series_is_one_line(ksuite: Callable[..., Run], tmp_path: Path) -> None:
    code, out, err = ksuite("check", tmp_path / "none.mbox")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "none.mbox" in err


def test_name_of_a_series_can_not_drive_the_terminal(
    ksuite: Callable[..., Run], tmp_path: Path
) -> None:
    _, _, err = ksuite("check", tmp_path / "\x1b[2J.patch")
    assert "\x1b" not in err


def test_unknown_scenario(ksuite: Callable[..., Run], series: Path) -> None:
    code, _, err = ksuite("check", series / "not-ours.patch", "--scenario", "vhost_tz")
    assert code == 2
    assert "vhost_tx" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(("name", "code"), [("no-such-file.patch", 2), ("not-ours.patch", 4)])
def test_refusal_is_written_as_json_too(
    ksuite: Callable[..., Run], series: Path, tmp_path: Path, name: str, code: int
) -> None:
    answer = tmp_path / "result.json"
    ksuite("check", series / name, "--json", answer)
    told = json.loads(answer.read_text(encoding="utf-8"))
    assert told["exit_code"] == code
    assert told["error"]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what pytest will be called with; it fails."""
    given: list[str] = []

    def run_suites(arguments: list[str]) -> int:
        given.extend(arguments)
        return 1

    monkeypatch.setattr("ksuite.runner.run_suites", run_suites)
    return given


@pytest.fixture
def harmless(checkout: Path) -> str:
    """Return a series that the vhost suite exercises."""
    return str(checkout / "tests" / "broken" / "harmless-comment.patch")


def value(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_options_reach_the_runner(
    ksuite: Callable[..., Run], given: list[str], checkout: Path, harmless: str
) -> None:
    options = ["--scenario", "vhost_tx", "--candidate-only", "--json", "r.json", "--clock", "wall"]
    options += ["--timeout", "7", "--kernel", "distro", "--root", "host", "--attribute", "any"]
    options += ["--benchmark-json", "b.json", "--packages", "p.txt", "--thresholds", "t.toml"]
    options += ["--recall", "never"]
    assert ksuite("check", harmless, *options)[0] == 1
    assert given[0] == str(checkout / "tests" / "vhost")
    expected = {
        "--ks-series": harmless,
        "--ks-scenario": "vhost_tx",
        "--ks-json": "r.json",
        "--ks-benchmark-json": "b.json",
        "--ks-clock": "wall",
        "--ks-root": "host",
        "--ks-attribute": "any",
        "--ks-recall": "never",
        "--ks-packages": "p.txt",
        "--ks-thresholds": "t.toml",
        "--ks-timeout": "7.0",
        "--ks-kernel": "distro",
    }
    assert {option: value(given, option) for option in expected} == expected
    assert "--ks-candidate-only" in given


def test_what_is_not_chosen_is_left_to_pytest(
    ksuite: Callable[..., Run], given: list[str], harmless: str
) -> None:
    ksuite("check", harmless)
    assert value(given, "--ks-attribute") == "counted"
    assert value(given, "--ks-recall") == "base"
    for option in ("--ks-scenario", "--ks-json", "--ks-benchmark-json", "--ks-root"):
        assert option not in given
    assert "--ks-candidate-only" not in given


@pytest.mark.parametrize(
    ("options", "processes"),
    [([], "auto"), (["--jobs", "1"], "0"), (["--jobs", "3"], "3")],
    ids=["default", "one", "three"],
)
def test_jobs_are_processes(
    ksuite: Callable[..., Run],
    given: list[str],
    harmless: str,
    options: list[str],
    processes: str,
) -> None:
    ksuite("check", harmless, *options)
    assert value(given, "-n") == processes
    assert value(given, "--dist") == "worksteal"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_no_more_guests_run_at_once_than_may(
    ksuite: Callable[..., Run], given: list[str], harmless: str, jobs: str
) -> None:
    """A process of its own would take a guest for each CPU."""
    ksuite("check", harmless, "--jobs", jobs)
    assert value(given, "--ks-jobs") == "1"


def test_interrupt(ksuite: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "read_series", interrupted)
    assert ksuite("check", "x.patch") == (130, "", "ksuite: interrupted\n")


@pytest.mark.parametrize(("needed", "code"), [(True, 3), (False, 0)])
def test_doctor_tells_gaps_and_how_to_mend_them(
    ksuite: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, needed: bool, code: int
) -> None:
    findings = [
        Finding("QEMU", good=True, found="7.2.22"),
        Finding("KVM", good=False, found="none", mend="use another host", needed=needed),
    ]
    monkeypatch.setattr(cli, "examine", lambda _: findings)
    seen, out, _ = ksuite("doctor")
    assert seen == code
    assert "QEMU: 7.2.22" in out
    assert "KVM: none" in out
    assert "mend: use another host" in out


@pytest.mark.parametrize(
    "command", [["-m", "ksuite"], [str(Path(sys.executable).parent / "ksuite")]]
)
def test_command_is_there(command: list[str]) -> None:
    argv = [sys.executable, *command, "--version"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"ksuite {__version__}\n")


def test_chart_prints_a_table_and_writes_a_picture(
    ksuite: Callable[..., Run], tmp_path: Path
) -> None:
    costs = (NamedComparison("vhost_tx 64 B", comparison(0.1)),)
    json_file.write(result(costs=costs), tmp_path / "result.json")
    picture = tmp_path / "costs.svg"
    code, out, _ = ksuite("chart", tmp_path / "result.json", "--output", picture)
    assert code == 0
    assert "1,100.0" in out
    assert picture.read_text(encoding="utf-8").startswith("<svg ")


def test_chart_of_what_is_no_result(ksuite: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text("{}")
    code, _, err = ksuite("chart", tmp_path / "result.json")
    assert code == ExitCode.USAGE
    assert "result.json" in err


def test_commands_that_run_no_suite_do_without_pytest() -> None:
    """``ksuite doctor`` has to say that it is missing, and nobody has to wait for it."""
    look = "import sys, ksuite.cli; print({'pytest', 'readline'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
