# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite report``: every format of any result, and one clear error for what is none."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from ksuite.cli_report import FORMATS, OPTIONS_OF
from ksuite.measure.verdict import Verdict
from ksuite.report import json_file, junit, kcidb, ktap, patchwork, summary
from tests.unit.report.specimens import HOSTILE, WHOLE, everywhere

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

Run = tuple[int, str, str]


@pytest.fixture
def report(ksuite: Callable[..., Run]) -> Callable[..., Run]:
    """Return a function that runs ``ksuite report``: exit code, and what it said where."""
    return partial(ksuite, "report")


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    json_file.write(WHOLE, tmp_path / "result.json")
    return tmp_path / "result.json"


@pytest.mark.parametrize("form", [junit, ktap, kcidb, patchwork, summary])
def test_each_verdict_is_mapped_outward(form: ModuleType) -> None:
    assert set(form.OUTWARD) == set(Verdict)


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_printed_or_written(
    report: Callable[..., Run], whole: Path, tmp_path: Path, form: str
) -> None:
    """The series fails, and yet 0: the report was written."""
    code, out, err = report(whole, "--format", form)
    assert (code, err) == (0, "")
    assert "unloads" in out
    file = tmp_path / "report"
    assert report(whole, "--format", form, "--output", file) == (0, "", "")
    assert file.read_text(encoding="utf-8") == out
    assert sorted(tmp_path.iterdir()) == [file, whole]


def test_terminal_is_the_default(report: Callable[..., Run], whole: Path) -> None:
    assert report(whole) == report(whole, "--format", "terminal")
    assert "verdict: FAIL (exit 1" in report(whole)[1]
    assert "candidate" not in report(whole)[1].splitlines()[-2]


def test_several_results_get_a_line_each(
    report: Callable[..., Run], whole: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    json_file.write(replace(WHOLE, outcomes=WHOLE.outcomes[:2]), other)
    _, out, _ = report(whole, other)
    first, second = out.splitlines()[-2:]
    assert first == (
        "FAIL limit rx bursts on 6.1.0-1-amd64: 1 FAIL, 1 REGRESSION, 1 ERROR, 1 INCOMPARABLE, "
        "1 PASS, 1 SKIP, 1 expected"
    )
    assert second == (
        "FAIL limit rx bursts on 6.1.0-1-amd64 (2): 1 REGRESSION, 1 INCOMPARABLE, 1 PASS, 1 SKIP"
    )
    _, out, _ = report(whole, other, "--format", "junit")
    assert len(ET.fromstring(out.encode())) == 2  # noqa: S314 (we wrote it)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_does_harm(
    report: Callable[..., Run], tmp_path: Path, form: str, text: str
) -> None:
    """Each format's own tests say more."""
    path = tmp_path / "result.json"
    json_file.write(everywhere(text), path)
    code, out, err = report(path, path, "--format", form)
    assert (code, err) == (0, "")
    assert all(char in "\n\t" or char.isprintable() for char in set(out))
    assert len(out.encode()) < (1 << 20) or form == "terminal"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "can't be read: No such file"),
        ("", "is no sound JSON"),
        ("{", "is no sound JSON"),
        ("[" * 100_000, "is no sound JSON"),
        ("[]", "is no result"),
        ("{}", "is no result"),
        ('{"schema": 1}', "is no result"),
        ('{"schema": 99}', "is of schema 99"),
        ("\x00\xff", "is no sound JSON"),
    ],
)
@pytest.mark.parametrize("form", ["terminal", "junit"])
def test_what_is_no_result(
    report: Callable[..., Run], whole: Path, tmp_path: Path, text: str | None, says: str, form: str
) -> None:
    bad, file = tmp_path / "bad.json", tmp_path / "report"
    if text is not None:
        bad.write_bytes(text.encode("latin-1"))
    code, out, err = report(whole, bad, "--format", form, "--output", file)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert says in err
    assert "bad.json" in err
    assert not file.exists()


def test_result_that_was_cut_off(report: Callable[..., Run], whole: Path) -> None:
    text = whole.read_text(encoding="utf-8")
    for length in range(0, len(text) - 2, len(text) // 20):
        whole.write_text(text[:length], encoding="utf-8")
        code, out, err = report(whole, "--format", "junit")
        assert (code, out, len(err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    "words", [[], ["RESULT", "--format", "pdf"], ["RESULT", "--bogus"], ["--format", "junit"]]
)
def test_usage(report: Callable[..., Run], whole: Path, words: list[str]) -> None:
    code, out, err = report(*(whole if word == "RESULT" else word for word in words))
    assert (code, out) == (2, "")
    assert err.startswith("usage: ksuite")


@pytest.mark.parametrize("option", [one for names in OPTIONS_OF.values() for one in names])
@pytest.mark.parametrize("form", FORMATS)
def test_option_of_another_format(
    report: Callable[..., Run], whole: Path, option: str, form: str
) -> None:
    taken = option in OPTIONS_OF.get(form, ())
    value = "https://example.org/" if option == "url" else "ours"
    code, out, err = report(whole, "--format", form, f"--{option}", value)
    assert code == (0 if taken else 2)
    assert value in out if taken else f"--{option} is of no use" in err


def test_options_are_checked(report: Callable[..., Run], whole: Path) -> None:
    assert report(whole, "--format", "kcidb", "--origin", "Our Lab")[0] == 2
    assert report(whole, "--format", "patchwork", "--url", "ftp://x")[0] == 2
    assert report(whole, "--format", "patchwork", "--context", "a b")[0] == 2


def test_file_that_can_not_be_written(
    report: Callable[..., Run], whole: Path, tmp_path: Path
) -> None:
    code, _, err = report(whole, "--format", "junit", "--output", tmp_path / "none" / "report")
    assert code == 3
    assert "can't write" in err


def test_help_says_what_the_exit_code_is_not(report: Callable[..., Run]) -> None:
    code, out, _ = report("--help")
    assert code == 0
    assert "0    written, whatever the verdict is" in out
    assert all(form in out for form in FORMATS)


def test_patchwork_is_one_object_of_any_number(report: Callable[..., Run], whole: Path) -> None:
    _, out, _ = report(whole, whole, "--format", "patchwork")
    assert json.loads(out)["state"] == "fail"
