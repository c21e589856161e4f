# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite baseline``: every command, up to where costs would be measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite import cli_baseline
from ksuite.campaigns.suites import SUITES
from ksuite.cli import main
from ksuite.dut import loops
from ksuite.errors import ExitCode
from ksuite.measure.result import NamedComparison, NamedCost
from ksuite.measure.verdict import Verdict
from ksuite.report import json_file
from ksuite.report.baseline_file import baseline_names, read_baseline, write_baseline
from tests.unit.measure.samples import IMAGE, baseline, comparison, cost, result

if TYPE_CHECKING:
    from ksuite.measure.result import CheckResult

COMMANDS = ("save", "list", "show", "compare", "prune")


class Shell:
    """Runs ``ksuite baseline``, on a directory of its own.

    :param runs: the arguments of each run that would have measured, and what came of it.
    """

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capsys = capsys
        self.out = self.err = ""
        self.runs: list[list[str]] = []
        self.measured: list[CheckResult] = []
        self.code = 4

    def __call__(self, *words: str | Path) -> int:
        arguments = ["baseline", *map(str, words)]
        if words[-1] != "--help":
            arguments += ["--directory", str(self.directory)]
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        self.out, self.err = self._capsys.readouterr()
        assert "Traceback" not in self.err
        return code

    def run(self, arguments: list[str]) -> int:
        self.runs.append(arguments)
        if self.measured:
            place = Path(arguments[arguments.index("--ks-json") + 1])
            json_file.write(self.measured.pop(0), place)
        return self.code

    def keep(self, name: str, **levels: float) -> None:
        write_baseline(baseline(name, **levels), self.directory)


@pytest.fixture
def shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    shell = Shell(tmp_path / "kept", capsys)
    monkeypatch.setattr(cli_baseline, "_run", shell.run)
    return shell


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    """Return a result, as --json writes it, whose candidate is 10 % slower than its base."""
    path = tmp_path / "answer.json"
    json_file.write(result(costs=(NamedComparison("vhost_tx 64 B", comparison(0.1)),)), path)
    return path


def measured(loop: str, level: float) -> CheckResult:
    """Return what a run comes to that only measures."""
    fingerprint = replace(IMAGE, scenario=f"vhost_{loop}")
    one = NamedCost(f"vhost_{loop} 64 B", cost(level, fingerprint=fingerprint))
    return replace(result(), measured=(one,), verdict=Verdict.SKIP, exit_code=4)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_documents_the_exit_codes(shell: Shell, command: list[str]) -> None:
    assert shell(*command, "--help") == 0
    told = shell.out[shell.out.index("exit codes:") :].splitlines()[1:]
    assert [int(line.split()[0]) for line in told if line] == [int(code) for code in ExitCode]


@pytest.mark.parametrize(
    "words",
    [
        ["save"],
        ["show"],
        ["compare"],
        ["keep", "it"],
        ["save", "it", "--variant", "both"],
        ["compare", "a", "b", "c"],
        ["compare", "a", "--threshold", "-1"],
        ["compare", "a", "--threshold", "nan"],
        ["compare", "a", "--threshold", "100"],
    ],
    ids=" ".join,
)
def test_usage(shell: Shell, words: list[str]) -> None:
    assert shell(*words) == 2
    assert shell.err.startswith("usage: ksuite")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["save", "a/b", "--from", "ANSWER"], "no name of a baseline"),
        (["save", "", "--from", "ANSWER"], "no name of a baseline"),
        (["save", "it", "x.patch", "--from", "ANSWER"], "give one of them"),
        (["save", "it", "--variant", "base"], "goes with --from"),
        (["save", "it", "--scenario", "vhost_tz"], "no scenario named"),
        (["save", "it", "--from", "missing.json"], "can't be read"),
        (["save", "it", "--from", "ANSWER", "--clock", "wall"], "--clock: nothing is measured"),
        (["save", "it", "--from", "ANSWER", "--jobs", "2"], "--jobs: nothing is measured"),
        (["compare", "it", "ANSWER", "--root", "host"], "--root: nothing is measured"),
        (["show", "it"], "no baseline 'it'"),
        (["compare", "it"], "no baseline 'it'"),
        (["compare", "it", "--scenario", "vhost_tz"], "no scenario named"),
        (["prune"], "takes names of baselines, or --stale"),
        (["prune", "it", "--stale"], "takes names of baselines, or --stale"),
        (["prune", "it"], "no baseline 'it'"),
        (["prune", "../it"], "no name of a baseline"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_one_line(
    shell: Shell, answer: Path, words: list[str], says: str
) -> None:
    assert shell(*(str(answer) if word == "ANSWER" else word for word in words)) == 2
    assert says in shell.err
    assert len(shell.err.splitlines()) == 1
    assert shell.runs == []
    assert baseline_names(shell.directory) == []


def test_save_from_a_result(shell: Shell, answer: Path) -> None:
    assert shell("save", "new", "--from", answer) == 0
    assert "1 costs are kept as new" in shell.out
    kept = read_baseline(shell.directory, "new")
    assert kept.costs["vhost_tx 64 B"].cost == comparison(0.1).candidate
    assert shell("save", "old", "--from", answer, "--variant", "base") == 0
    assert read_baseline(shell.directory, "old").costs["vhost_tx 64 B"].cost.median == 1000
    assert shell.runs == []


def test_save_from_a_result_that_fails(shell: Shell, answer: Path) -> None:
    plain = json.loads(answer.read_text())
    answer.write_text(json.dumps(plain | {"verdict": "FAIL"}))
    assert shell("save", "new", "--from", answer) == 2
    assert "verdict FAIL makes no baseline" in shell.err


def test_save_what_is_not_there_is_nothing_to_save(shell: Shell, answer: Path) -> None:
    assert shell("save", "new", "--from", answer, "--scenario", "tc") == 4
    assert "nothing to save" in shell.err


def test_name_that_is_taken(shell: Shell, answer: Path) -> None:
    """It is refused before anything is measured."""
    shell.keep("new", rx=1.0)
    for words in (["save", "new", "--from", str(answer)], ["save", "new"]):
        assert shell(*words) == 2
        assert "replace it by --force" in shell.err
    assert shell.runs == []
    assert shell("save", "new", "--from", answer, "--force") == 0
    assert set(read_baseline(shell.directory, "new").costs) == {"vhost_tx 64 B"}


def value(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_save_measures_each_suites_own_series(shell: Shell) -> None:
    suites = [suite for suite in SUITES if suite.measures]
    assert len(suites) < len(SUITES)
    shell.measured = [measured(loop, 1000.0) for loop, _ in zip(("tx", "rx"), suites, strict=False)]
    shell.measured += [measured(f"more{number}", 1.0) for number in range(len(suites) - 2)]
    assert shell("save", "distro", "--jobs", "1", "--timeout", "9") == 0
    assert [run[0] for run in shell.runs] == [str(suite.directory) for suite in suites]
    assert [value(run, "--ks-series") for run in shell.runs] == [suite.series for suite in suites]
    for run in shell.runs:
        assert {"--ks-costs-only", "--ks-unpatched"} <= set(run)
        assert (value(run, "--ks-timeout"), value(run, "-n")) == ("9.0", "0")
    assert len(read_baseline(shell.directory, "distro").costs) == len(suites)


def test_save_measures_a_series_in_the_suites_that_it_touches(shell: Shell, checkout: Path) -> None:
    series = checkout / "tests" / "broken" / "one-instruction.patch"
    shell.measured = [measured("tx", 1000.0)]
    assert shell("save", "mine", series, "--scenario", "vhost_tx") == 0
    [run] = shell.runs
    assert run[0].endswith("tests/vhost")
    assert value(run, "--ks-series") == str(series)
    assert value(run, "--ks-scenario") == "vhost_tx"
    assert "--ks-unpatched" not in run


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (None, 130),
        (replace(result(), verdict=Verdict.FAIL, exit_code=1), 1),
        (replace(result(), verdict=Verdict.ERROR, exit_code=3), 3),
        (replace(result(), verdict=Verdict.INCOMPARABLE, exit_code=4, error="full build"), 4),
    ],
    ids=["gone", "fail", "error", "refused"],
)
def test_what_could_not_be_measured_is_not_saved(
    shell: Shell, broken: CheckResult | None, code: int
) -> None:
    shell.measured = [broken] if broken else []
    shell.code = code
    assert shell("save", "distro") == code
    assert "could not be measured" in shell.err
    assert len(shell.runs) == 1
    assert baseline_names(shell.directory) == []


def test_list(shell: Shell) -> None:
    assert shell("list") == 0
    shell.keep("one", tx=1.0)
    shell.keep("two", tx=1.0, rx=2.0)
    assert shell("list") == 0
    assert [line.split()[0] for line in shell.out.splitlines()[3:] if line.strip()] == [
        "one",
        "two",
    ]


def test_list_tells_what_it_can_not_read(shell: Shell) -> None:
    shell.keep("one", tx=1.0)
    (shell.directory / "bad.json").write_text("{")
    assert shell("list") == 2
    assert "one" in shell.out
    assert "bad.json is no sound JSON" in shell.err


def test_show(shell: Shell) -> None:
    shell.keep("one", tx=1234.5)
    assert shell("show", "one") == 0
    for word in ("1,234.5", "instructions/packet", "6.1.0-1-amd64", "c0ffee", "vhost aa"):
        assert word in shell.out


@pytest.mark.parametrize(
    ("level", "options", "code", "verdict"),
    [
        (1000.0, [], 0, "PASS"),
        (1004.0, [], 1, "REGRESSION"),
        (996.0, [], 0, "IMPROVED"),
        (1004.0, ["--threshold", "0.5"], 0, "PASS"),
        (1000.1, ["--threshold", "0"], 1, "REGRESSION"),
    ],
)
def test_compare_two(
    shell: Shell, level: float, options: list[str], code: int, verdict: str
) -> None:
    shell.keep("old", tx=1000.0)
    shell.keep("new", tx=level)
    assert shell("compare", "old", "new", *options) == code
    assert verdict in shell.out
    run = "PASS" if code == 0 else verdict
    assert shell.out.splitlines()[-1] == f"verdict: {run} (exit {code})"


def test_compare_with_thresholds_of_a_file(shell: Shell, tmp_path: Path) -> None:
    shell.keep("old", tx=1000.0, rx=1000.0)
    shell.keep("new", tx=1004.0, rx=1000.0)
    own = tmp_path / "own.toml"
    own.write_text('[cost."vhost_tx 64 B"]\npercent = 1\nreason = "a new check"\n')
    assert shell("compare", "old", "new", "--thresholds", own) == 0
    assert "vhost_tx 64 B: its own threshold of 1 %: a new check" in shell.out
    own.write_text('[cost."vhost_tz 64 B"]\npercent = 1\nreason = "a new check"\n')
    assert shell("compare", "old", "new", "--thresholds", own) == 2
    assert "no cost is named 'vhost_tz 64 B'" in shell.err


def test_compare_with_a_result(shell: Shell, answer: Path) -> None:
    """Its fingerprint is another one: that of booted guests."""
    shell.keep("old", tx=1000.0, rx=1.0)
    assert shell("compare", "old", answer) == 4
    assert "vhost_tx 64 B: root: c0ffee in the baseline, host now" in shell.out
    assert "only in old: vhost_rx 64 B" in shell.out
    assert shell("save", "booted", "--from", answer) == 0
    assert shell("compare", "booted", answer) == 0


def test_compare_names_what_only_one_has(shell: Shell) -> None:
    shell.keep("old", tx=1000.0, rx=1.0)
    shell.keep("new", tx=1000.0, echo=1.0)
    assert shell("compare", "old", "new") == 0
    assert "only in old: vhost_rx 64 B" in shell.out
    assert "not in old: vhost_echo 64 B" in shell.out


def test_compare_one_scenario(shell: Shell) -> None:
    shell.keep("old", tx=1000.0, rx=1.0)
    shell.keep("new", tx=1000.0, rx=2.0)
    assert shell("compare", "old", "new", "--scenario", "vhost_tx") == 0
    assert "vhost_rx" not in shell.out
    assert shell("compare", "old", "new", "--scenario", "vhost") == 1


def test_place_is_tried_before_it_is_measured(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(shell, "directory", tmp_path / "file")
    assert shell("save", "mine") == 3
    assert "can't write to" in shell.err
    assert shell.runs == []


def test_compare_without_anything_in_common(shell: Shell) -> None:
    shell.keep("old", rx=1000.0)
    shell.keep("new", tx=1000.0)
    assert shell("compare", "old", "new") == 4
    assert "none of the costs in question" in shell.err


def test_compare_measures_what_the_baseline_has(shell: Shell) -> None:
    shell.keep("old", tx=1000.0)
    shell.measured = [measured("tx", 1004.0)]
    assert shell("compare", "old") == 1
    [run] = shell.runs
    assert run[0].endswith("tests/vhost")
    assert "REGRESSION" in shell.out


def test_prune_by_name(shell: Shell) -> None:
    for name in ("one", "two", "three"):
        shell.keep(name, tx=1.0)
    (shell.directory / "two.json").write_text("broken")
    assert shell("prune", "one", "two", "--dry-run") == 0
    assert baseline_names(shell.directory) == ["one", "three", "two"]
    assert shell.out == "would remove one\nwould remove two\n"
    assert shell("prune", "one", "none") == 2
    assert baseline_names(shell.directory) == ["one", "three", "two"]
    assert shell("prune", "one", "two") == 0
    assert baseline_names(shell.directory) == ["three"]


def test_prune_what_is_stale(shell: Shell) -> None:
    fresh = baseline("fresh", tx=1.0)
    [(name, stored)] = fresh.costs.items()
    now = replace(stored.cost.fingerprint, scenario_version=loops.version("vhost_tx"))
    costs = {name: replace(stored, cost=replace(stored.cost, fingerprint=now))}
    write_baseline(replace(fresh, costs=costs), shell.directory)
    shell.keep("stale", gone=1.0)
    assert shell("prune", "--stale", "--dry-run") == 0
    assert shell.out == "would remove stale\n"
    assert shell("prune", "--stale") == 0
    assert baseline_names(shell.directory) == ["fresh"]
    (shell.directory / "bad.json").write_text("{")
    assert shell("prune", "--stale") == 2
    assert baseline_names(shell.directory) == ["bad", "fresh"]
