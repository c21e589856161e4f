# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest's own endings, as exit codes of ksuite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.runner import run_suites

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]


@pytest.fixture
def place(pytester: pytest.Pytester) -> Path:
    """Return an empty directory that is the current one; what gets imported is forgotten."""
    return pytester.path


def run(place: Path, *options: str) -> int:
    return run_suites(["-p", "no:benchmark", "--rootdir", str(place), str(place), *options])


@pytest.mark.parametrize(
    ("tests", "code"),
    [
        ("def test_a(): pass", 0),
        ("def test_a(): assert False", 1),
        ("", 4),
        ("import no_such_module", 3),
        ("def test_a(:", 3),
        ("import pytest\ndef test_a(): pytest.exit('enough', returncode=77)", 3),
        ("def test_a(): raise KeyboardInterrupt", 130),
    ],
    ids=["pass", "fail", "no tests", "import error", "syntax error", "exit", "interrupt"],
)
def test_how_pytest_ends(place: Path, tests: str, code: int) -> None:
    (place / "test_it.py").write_text(tests, encoding="utf-8")
    assert run(place) == code


def test_file_of_somebodys_that_can_not_be_imported(place: Path) -> None:
    (place / "ksuite.toml").write_text('[module]\nname = "mine"\n', encoding="utf-8")
    (place / "test_it.py").write_text("import no_such_module", encoding="utf-8")
    assert run(place, "--ks-gate", str(place)) == 2


def test_unknown_option(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "--ks-no-such-option") == 2
    assert "--ks-no-such-option" in capsys.readouterr().err


def test_unknown_place(place: Path) -> None:
    assert run(place / "nowhere") == 2


def test_plugin_that_breaks(place: Path) -> None:
    hook = "def pytest_collection_modifyitems():\n    raise RuntimeError('broken')\n"
    (place / "conftest.py").write_text(hook, encoding="utf-8")
    (place / "test_it.py").write_text("def test_a(): pass", encoding="utf-8")
    assert run(place) == 3


def test_suite_that_does_not_import_passes_nothing(place: Path) -> None:
    """Even where other files would run."""
    (place / "test_good.py").write_text("def test_a(): pass", encoding="utf-8")
    (place / "test_broken.py").write_text("import no_such_module", encoding="utf-8")
    assert run(place) == 3
