# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bisection says, in every form, whatever is in subjects and consoles."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from ksuite.measure.attribution import Attribution, FunctionCost
from ksuite.measure.cost import Cost
from ksuite.measure.finding import MEASURED, Finding, Outcome, Seen, Step, Stretch
from ksuite.report import curve
from ksuite.report.bisection import as_markdown, as_plain, render
from tests.unit.measure.samples import FINGERPRINT

HOSTILE = "<script>alert(1)</script> \x1b[31m | `x`\n![](y)"
EXACT = replace(FINGERPRINT, root="ab" * 32)
"""Of restored guests."""
A, B, C = (letter * 40 for letter in "abc")


def seen(name: str, level: float, guests: int = 1) -> Seen:
    return Seen(name, MEASURED, (Cost(EXACT, (level,) * 5),) * guests)


STEP = Step(C, B, HOSTILE, seen(B, 6000.0, 2), seen(C, 6060.0, 2))
FOUND = Finding(
    Outcome.CULPRIT,
    "tree good..bad",
    "tc_redirect 64 B",
    "modules act_mirred",
    0.003,
    seen(A, 6000.0),
    seen(C, 6060.0),
    steps=(STEP,),
    seen=(seen(A, 6000.0), Seen(B, "panic", why=f"panic: {HOSTILE}"), seen(C, 6060.0)),
    subjects={B: HOSTILE, C: HOSTILE},
    order={A: -1, B: 0, C: 1},
    commits=1234,
    telling=56,
    patch=f"commit\n```\n{HOSTILE}\n",
    attribution=Attribution(6000.0, 6060.0, (FunctionCost(HOSTILE, "act_mirred", 100.0, 160.0),)),
    guests=4,
    seconds=12.3,
)
NONE = replace(FOUND, outcome=Outcome.NONE, steps=(), attribution=None, bad=seen(C, 6000.0))


def test_culprit_for_people() -> None:
    text = render(FOUND)
    assert "1,234 commits, 56 of which may make a difference" in text
    assert "6,000.0 -> 6,060.0 (+60.0, +1.00%)" in text
    assert "one guest a revision is enough" in " ".join(text.split())
    assert f"{'b' * 12}" in text
    assert "\x1b" not in text


def test_step_that_did_not_repeat_is_not_certain() -> None:
    other = replace(STEP.after, costs=(*STEP.after.costs[:1], Cost(EXACT, (6061.0,) * 5)))
    text = render(replace(FOUND, steps=(replace(STEP, after=other),)))
    assert "not certain: a second guest gave another cost" in " ".join(text.split())


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (NONE, "NONE: nothing to find: both ends are alike"),
        (replace(FOUND, outcome=Outcome.DRIFT, steps=()), "DRIFT: a drift"),
        (
            replace(NONE, outcome=Outcome.SUSPECTS, suspects=((B, "one"), (C, "two"))),
            f"{'b' * 12} one",
        ),
        (
            replace(FOUND, outcome=Outcome.STEPS, stretches=(Stretch(A, B, 0.005, 7),)),
            f"+0.50% more in 7 commits; go on with --good {'a' * 12} --bad {'b' * 12}",
        ),
        (replace(NONE, outcome=Outcome.UNDECIDED, why="can't be told"), "can't be told"),
    ],
)
def test_other_outcomes(finding: Finding, said: str) -> None:
    assert said in " ".join(render(finding).split())
    assert as_markdown(finding)
    assert json.loads(json.dumps(as_plain(finding)))["outcome"] == finding.outcome


def test_steps_beside_suspects_are_none() -> None:
    suspects = ((A, "one"), (B, "two"))
    text = render(replace(FOUND, outcome=Outcome.SUSPECTS, suspects=suspects))
    apart, _, found = text.partition("beside that, these were found, which have a part each")
    assert f"can't be told apart\n  {'a' * 12} one\n  {'b' * 12} two\n" in apart
    assert f"\n  {'c' * 12} " in found


def test_patches_of_a_series() -> None:
    steps = (
        Step("1", "0", "first", seen("0", 6000.0), seen("1", 6010.0)),
        Step("2+3", "1", "second; third", seen("1", 6010.0), seen("3", 5990.0)),
    )
    text = render(replace(FOUND, outcome=Outcome.SERIES, steps=steps, attribution=None))
    assert "+10.0" in text
    assert "2+3" in text
    assert "-20.0" in text


def test_check_has_no_cost() -> None:
    good, bad = Seen(A, "passes"), Seen(C, "fails", why="test_x: 3 of 8\nmore")
    step = Step(C, A, "subject", good, bad)
    finding = replace(
        FOUND, good=good, bad=bad, steps=(step,), seen=(good, bad), attribution=None, drop=0.0
    )
    text = render(finding)
    assert "passes -> fails (test_x: 3 of 8)" in text
    assert curve.as_svg(finding) == ""
    plain = as_plain(finding)
    assert plain["change"] is None
    assert plain["steps"][0]["difference"] is None


def test_json_says_how_it_was_measured() -> None:
    plain = json.loads(json.dumps(as_plain(FOUND)))
    assert plain["unit"] == "instructions/packet"
    assert plain["steps"][0]["difference"] == pytest.approx(60.0)
    assert plain["steps"][0]["repeated"] is True
    assert plain["good"]["costs"][0]["fingerprint"]["clock"] == "instructions"


def test_nothing_of_a_subject_is_markup() -> None:
    text = as_markdown(FOUND, "bisect.svg")
    assert "![cost of each revision](bisect.svg)" in text
    # The patch is shown as it is, behind a fence that it can't end.
    before, fence, rest = text.partition("````diff\n")
    assert fence
    patch, _, after = rest.partition("````\n")
    assert "<script>" in patch
    for part in (before, after.partition("```")[0]):
        assert "<script>" not in part
        assert "![](y)" not in part
    assert "\x1b" not in text


def test_picture() -> None:
    svg = curve.as_svg(FOUND)
    root = ET.fromstring(svg)  # noqa: S314 (ours)
    texts = [one.text or "" for one in root.iter() if one.tag.endswith("text")]
    assert any(text.startswith("cccccccccccc +60.0: <script>") for text in texts)
    assert len([one for one in root.iter() if one.tag.endswith("circle")]) == 2
    assert not [one for one in root.iter() if one.tag.endswith("script")]


def test_picture_of_one_cost() -> None:
    one = seen(A, 6000.0)
    assert "circle" in curve.as_svg(replace(NONE, good=one, bad=one, seen=(one,)))
