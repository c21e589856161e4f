# SPDX-License-Identifier: GPL-2.0-or-later
"""The page in a browser: it is readable where it is narrow and on paper, and runs nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

import pytest

from ksuite.measure.result import TestOutcome
from ksuite.measure.verdict import Verdict
from ksuite.report.html import render
from tests.unit.measure.samples import result
from tests.unit.report.pages import HOSTILE, earlier, every_kind, everywhere, failing, outcome

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.measure.result import CheckResult

PHONE = 390
"""Pixels across, of most phones."""
SECONDS = 120
ALONE = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""It shows the page, and does nothing else."""
NAME = "a_cost_with_a_long_name_that_has_no_place_to_break " * 2


class Browser:
    """Runs Chromium once for each thing that is asked of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def page(self, *results: CheckResult) -> str:
        return self._file(render(results))

    def dom(self, address: str, *options: str) -> str:
        """Return what a page has become after it was loaded."""
        return self._run(*options, "--dump-dom", address)

    def measured(self, *results: CheckResult, width: int) -> dict[str, int]:
        """Return how wide a page is in a frame of a width, with all of it unfolded.

        The frame is of this document's origin, so that a script outside can look into it.
        """
        frame = f'<iframe width="{width}" height="800" srcdoc="{escape(render(results))}"></iframe>'
        look = """
            const shown = document.querySelector("iframe").contentDocument;
            for (const one of shown.querySelectorAll("details")) one.open = true;
            const root = shown.documentElement;
            const wide = [...shown.querySelectorAll("main > *, header > *, pre, summary, .scroll")];
            const right = Math.max(...wide.map((one) => one.getBoundingClientRect().right));
            document.body.dataset.seen =
                `scroll=${root.scrollWidth} window=${root.clientWidth} right=${Math.ceil(right)}`;
        """
        page = f"<!DOCTYPE html><body>{frame}<script>onload = () => {{{look}}};</script></body>"
        seen = re.search('data-seen="([^"]*)"', self.dom(self._file(page)))
        assert seen, "the frame was not looked into"
        pairs = (one.split("=") for one in seen[1].split())
        return {name: int(value) for name, value in pairs}

    def screenshot(self, address: str) -> bytes:
        path = self.directory / "shot.png"
        self._run(f"--window-size={PHONE},800", f"--screenshot={path}", address)
        return path.read_bytes()

    def sheets(self, address: str) -> int:
        """Return how many sheets of paper a page takes."""
        path = self.directory / "page.pdf"
        self._run("--no-pdf-header-footer", f"--print-to-pdf={path}", address)
        printed = path.read_bytes()
        assert printed.startswith(b"%PDF-")
        return len(re.findall(rb"/Type\s*/Page\b", printed))

    def _file(self, text: str) -> str:
        path = self.directory / "page.html"
        path.write_text(text, encoding="utf-8")
        return path.as_uri()

    def _run(self, *arguments: str) -> str:
        profile = self.directory / "profile"
        shutil.rmtree(profile, ignore_errors=True)
        command = ["chromium", *ALONE, f"--user-data-dir={profile}", *arguments]
        done = subprocess.run(
            command,
            env={**os.environ, "HOME": str(self.directory)},
            capture_output=True,
            check=True,
            timeout=SECONDS,
        )
        return done.stdout.decode()


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    if not shutil.which("chromium"):
        pytest.skip("there is no chromium")
    return Browser(tmp_path)


def whole() -> tuple[CheckResult, ...]:
    """Return a result that has something in each section, after others."""
    console = "\n".join(f"[ {number}.0] WARNING: {'x' * 300}" for number in range(60))
    tests = [
        TestOutcome("test_a[64]", "candidate", Verdict.FAIL, 0.1, "it broke: " * 50, console),
        outcome("test_a[64]", "base", Verdict.FAIL, "x" * 1000),
        replace(outcome("test_c", "candidate", Verdict.SKIP), expected="not yet there " * 20),
        *(outcome(f"test_b[{'y' * number}]", "base", Verdict.PASS) for number in range(60)),
    ]
    costs = tuple(replace(one, name=f"{one.name} {NAME}") for one in every_kind())
    last = failing(*tests, costs=costs)
    return *(earlier(*costs, day=day) for day in range(1, 9)), last


def test_the_verdict_is_shown(browser: Browser) -> None:
    dom = browser.dom(browser.page(*whole()))
    assert "<title>FAIL: limit rx bursts</title>" in dom
    assert re.search(r'<h1><span class="verdict bad">FAIL</span>', dom)
    assert "it broke" in dom


def test_nothing_is_run_or_fetched(browser: Browser) -> None:
    log = browser.directory / "net.json"
    address = browser.page(everywhere(HOSTILE), everywhere(HOSTILE))
    dom = browser.dom(address, f"--log-net-log={log}")
    assert dom.count("<title>FAIL: ") == 1
    assert "<title>owned" not in dom
    assert not re.search("<(script|img|base|iframe|textarea)\\b", dom)
    text = log.read_text(encoding="utf-8")
    assert "page.html" in text, "the log has what was loaded"
    assert "owned.example" not in text


def test_the_policy_stops_what_would_run(browser: Browser) -> None:
    text = render([result()])
    script = "<script>document.title='owned'</script></body>"
    loaded = browser.dom(browser._file(text.replace("</body>", script)))
    assert "<title>PASS: limit rx bursts</title>" in loaded
    without = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert without != text
    loaded = browser.dom(browser._file(without.replace("</body>", script)))
    assert "<title>owned</title>" in loaded, "it would have run"


@pytest.mark.parametrize("width", [320, PHONE, 800, 1400])
def test_the_page_never_scrolls_sideways(browser: Browser, width: int) -> None:
    for results in (whole(), (everywhere(HOSTILE), everywhere("x" * 5000))):
        seen = browser.measured(*results, width=width)
        assert seen["window"] <= width
        assert seen["scroll"] <= seen["window"]
        assert seen["right"] <= seen["window"]


def test_a_picture_of_it_can_be_taken(browser: Browser) -> None:
    shot = browser.screenshot(browser.page(*whole()))
    assert shot.startswith(b"\x89PNG\r\n")
    assert int.from_bytes(shot[16:20]) == PHONE


def test_what_is_folded_is_printed(browser: Browser) -> None:
    console = "\n".join(f"line {number}" for number in range(60))
    tests = [TestOutcome(f"test_{one}", "base", Verdict.FAIL, 0.1) for one in range(10)]
    folded = [replace(one, console=console) for one in tests]
    empty = browser.sheets(browser.page(failing(*tests)))
    full = browser.sheets(browser.page(failing(*folded)))
    assert 1 <= empty <= 3
    assert full >= empty + 5
