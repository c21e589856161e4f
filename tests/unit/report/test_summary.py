# SPDX-License-Identifier: GPL-2.0-or-later
"""The comment for a merge request: the verdict first, never too long, and no text is markup."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from ksuite.errors import DoesNotApply
from ksuite.measure.result import CANDIDATE, CheckResult, NamedComparison, TestOutcome, refused
from ksuite.measure.verdict import EXIT_CODES, Verdict
from ksuite.report.markdown import code
from ksuite.report.summary import MOST_COSTS, OUTWARD, render
from tests.unit.measure.samples import comparison, result
from tests.unit.report.specimens import HOSTILE, WHOLE, everywhere

OURS = {"h2", "p", "strong", "code", "pre", "details", "summary"}
OURS |= {"table", "thead", "tbody", "tr", "th", "td"}


class Tags(HTMLParser):
    """Collects what tags there are, with the text outside of code."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.loose = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not [name for name, _ in attrs if name not in {"class", "style"}]
        self.seen.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "code" not in self.open:
            self.loose += data


def shown(text: str) -> Tags:
    """Return what is shown of Markdown, as GitHub and GitLab read it."""
    assert len(text) <= 65_000
    tags = Tags()
    tags.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    tags.close()
    assert tags.open == []
    assert set(tags.seen) <= OURS
    return tags


def test_verdict_comes_first() -> None:
    text = render([WHOLE])
    assert text.startswith("## ksuite: FAIL, the series fails\n")
    shown(text)


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict(verdict: Verdict) -> None:
    one = replace(result(), verdict=verdict, exit_code=int(EXIT_CODES[verdict]))
    first = render([one]).splitlines()[0]
    # A run is not told to have improved; its costs are.
    said = Verdict.PASS if verdict is Verdict.IMPROVED else verdict
    assert first == f"## ksuite: {said}, {OUTWARD[said]}"


def test_what_failed_why_and_how_to_see_it_again() -> None:
    text = render([WHOLE])
    assert text.index("FAIL: <code>unloads</code> (and 3 more)") < text.index("| cost |")
    assert "<code>warn: WARNING more</code>" in text
    assert "```sh\nksuite check limit.mbox --check test_unloads\n```" in text
    assert "Only the base fails: <code>bursts are limited (64)</code>" in text
    assert "Expected of this kernel: <code>key</code>" in text


def test_costs_that_moved_are_in_a_table() -> None:
    still = NamedComparison("tc_drop 64 B", comparison(0.0))
    fell = NamedComparison("tc_mirror 64 B", comparison(-0.2))
    text = render([result(costs=(*WHOLE.comparisons[:1], still, fell))])
    lines = [line.strip("| ") for line in text.splitlines() if line.startswith("| <code>")]
    rows = [line.replace(" | instructions/packet", "").replace(" | ", " ") for line in lines]
    assert rows == [
        f"{code('tc_mirror 64 B')} 1,000.0 800.0 -200.0 -20.00% 0.50% IMPROVED",
        f"{code('vhost_tx 64 B')} 1,000.0 1,100.0 +100.0 +10.00% 0.50% REGRESSION",
    ]
    assert shown(text).seen.count("tr") == 3


def test_consoles_are_folded_and_come_last() -> None:
    text = render([WHOLE, WHOLE])
    assert text.index("<details>") > text.rindex("ksuite 0") > text.rindex("| cost |")
    assert "[ 1.1] <code> & `ticks`\n```" in text
    assert shown(text).seen.count("details") == text.count("</details>")


def test_refusal() -> None:
    text = render([refused(DoesNotApply("hunk 3"), 0.1)])
    assert "<code>hunk 3</code>" in text
    shown(text)


def many(count: int, text: str) -> CheckResult:
    outcomes = [
        TestOutcome(f"test_{number}", CANDIDATE, Verdict.FAIL, 0.1, text, text)
        for number in range(count)
    ]
    costs = [NamedComparison(f"{text}{number}", comparison(0.1)) for number in range(count)]
    one = result(*outcomes, costs=tuple(costs))
    return replace(one, verdict=Verdict.FAIL, exit_code=1)


@pytest.mark.parametrize("results", [1, 90])
@pytest.mark.parametrize("letter", ["x", "ü", "\U0001f600", "`", "&", "\n"])
def test_it_is_never_too_long(results: int, letter: str) -> None:
    one = many(3 * MOST_COSTS if results == 1 else 3, letter * 4_000)
    text = render([one] * results)
    assert len(text.encode()) <= 65_000
    assert text.startswith("## ksuite: FAIL")
    assert "Left out here" in text.splitlines()[-1]
    shown(text)


def test_what_is_left_out_is_not_told_where_nothing_is() -> None:
    assert "Left out" not in render([WHOLE])


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_is_markup(text: str) -> None:
    tags = shown(render([everywhere(text), WHOLE]))
    usual = shown(render([everywhere("x"), WHOLE]))
    assert tags.loose.split() == usual.loose.split() or not text
    if text.strip():
        assert tags.seen.count("tr") == usual.seen.count("tr")
        assert tags.seen.count("details") == usual.seen.count("details")


def test_code_mentions_nobody() -> None:
    assert code("vhost_tx 64 B in bits/s") == "<code>vhost_tx 64 B in bits/s</code>"
    assert code("_a_ http://b") == "<code>&#95;a&#95; http:&#47;&#47;b</code>"
    assert code("@all `a|b` <b>") == ("<code>&#64;all &#96;a&#124;b&#96; &#60;b&#62;</code>")
