# SPDX-License-Identifier: GPL-2.0-or-later
"""The page: all that a result says is on it, it needs nothing else, and no text is markup."""

from __future__ import annotations

import re
import time
import unicodedata
from dataclasses import replace

import pytest

from ksuite.errors import DoesNotApply, InfrastructureError, KsuiteError, NothingToCompare
from ksuite.measure.attribution import Attribution, FunctionCost
from ksuite.measure.result import CheckResult, NamedComparison, NamedCost, TestOutcome, refused
from ksuite.measure.verdict import Verdict, compare
from ksuite.report.html import POLICY, render
from ksuite.report.html_checks import CONSOLE_LINES, MOST_CONSOLES, MOST_TOLD
from ksuite.report.html_element import clip, element, joined, style_sheet
from ksuite.report.html_history import MOST_RUNS, began
from tests.unit.measure.samples import FINGERPRINT, IMAGE, RULES, comparison, cost, result
from tests.unit.report.pages import (
    HOSTILE,
    SCRIPTS,
    Node,
    earlier,
    every_kind,
    everywhere,
    failing,
    outcome,
    read,
    risen,
)

MOST_BYTES = 2_000_000
MOST_SECONDS = 1.0
WORDS = """
html head meta link title style body header main section footer nav h1 h2 h3 p b i small span a
ul li dl div dt dd table caption thead tbody tr th td details summary pre code figure figcaption
svg defs pattern path rect line circle text g
"""
TAGS = frozenset(WORDS.split())
"""All that a page is made of; there is no script in it, no form and no frame."""


def page(*results: CheckResult) -> Node:
    return read(render(results))


def header(*results: CheckResult) -> str:
    (top,) = page(*results).all("header")
    return top.text


def row(table: Node, name: str) -> list[str]:
    """Return the texts of the row whose heading begins so."""
    for one in table.all("tr"):
        cells = [cell for cell in one.children if cell.tag in {"th", "td"}]
        if cells and cells[0].text.startswith(name):
            return [cell.text for cell in cells]
    raise AssertionError(f"no row is called {name}")


def pictures(where: Node, kind: str) -> list[Node]:
    return where.all("svg", kind)


def must_be_sound(text: str) -> Node:
    """Look at what holds of every page, and return it."""
    text.encode()
    top = read(text)
    ids = [one.attributes["id"] for one in top.each() if "id" in one.attributes]
    assert len(set(ids)) == len(ids)
    for one in top.each():
        assert one.tag in TAGS
        assert not [name for name in one.attributes if name.startswith("on")]
        assert not {"src", "style", "xlink:href", "action"} & set(one.attributes)
        if "href" in one.attributes and one.tag != "link":
            assert one.attributes["href"].removeprefix("#") in ids
        if one.tag == "svg" and one.attributes.get("aria-hidden") != "true":
            assert one.attributes["role"] == "img"
            assert one.attributes["aria-label"] == one.all("title")[0].text
        if one.tag == "th":
            assert one.attributes["scope"] in {"col", "row", "rowgroup"}
    assert [one.attributes["href"] for one in top.all("link")] == ["data:,"]
    return top


def test_the_verdict_is_on_top_as_a_word_and_a_colour() -> None:
    for verdict in Verdict:
        top = page(replace(result(), verdict=verdict))
        (heading,) = top.all("h1")
        assert heading.text == f"{verdict} limit rx bursts"
        assert len(top.all("header")[0].kinds) == 1
        assert top.all("title")[0].text == f"{verdict}: limit rx bursts"


def test_it_says_what_failed_first_and_what_to_type() -> None:
    bad = failing(
        outcome("test_on_the_base", "base", Verdict.FAIL, "not this one"),
        outcome("test_is_unsure", "", Verdict.INCOMPARABLE, "nor this one"),
        outcome("test_bursts_are_limited[64]", "candidate", Verdict.FAIL, "9,000 bytes.\nand more"),
        outcome("test_later", "candidate", Verdict.FAIL, "later"),
    )
    text = header(bad)
    assert "First: bursts are limited (64): 9,000 bytes. Next, this one again:" in " ".join(
        text.replace("Next", " Next").split()
    )
    assert "ksuite check limit.mbox --check 'test_bursts_are_limited[64]'" in text
    assert "later" not in text
    assert "not this one" not in text


def test_a_cost_that_rose_is_told_in_figures() -> None:
    test = outcome(
        "test_cost[vhost_tx-64]", "", Verdict.REGRESSION, "REGRESSION: +10.00%, threshold 0.50%"
    )
    other = risen("vhost_tx 1500 B", by=0.2)
    bad = replace(failing(test, costs=(other, risen())), verdict=Verdict.REGRESSION)
    text = header(bad)
    assert "First: vhost_tx 64 B costs +100.0 instructions/packet: +10.00%" in text
    assert "the limit is 0.50%" in text
    assert "--check 'test_cost[vhost_tx-64]'" in text


@pytest.mark.parametrize(
    ("whole", "told"),
    [
        (result(outcome("test_a", "candidate", Verdict.PASS)), "Nothing failed."),
        (
            result(
                outcome("test_a", "", Verdict.IMPROVED),
                costs=(NamedComparison("b", comparison(-0.1)), NamedComparison("a", comparison(0))),
            ),
            "1 cost fell, the most that of b: -10.00%",
        ),
        (
            result(outcome("test_a", "", Verdict.PASS), costs=(risen(by=0.0),)),
            "No cost changed by more than its limit",
        ),
        (result(), "Nothing was checked"),
        (
            replace(result(outcome("test_a", "candidate", Verdict.SKIP)), verdict=Verdict.SKIP),
            "every check was left out",
        ),
        (
            replace(failing(outcome("test_a", "candidate", Verdict.FAIL)), error="no space left"),
            "First: a, and no reason was given. The run: no space left",
        ),
        (
            replace(failing(outcome("test_a", "base", Verdict.FAIL)), verdict=Verdict.FAIL),
            "No check says why",
        ),
    ],
)
def test_every_verdict_has_its_sentence(whole: CheckResult, told: str) -> None:
    assert told in header(whole)


def test_what_went_well_can_be_judged_again() -> None:
    text = header(result(outcome("test_a", "candidate", Verdict.PASS)))
    assert "To judge it again:ksuite check limit.mbox" in text


def test_checks_are_counted_without_the_base() -> None:
    tests = [outcome("test_a", "base", Verdict.FAIL), outcome("test_a", "candidate", Verdict.PASS)]
    counts = page(result(*tests, costs=(risen(),))).all("ul", "counts")[0]
    told = [one.text for one in counts.children]
    assert told == ["1 check:", "1 PASS", "1 cost", "exit code 0", "12 s"]


@pytest.mark.parametrize(
    "error",
    [
        DoesNotApply("hunk 1 of a.c is refused\n@@ -1 +1 @@\n-<b>\n+<i>"),
        InfrastructureError("no QEMU"),
        NothingToCompare("nothing to run"),
    ],
)
def test_what_was_refused_is_told(error: KsuiteError) -> None:
    top = must_be_sound(render([refused(error, 1.5)]))
    first, _, more = str(error).partition("\n")
    assert first in top.all("header")[0].text
    assert top.all("h1")[0].text.endswith("Nothing was judged")
    assert [one.attributes["id"] for one in top.all("section")] == (
        ["error", "environment"] if more else ["environment"]
    )
    if more:
        assert more in top.by_id("error").text


def test_no_result_is_no_page() -> None:
    with pytest.raises(NothingToCompare, match="no result"):
        render([])


def test_failures_are_told_with_their_consoles() -> None:
    bad = failing(
        outcome("test_a", "base", Verdict.FAIL, "as ever"),
        TestOutcome("test_a", "candidate", Verdict.FAIL, 0.1, "warn: it broke", "[ 1.0] WARNING"),
        outcome("test_b", "base", Verdict.FAIL, "mended"),
        outcome("test_b", "candidate", Verdict.PASS),
    )
    section = page(bad).by_id("failures")
    told = section.all("details")
    assert len(told) == 3
    assert "open" in told[0].attributes
    assert "open" not in told[1].attributes
    assert "FAILaon the candidate, and without the series, too" in told[0].text
    assert "warn: it broke" in told[0].text
    assert "[ 1.0] WARNING" in told[0].text
    assert "--check test_a" in told[0].text
    assert [one.text for one in section.all("h3")] == ["What fails without the series"]


def test_what_only_the_base_gets_wrong_does_not_head_the_page() -> None:
    mended = failing(
        outcome("test_b", "base", Verdict.FAIL, "mended"),
        outcome("test_b", "candidate", Verdict.PASS),
    )
    text = render([mended])
    assert 'id="failures"' not in text
    assert text.index('id="base"') > text.index("</header>")
    assert page(mended).by_id("base").all("h2")[0].text == "What fails without the series"


def test_huge_consoles_are_cut_and_the_rest_is_named() -> None:
    console = "\n".join(f"line {number}." for number in range(200_000))
    bad = failing(
        *(
            TestOutcome(f"test_{number}", "candidate", Verdict.FAIL, 0.1, "", console)
            for number in range(MOST_CONSOLES + 1)
        )
    )
    told = page(bad).by_id("failures").all("details")
    assert f"line {CONSOLE_LINES - 1}." in told[0].text
    assert f"line {CONSOLE_LINES}." not in told[0].text
    assert "more characters: the JSON of this run has them all" in told[MOST_CONSOLES - 1].text
    assert "is in the JSON of this run" in told[MOST_CONSOLES].text
    assert "line 0." not in told[MOST_CONSOLES].text


def test_costs_are_told_with_all_that_decides() -> None:
    table = page(result(costs=every_kind())).by_id("costs").all("table")[0]
    heading = [one.text for one in table.all("thead")[0].all("th")]
    assert heading == [
        "cost",
        "verdict",
        "change",
        "against the limit",
        "base",
        "candidate",
        "limit",
        "repeats",
    ]
    names = [one.all("b")[0].text for one in table.all("th") if one.all("b")]
    assert names == ["risen", "unlike", "noisy", "fallen", "passing"], "the worst are above"
    told = row(table, "risen")
    assert told[:3] == [
        "riseninstructions/packet, instructions clock",
        "REGRESSION",
        "+10.00%+100.0",
    ]
    assert told[4:] == ["1,000.0", "1,100.0", "0.50%", "exact over 3 windows"]
    assert row(table, "fallen")[-1] == "2.000% over 3 windows"
    assert row(table, "passing")[-1] == "exact over 3 guests"
    assert "clock: instructions on the base, wall on the candidate" in table.text
    assert "too noisy" in table.text


def test_units_and_guests_are_told() -> None:
    rules = replace(cost(1000.0, fingerprint=RULES), guests=3, recalled=True)
    judged = (NamedComparison("tc_insert 1000 rules", compare(rules, cost(1000.0, 0.2, RULES))),)
    table = page(result(costs=judged)).by_id("costs").all("table")[0]
    assert "instructions/rule" in table.text
    before = "exact over 3 windows of 3 guests, recalled"
    assert row(table, "tc_insert")[-1] == f"base {before}candidate 20.000% over 3 windows"


def test_one_clock_is_told_once() -> None:
    section = page(result(costs=(risen(), risen("other")))).by_id("costs")
    assert section.text.count("clock") == 1
    assert "On the instructions clock; less is better" in section.text


def test_a_stored_baseline_is_named() -> None:
    stored = replace(risen(), baseline="last week")
    section = page(result(costs=(stored,))).by_id("costs")
    assert "The stored baseline last week stands for the base" in section.text
    assert "baseline" in section.all("thead")[0].text


def test_pictures_show_each_verdict() -> None:
    costs = page(result(costs=every_kind())).by_id("costs")
    shown = dict(
        zip(
            ("risen", "unlike", "noisy", "fallen", "passing"), pictures(costs, "strip"), strict=True
        )
    )
    assert shown["risen"].all("path", "bad")
    assert shown["fallen"].all("path", "good")
    assert shown["fallen"].all("path", "whisker"), "its spread"
    assert not shown["risen"].all("path", "whisker")
    assert shown["passing"].all("circle", "plain")
    for name in ("risen", "fallen", "passing", "noisy"):
        assert shown[name].all("rect", "band")
    for name in ("unlike", "noisy"):
        assert any(one.attributes.get("fill") == "url(#hatch)" for one in shown[name].all("rect"))
    assert "clock: instructions on the base" in shown["unlike"].attributes["aria-label"]
    assert shown["risen"].attributes["aria-label"] == (
        "risen: REGRESSION, 1,000.0 to 1,100.0 instructions/packet, +10.00%, limit 0.50%"
    )


def test_a_change_is_drawn_where_it_is() -> None:
    strip = pictures(page(result(costs=(risen(),))).by_id("costs"), "strip")[0]
    band = strip.all("rect", "band")[0].attributes
    (step,) = strip.all("line", "step")
    middle, end = float(step.attributes["x1"]), float(step.attributes["x2"])
    half = float(band["width"]) / 2
    assert float(band["x"]) + half == pytest.approx(middle, abs=0.1)
    assert (end - middle) / half == pytest.approx(0.1 / 0.005, rel=0.05)


def test_what_was_only_measured_is_told() -> None:
    alone = replace(result(), measured=(NamedCost("vhost_rx 64 B", cost(1234.5)),))
    section = page(alone).by_id("costs")
    assert row(section.all("table")[0], "vhost_rx")[1:] == ["1,234.5", "exact over 3 windows"]


def test_one_run_has_no_history() -> None:
    top = page(result(costs=(risen(),)))
    assert "history" not in [one.attributes["id"] for one in top.all("section")]


def test_costs_are_drawn_over_the_runs_in_the_order_of_time() -> None:
    other = replace(FINGERPRINT, kernel_release="6.1.0-0-amd64")
    unlike = NamedComparison("vhost_tx 64 B", compare(cost(1.0, fingerprint=other), cost(2.0)))
    unlike = replace(unlike, comparison=replace(unlike.comparison, candidate=cost(9, 0, other)))
    runs = [
        earlier(risen(by=0.05), day=4),
        earlier(risen(by=0.0), day=1),
        earlier(risen(by=0.01), day=2),
        earlier(unlike, day=3),
        earlier(risen("another"), day=5),
        refused(InfrastructureError("no QEMU"), 1.0),
        result(costs=(risen(),)),
    ]
    section = must_be_sound(render(runs)).by_id("history")
    (line,) = pictures(section, "line")
    told = [one.text for one in line.all("title")]
    assert told[0] == (
        "vhost_tx 64 B over 5 runs: 1,000.0 to 1,100.0 instructions/packet, "
        "least 1,000.0, most 1,100.0; 1 not comparable with the last"
    )
    assert [one[:10] for one in told[1:]] == [
        "2025-12-01",
        "2025-12-02",
        "2025-12-03",
        "2025-12-04",
        "2026-01-01",
    ]
    assert "kernel_release: 6.1.0-1-amd64 in the last, 6.1.0-0-amd64 here" in told[3]
    assert len(line.all("circle", "hollow")) == 1
    (path,) = line.all("path", "joined")
    assert re.sub(r"[\d. ]+", "", path.attributes["d"]) == "MLML", (
        "a gap where it can't be compared"
    )
    assert line.all("rect", "band")
    assert "(+4.76%)" in section.text
    assert "The runs (7)" in section.text
    assert "no QEMU" in section.text


def test_higher_costs_are_drawn_higher() -> None:
    runs = [earlier(risen(by=0.02 * day), day=day) for day in range(1, 5)]
    (line,) = pictures(page(*runs).by_id("history"), "line")
    path = line.all("path", "joined")[0].attributes["d"]
    places = [tuple(map(float, one.split())) for one in re.split("[ML]", path)[1:]]
    assert places == sorted(places)
    heights = [height for _, height in places]
    assert heights == sorted(heights, reverse=True)


def test_only_the_latest_runs_are_drawn() -> None:
    runs = [replace(earlier(risen(), day=1), started=f"{year}-01-01") for year in range(1900, 2000)]
    section = page(*runs).by_id("history")
    assert len(pictures(section, "line")[0].all("g")) == MOST_RUNS
    assert f"Of 100 runs, each picture shows the last {MOST_RUNS}" in section.text


def test_a_cost_that_never_changes_is_drawn() -> None:
    flat = NamedComparison("flat", comparison(0.0))
    must_be_sound(render([earlier(flat, day=1), result(costs=(flat,))]))
    alone = replace(result(), measured=(NamedCost("alone", cost(1.0)),))
    must_be_sound(render([alone, alone]))


def test_where_costs_changed_is_told() -> None:
    table = page(result(costs=(risen(),))).by_id("functions").all("table")[0]
    told = row(table, "handle_tx")
    assert told[:4] == ["handle_txvhost_net", "200.0", "300.0", "+100.0"]
    assert told[-1] == "20.0% → 27.3%"
    assert row(table, "1 other")[1:4] == ["800.0", "800.0", "+0.0"]
    assert row(table, "all that was counted")[1:4] == ["1,000.0", "1,100.0", "+100.0"]


def test_why_it_is_not_known_where_is_told() -> None:
    noted = NamedComparison("vhost_rx 64 B", comparison(0.1), note="it took too long")
    assert "it took too long" in page(result(costs=(noted,))).by_id("functions").text


def test_checks_stand_side_by_side_by_name() -> None:
    tests = [
        outcome("test_bursts_are_limited[64]", "base", Verdict.FAIL),
        outcome("test_bursts_are_limited[64]", "candidate", Verdict.PASS),
        outcome("test_bursts_are_limited[1500]", "base", Verdict.PASS),
        outcome("test_bursts_are_limited[1500]", "candidate", Verdict.FAIL),
        outcome("test_alone", "candidate", Verdict.SKIP),
        replace(outcome("test_cost[vhost_tx-64]", "", Verdict.PASS), recalled=True),
    ]
    table = page(result(*tests)).by_id("checks").all("table")[0]
    assert row(table, "bursts are limited")[0] == "bursts are limited2 checks"
    assert row(table, "64") == ["64", "FAIL", "PASS", "mended by the series"]
    assert row(table, "1500") == ["1500", "PASS", "FAIL", "broken by the series"]
    assert row(table, "alone") == ["alone", "-", "SKIP", ""]
    assert row(table, "vhost_tx-64") == ["vhost_tx-64", "PASS", "recalled"]


@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_checks_of_one_name_the_failure_is_told(turn: int) -> None:
    both = [outcome("test_a", "candidate", one) for one in (Verdict.FAIL, Verdict.PASS)]
    table = page(result(*both[::turn])).by_id("checks").all("table")[0]
    assert row(table, "a") == ["a", "-", "FAIL", ""]


def test_expected_differences_are_told_by_reason() -> None:
    tests = [
        replace(outcome(f"test_{name}", "candidate", Verdict.SKIP), expected="it came with 6.2")
        for name in ("a", "b")
    ]
    section = page(result(*tests)).by_id("expected")
    assert section.text.count("it came with 6.2") == 1
    assert [one.text for one in section.all("ul")[1].all("li")] == ["a", "b"]


def test_the_environment_is_told() -> None:
    whole = result(costs=(risen(),))
    assert whole.subject
    subject = replace(
        whole.subject,
        identical=True,
        not_exercised=("net/a.c",),
        packages={"iproute2": "6.1.0-3"},
    )
    top = page(replace(whole, subject=subject, ksuite="0.9.1"))
    section = top.by_id("environment")
    for told in (
        "2026-01-01 00:00 UTC",
        "0.9.1",
        "0123456789abcdef0123",
        "6.1.0-1-amd64 (6.1.1-1)",
        "QEMU 7.2.22",
        "600d",
        "modules vhost_net",
        "the same on base and candidate",
        "net/a.c",
        "gcc-12 12.2.0",
        "Nehalem",
    ):
        assert told in section.text
    assert row(section.all("table")[0], "candidate") == ["candidate", "vhost_net", "bb22"]
    assert "iproute2 6.1.0-3" in section.all("ul", "packages")[0].text
    assert "have the same object code" not in top.all("header")[0].text, "nothing was checked"


@pytest.mark.parametrize(
    ("started", "told"),
    [
        ("2026-01-01T05:30:00+05:30", "2026-01-01 00:00 UTC"),
        ("2026-01-01T00:00:00", "2026-01-01 00:00 UTC"),
        ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00+23:59"),
        ("yesterday", "yesterday"),
        ("", "unknown"),
    ],
)
def test_moments(started: str, told: str) -> None:
    assert began(started) == told


def test_the_page_needs_nothing_else() -> None:
    text = render([everywhere(HOSTILE), everywhere("plain")])
    top = must_be_sound(text)
    policies = [
        one.attributes["content"]
        for one in top.all("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == [POLICY]
    assert POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
    for rules in top.all("style"):
        assert not re.search(r"url\(|@import|@font-face|https?:|//", rules.text)
    assert top.all("html")[0].attributes["lang"] == "en"
    assert "viewport" in [one.attributes.get("name") for one in top.all("meta")]
    fills = {one.attributes["fill"] for one in top.each() if "fill" in one.attributes}
    assert fills == {"url(#hatch)"}


@pytest.mark.parametrize("text", [*SCRIPTS, HOSTILE])
def test_no_text_is_markup(text: str) -> None:
    clean = must_be_sound(render([everywhere("x"), everywhere("x")]))
    hostile = must_be_sound(render([everywhere(text), everywhere(text)]))
    attacks = {"script", "img", "base", "textarea", "iframe"}
    assert not attacks & {one.tag for one in hostile.each()}
    assert len(hostile.all("style")) == len(clean.all("style")) == 1
    assert len(hostile.all("meta")) == len(clean.all("meta"))


def test_no_text_drives_anything() -> None:
    text = render([everywhere(HOSTILE), everywhere(HOSTILE)])
    bad = {one for one in text if unicodedata.category(one)[0] == "C"} - {"\n", "\t"}
    assert not bad


def test_long_names_are_cut() -> None:
    text = render([everywhere("x" * 100_000)])
    assert not re.search("x{12001}", text)


def large(console: str, detail: str, name: str, number: int = 500) -> CheckResult:
    """Return a result of so many tests, all of which failed, and of 47 costs."""
    tests = [
        TestOutcome(f"test_{at % 40}[{name}-{at}]", variant, Verdict.FAIL, 0.1, detail, console)
        for at in range(number)
        for variant in ("base", "candidate")
    ]
    functions = tuple(FunctionCost(f"{name}{at}", name, 1.0, 20.0 - at) for at in range(19))
    where = Attribution(1000.0, 1100.0, functions)
    costs = tuple(
        NamedComparison(f"{name} {at}", compare(cost(1000.0, 0.001), cost(1100.0, 0.001)), where)
        for at in range(47)
    )
    return failing(*tests, costs=costs)


@pytest.mark.parametrize(
    ("console", "detail", "name"),
    [
        ("[ 1.0] WARNING: it broke\n" * 50_000, "assert 1 == 2\n" * 30, "name"),
        ("<&>" * 400_000, "<&>" * 1000, "<&>" * 12),
        ("\U0001f980" * 1_000_000, "\x1b" * 1_000_000, "\U0001f980" * 30),
    ],
    ids=["usual", "markup", "no ASCII"],
)
def test_a_large_result_is_a_small_page(console: str, detail: str, name: str) -> None:
    runs = [replace(large("", "", name, 1), started=f"2025-12-{day:02}") for day in range(1, 31)]
    runs.append(large(console, detail, name))
    started = time.process_time()
    text = render(runs)
    seconds = time.process_time() - started
    assert len(text.encode()) < MOST_BYTES
    assert seconds < MOST_SECONDS
    section = must_be_sound(text).by_id("failures")
    assert len(section.all("details")) == MOST_TOLD
    assert f"{1000 - MOST_TOLD} more failures in the table of all checks," in section.text


def test_many_runs_are_a_small_page() -> None:
    run = large("", "", "name", 1)
    restored = tuple(
        replace(one, comparison=compare(cost(9.0, 0, IMAGE), cost(9.0, 0, IMAGE)))
        for one in run.comparisons
    )
    runs = [
        replace(run, started=f"{year}-01-01", comparisons=restored if year % 2 else run.comparisons)
        for year in range(1500, 2001)
    ]
    started = time.process_time()
    text = render(runs)
    assert time.process_time() - started < MOST_SECONDS
    assert len(text.encode()) < MOST_BYTES


def test_elements_escape_what_they_hold() -> None:
    assert element("p", "<b>", element("b", "&"), class_='"') == (
        '<p class="&quot;">&lt;b&gt;<b>&amp;</b></p>'
    )
    assert element("p", element("b", "a") + "b") == "<p>&lt;b&gt;a&lt;/b&gt;b</p>"
    assert joined(["a", None, element("i", hidden=True, title=None, open=False)]) == (
        "a<i hidden></i>"
    )
    assert clip("a\nb  c" + "d" * 200, 10) == "a b cdddd…"


def test_elements_neither_run_nor_fetch_anything() -> None:
    for name in ("onclick", "src", "style"):
        with pytest.raises(ValueError, match=f"has {name}"):
            element("p", **{name: "x"})
    with pytest.raises(ValueError, match="out of the page"):
        element("a", href="javascript:1")
    with pytest.raises(ValueError, match="markup"):
        style_sheet("</style>")
