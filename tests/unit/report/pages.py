# SPDX-License-Identifier: GPL-2.0-or-later
"""Results to make pages of, and a page as a test sees it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from ksuite.measure.attribution import Attribution, FunctionCost
from ksuite.measure.result import CheckResult, NamedComparison, NamedCost, TestOutcome
from ksuite.measure.verdict import Verdict, compare
from ksuite.report.html_element import VOID
from tests.unit.measure.samples import IMAGE, WALL, comparison, cost, result

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>",
    "'-->]]></style></title></textarea></svg><script>document.title='owned'</script>",
    "<a href='javascript:document.title=1'>a</a><base href='//owned.example/'>",
    "<meta http-equiv=refresh content='0;url=//owned.example/'>",
    "url(//owned.example/a.png) @import '//owned.example/a.css'",
    "../../../../etc/passwd",
    "&lt;script&gt; &#60;b&#62;",
)
CONTROLS = "\x1b[2J\x1b]0;owned\x07\x00\x08\x7f\x9b31m\u202e\u2066\u200f\ud800\udfff\ufeff\r"
HOSTILE = "".join(SCRIPTS) + CONTROLS


@dataclass
class Node:
    """An element of a page."""

    tag: str
    attributes: dict[str, str]
    children: list[Node] = field(default_factory=list)
    own: list[str] = field(default_factory=list)

    def all(self, tag: str, kind: str = "") -> list[Node]:
        """Return what is in it of a tag, and of a class."""
        return [one for one in self.each() if one.tag == tag and (not kind or kind in one.kinds)]

    def each(self) -> Iterator[Node]:
        for child in self.children:
            yield child
            yield from child.each()

    @property
    def kinds(self) -> list[str]:
        return self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        """All that can be read in it."""
        return "".join(self.own)

    def by_id(self, name: str) -> Node:
        (found,) = [one for one in self.each() if one.attributes.get("id") == name]
        return found


class _Reader(HTMLParser):
    """Takes a page apart, and nothing that is not closed as it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        assert len(node.attributes) == len(attrs), "an attribute twice"
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for node in self.open:
            node.own.append(data)


def read(page: str) -> Node:
    """Return a page's elements."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert len(reader.open) == 1, "an element has no end"
    return reader.open[0]


def outcome(test: str, variant: str, verdict: Verdict, detail: str = "") -> TestOutcome:
    return TestOutcome(test, variant, verdict, 0.1, detail)


def failing(*outcomes: TestOutcome, costs: tuple[NamedComparison, ...] = ()) -> CheckResult:
    return replace(result(*outcomes, costs=costs), verdict=Verdict.FAIL, exit_code=1)


def risen(name: str = "vhost_tx 64 B", *, by: float = 0.1) -> NamedComparison:
    """Return a cost that has risen, and where."""
    functions = (
        FunctionCost("handle_tx", "vhost_net", 200.0, 200.0 + 1000 * by),
        FunctionCost("other", "kernel", 800.0, 800.0),
    )
    return NamedComparison(name, comparison(by), Attribution(1000.0, 1000.0 + 1000 * by, functions))


def every_kind() -> tuple[NamedComparison, ...]:
    """Return a cost of each verdict, and one on another clock."""
    base = cost(1000.0)
    unlike = compare(base, cost(1000.0, fingerprint=WALL))
    noisy = compare(cost(1000.0, 0.2), cost(1010.0, 0.2))
    restored = compare(cost(500.0, fingerprint=IMAGE), cost(500.0, fingerprint=IMAGE))
    return (
        NamedComparison("passing", restored),
        risen("risen"),
        NamedComparison("fallen", comparison(-0.1, 0.02)),
        NamedComparison("unlike", unlike),
        NamedComparison("noisy", noisy),
    )


def earlier(*costs: NamedComparison, day: int) -> CheckResult:
    """Return a run of an earlier day."""
    return replace(result(costs=costs), started=f"2025-12-{day:02}T03:00:00+00:00")


def everywhere(text: str) -> CheckResult:
    """Return a result that has this text in every field that somebody else may fill."""
    outcomes = [
        TestOutcome(f"test_a{text}[{text}]", variant, verdict, 0.1, text, text, expected=text)
        for variant in ("base", "candidate", "")
        for verdict in (Verdict.FAIL, Verdict.SKIP)
    ]
    function = FunctionCost(text, text, 1, 2)
    print_ = replace(IMAGE, compiler=text, cpu_model=text, root=text, host=text, qemu=text)
    print_ = replace(print_, scenario=text, kernel_release=text, parameters=((text, text),))
    judged = compare(cost(1000.0, fingerprint=print_), cost(1100.0, fingerprint=print_))
    unlike = compare(cost(1000.0), cost(1100.0, fingerprint=print_))
    costs = (
        NamedComparison(text, judged, Attribution(1, 2, (function,)), note=text, baseline=text),
        NamedComparison(f"{text} 2", replace(unlike, reason=text), baseline=text),
    )
    whole = failing(*outcomes, costs=costs)
    assert whole.subject is not None
    subject = replace(
        whole.subject,
        series=text,
        series_digest=text,
        kernel=text,
        kernel_version=text,
        clock=text,
        machine=text,
        modules={text: (text, f"{text} {text}")},
        identical=True,
        not_exercised=(text,),
        packages={text: text},
        guest_code=text,
        built=text,
        command=("ksuite", text),
    )
    measured = (NamedCost(f"{text} 3", cost(10.0, fingerprint=print_)),)
    return replace(
        whole,
        subject=subject,
        error=f"{text}\n{text}",
        measured=measured,
        ksuite=text,
        started=text,
    )
