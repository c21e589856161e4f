# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite bisect``: what it asks for, writes, goes on with, and answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.options import Build
from ksuite.campaigns.quest import Ground, Quest
from ksuite.cli import main
from ksuite.errors import (
    DoesNotCompile,
    DutError,
    InfrastructureError,
    KernelFault,
    NothingToCompare,
    UserError,
)
from ksuite.machines.machine import Clock
from ksuite.measure.finding import TOLD_BAD, Outcome, Seen, Step
from tests.unit.bisecting import GROUND, StubCampaign, bisect, commit, new_tree
from tests.unit.report.test_bisection import FOUND, NONE, C, seen

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return new_tree(tmp_path / "tree")


def test_quest_has_commits_for_ends(campaign: StubCampaign, tmp_path: Path, tree: Path) -> None:
    asked = ["--drop", "1.5", "--clock", "wall", "--build", "module", "--size", "1500"]
    assert bisect(tmp_path, tree, *asked) == 0
    [quest] = campaign.quests
    assert len(quest.good) == len(quest.bad) == 40
    assert quest.drop == pytest.approx(0.015)
    assert (quest.clock, quest.build) == (Clock.WALL, Build.MODULE)
    assert quest.request.name == "tc_redirect 1500 B"
    assert quest.kernel == ""


def test_usual_size_and_drop() -> None:
    assert Quest(scenario="tc_insert").request.name == "tc_insert 1000 rules"
    assert Quest(scenario="vhost_rx").request.name == "vhost_rx 64 B"
    assert Quest(scenario="vhost_rx").drop == pytest.approx(0.003)
    assert Quest(scenario="vhost_rx", clock=Clock.WALL).drop == pytest.approx(0.005)
    assert Quest(check="test_action").drop is None


def test_all_that_was_found_is_written(
    campaign: StubCampaign, tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bisect(tmp_path, tree) == 0
    out = tmp_path / "out"
    assert json.loads((out / "bisect.json").read_text())["outcome"] == "culprit"
    assert "bisect.svg" in (out / "bisect.md").read_text()
    assert (out / "bisect.svg").exists()
    assert f"# first bad commit: [{C}]" in (out / "bisect.log").read_text()
    assert "CULPRIT" in capsys.readouterr().out
    assert campaign.known == [{}]


def test_what_an_earlier_run_found_is_gone(
    campaign: StubCampaign, tmp_path: Path, tree: Path
) -> None:
    """It would be taken for what this one has found."""
    out = tmp_path / "out"
    assert bisect(tmp_path, tree) == 0
    assert len(list(out.glob("bisect.*"))) == 4
    campaign.finds = InfrastructureError("disk full")
    assert bisect(tmp_path, tree, "--drop", "2") == 3
    assert [one.name for one in out.iterdir()] == ["state.json"]
    campaign.finds = FOUND
    assert bisect(tmp_path, tree) == 0
    good, bad = Seen("a", "passes"), Seen("c", "passes")
    campaign.finds = replace(NONE, outcome=Outcome.SERIES, good=good, bad=bad, seen=(good, bad))
    assert bisect(tmp_path, tree) == 4
    assert {one.name for one in out.glob("bisect.*")} == {"bisect.json", "bisect.md"}


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.STEPS, 0),
        (Outcome.DRIFT, 0),
        (Outcome.NONE, 4),
        (Outcome.SUSPECTS, 4),
        (Outcome.UNDECIDED, 4),
    ],
)
def test_exit_codes(
    campaign: StubCampaign, tmp_path: Path, tree: Path, outcome: Outcome, code: int
) -> None:
    campaign.finds = replace(NONE, outcome=outcome)
    assert bisect(tmp_path, tree) == code
    log = (tmp_path / "out" / "bisect.log").read_text()
    nothing = outcome in {Outcome.NONE, Outcome.DRIFT}
    assert ("git bisect" in log) is not nothing, "git would search where there is no step"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InfrastructureError("disk full"), 3),
        (NothingToCompare("alike"), 4),
        # What is a verdict elsewhere is none here.
        (DoesNotCompile("dev.c:1: error"), 4),
        (KernelFault("panic", "Kernel panic"), 4),
        (DutError("mirred: Invalid argument"), 4),
    ],
)
def test_errors(
    campaign: StubCampaign, tmp_path: Path, tree: Path, error: Exception, code: int
) -> None:
    campaign.finds = error
    assert bisect(tmp_path, tree) == code
    # What was seen until then is kept.
    assert len(json.loads((tmp_path / "out" / "state.json").read_text())["seen"]) == 2


def test_it_goes_on_with_what_was_seen(campaign: StubCampaign, tmp_path: Path, tree: Path) -> None:
    campaign.finds = InfrastructureError("killed")
    assert bisect(tmp_path, tree, "--drop", "2") == 3
    campaign.finds = FOUND
    assert main(["bisect", "--resume", "--output", str(tmp_path / "out")]) == 0
    first, again = campaign.quests
    assert again == first
    assert campaign.known[1] == {one.revision: one for one in campaign.sees}
    assert campaign.grounds == [Ground(), GROUND]


def test_what_was_begun_there_before_is_over(
    campaign: StubCampaign, tmp_path: Path, tree: Path
) -> None:
    """Also where nothing was seen yet."""
    campaign.finds = InfrastructureError("killed")
    campaign.state = tmp_path / "out" / "state.json"
    assert bisect(tmp_path, tree) == 3
    campaign.sees = []
    assert bisect(tmp_path, tree, "--drop", "2") == 3
    begun = json.loads(campaign.before[1])
    assert begun["quest"]["drop_percent"] == pytest.approx(2.0)
    assert begun["seen"] == []
    assert main(["bisect", "--resume", "--output", str(tmp_path / "out")]) == 3
    assert campaign.quests[2] == campaign.quests[1]
    # There is no range between these, and so nothing else was begun.
    assert bisect(tmp_path, tree, "--good", "new", "--bad", "old") == 3
    assert campaign.before[3] == campaign.before[2]


@pytest.mark.parametrize(
    "more", [["--drop", "1"], ["--clock", "instructions"], ["--build", "auto"], ["x.mbox"]]
)
def test_what_goes_on_takes_no_other_options(
    campaign: StubCampaign,
    tmp_path: Path,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
) -> None:
    assert bisect(tmp_path, tree) == 0
    again = ["bisect", "--resume", "--output", str(tmp_path / "out")]
    assert main([*again, *more]) == 2
    said = capsys.readouterr().err
    assert more[0] in said or "SERIES" in said
    assert len(campaign.quests) == 1
    assert main([*again, "--budget", "900"]) == 0
    assert campaign.quests[1] == replace(campaign.quests[0], budget_minutes=900.0)


def test_what_was_measured_is_worth_more_than_what_a_log_says(
    campaign: StubCampaign, tmp_path: Path, tree: Path
) -> None:
    middle = commit(tree, "middle")
    campaign.sees = [*campaign.sees, seen(middle, 6060.0)]
    assert bisect(tmp_path, tree) == 0
    log = tmp_path / "log"
    log.write_text(f"git bisect bad {middle}\n", encoding="utf-8")
    asked = ["--resume", "--replay", str(log), "--output", str(tmp_path / "out")]
    assert main(["bisect", *asked]) == 0
    assert campaign.known[1][middle].costs


def test_series_is_found_from_elsewhere(
    campaign: StubCampaign, tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert bisect(tmp_path, tree, "--series", "own.mbox") == 0
    assert bisect(tmp_path, tree, "--series", "tree:old..new") == 0
    assert [quest.series for quest in campaign.quests] == [
        str(tmp_path / "own.mbox"),
        f"{tmp_path / 'tree'}:old..new",
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("distro", "distro"),
        ("debian:6.12", "debian:6.12"),
        ("", ""),
        ("tree", "{}/tree"),
        ("tree@new", "{}/tree@{}"),
        ("a/bzImage,modules", "{0}/a/bzImage,{0}/modules"),
    ],
)
def test_kernel_is_found_from_elsewhere(
    campaign: StubCampaign,
    tmp_path: Path,
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    kept: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert bisect(tmp_path, tree, "--kernel", given) == 0
    assert campaign.quests[0].kernel == kept.format(tmp_path, commit(tree, "new"))


@pytest.mark.parametrize("kernel", ["none@v6.12", "nothing-of-the-kind"])
def test_no_such_kernel(
    campaign: StubCampaign,
    tmp_path: Path,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    kernel: str,
) -> None:
    assert bisect(tmp_path, tree, "--kernel", kernel) == 2
    assert kernel.partition("@")[0] in capsys.readouterr().err
    assert campaign.quests == []


def test_kernel_of_a_tree_has_that_revision(
    campaign: StubCampaign, tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bisect(tmp_path, tree, "--kernel", f"{tree}@none") == 2
    assert "revision 'none' does not exist" in capsys.readouterr().err
    assert campaign.quests == []


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (replace(GROUND, kernel="6.1.0-2 (6.1.2-1)"), r"on 6\.1\.0-1 .* is 6\.1\.0-2"),
        (replace(GROUND, series="cd" * 32), "other patches"),
        (replace(GROUND, guest="ef" * 32), "by another ksuite"),
    ],
)
def test_it_does_not_go_on_on_other_ground(now: Ground, said: str) -> None:
    GROUND.must_be(GROUND)
    Ground().must_be(now)
    with pytest.raises(UserError, match=said):
        GROUND.must_be(now)


def test_nothing_to_go_on_with(campaign: StubCampaign, tmp_path: Path) -> None:
    assert main(["bisect", "--resume", "--output", str(tmp_path / "out")]) == 2
    (tmp_path / "out" / "state.json").write_text('{"schema": 1, "quest": {"tree": 7}, "seen": []}')
    assert main(["bisect", "--resume", "--output", str(tmp_path / "out")]) == 2
    (tmp_path / "out" / "state.json").write_text('{"schema": 99}')
    assert main(["bisect", "--resume", "--output", str(tmp_path / "out")]) == 2
    assert campaign.quests == []


def test_what_git_has_logged_is_taken_over(
    campaign: StubCampaign, tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the range; a hash may be abbreviated."""
    log = tmp_path / "log"
    middle, new = (commit(tree, name) for name in ("middle", "new"))
    said = [f"start main {commit(tree, 'old')}", f"bad {middle[:9]}", f"good {C}", f"bad {new}"]
    log.write_text("".join(f"git bisect {one}\n" for one in said), encoding="utf-8")
    assert bisect(tmp_path, tree, "--replay", str(log)) == 0
    assert {name: one.result for name, one in campaign.known[0].items()} == {middle: TOLD_BAD}
    assert f"not in the range, and passed over: {C[:12]}\n" in capsys.readouterr().err


def test_log_is_of_commits(campaign: StubCampaign, tmp_path: Path) -> None:
    asked = ["a.mbox", "--scenario", "tc_redirect", "--replay", str(tmp_path / "log")]
    assert main(["bisect", *asked, "--output", str(tmp_path / "out")]) == 2
    assert campaign.quests == []


def test_series_of_which_nothing_was_measured(
    campaign: StubCampaign, tmp_path: Path, tree: Path
) -> None:
    before = seen("0", 6000.0)
    broken = [Step(str(n), "0", "x", before, Seen(str(n), "does not compile")) for n in (1, 2)]
    campaign.finds = replace(NONE, outcome=Outcome.SERIES, steps=tuple(broken))
    assert bisect(tmp_path, tree) == 4
    measured = Step("3", "0", "x", before, seen("3", 6000.0))
    campaign.finds = replace(NONE, outcome=Outcome.SERIES, steps=(*broken, measured))
    assert bisect(tmp_path, tree) == 0
    campaign.finds = replace(NONE, outcome=Outcome.SERIES)
    assert bisect(tmp_path, tree) == 4


@pytest.mark.parametrize(
    ("place", "said"), [("none", "no such directory"), (".", "not a git tree")]
)
def test_what_is_no_tree(
    campaign: StubCampaign,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    place: str,
    said: str,
) -> None:
    assert bisect(tmp_path, tmp_path / place) == 2
    assert said in capsys.readouterr().err
    assert bisect(tmp_path, tmp_path / place, "--run-step") == 130
    assert campaign.quests == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["series.mbox"], "say what to look at"),
        (["--scenario", "tc_redirect"], "say what to search"),
        (["--tree", ".", "--scenario", "tc_redirect"], "a range has two ends"),
        (["--good", "a", "--bad", "b", "--scenario", "tc_redirect", "x.mbox"], "give --tree DIR"),
        (["a.mbox", "--series", "b.mbox", "--scenario", "tc_redirect"], "goes with --tree"),
        (["a.mbox", "--tree", ".", "--scenario", "tc_redirect"], "or a range of --tree"),
        (["a.mbox", "--scenario", "tc_function"], "is not one cost"),
        (["a.mbox", "--scenario", "tc_redirect", "--clock", "wall"], "one boot of each says"),
        *(
            (["a.mbox", "--check", "test_action", *more], "--check has no cost")
            for more in (["--clock", "wall"], ["--drop", "1"], ["--size", "64"])
        ),
    ],
)
def test_what_makes_no_sense(
    campaign: StubCampaign,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert main(["bisect", *arguments, "--output", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert campaign.quests == []
