# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite matrix``: what it asks for, what it prints and what it leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from ksuite import cli_matrix
from ksuite.campaigns.matrix import KERNELS
from ksuite.cli import main
from ksuite.report.matrix import Run
from tests.unit.measure.samples import result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass
class Asked:
    """What was asked for, and how runs end."""

    kernels: tuple[str, ...] = ()
    suites: dict[str, list[str]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Have no run take place."""
    seen = Asked()

    def run_all(kernels: tuple[str, ...], suites: dict[str, list[str]], *_: Any) -> Iterator[Run]:
        seen.kernels, seen.suites = kernels, suites
        for kernel in kernels:
            code = seen.codes.get(kernel, 0)
            error = "no network\nat all" if code else ""
            for suite in suites:
                yield Run(kernel, suite, code, None if code else result(), error)

    monkeypatch.setattr(cli_matrix, "run_all", run_all)
    return seen


@pytest.fixture
def matrix(tmp_path: Path) -> Callable[..., int]:
    def run(*words: str) -> int:
        return main(["matrix", "--output", str(tmp_path / "out"), *words])

    return run


def test_default_series_on_all_kernels(
    asked: Asked, matrix: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert matrix("--candidate-only", "--jobs", "2") == 0
    assert asked.kernels == KERNELS
    assert list(asked.suites) == ["vhost", "tc", "ovs"]
    words = asked.suites["tc"]
    assert words[0].endswith("tests/tc")
    assert words[words.index("--ks-series") + 1].endswith("patches/act-mirred-clone-removal")
    assert "--ks-candidate-only" in words
    assert words[words.index("-n") + 1] == "2"
    printed = capsys.readouterr()
    assert "debian:7.2, ovs: nothing ran" in printed.err
    assert "function" in printed.out
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"matrix.json", "matrix.md"}, "there is no cost to draw"
    told = json.loads((tmp_path / "out" / "matrix.json").read_text(encoding="utf-8"))
    assert len(told["function"]) == len(KERNELS) * 3


def test_own_series_and_kernels(asked: Asked, matrix: Callable[..., int], checkout: Path) -> None:
    series = str(checkout / "patches" / "openvswitch-last-output")
    assert matrix(series, "--kernels", "distro", "debian:6.12", "distro") == 0
    assert asked.kernels == ("distro", "debian:6.12")
    assert list(asked.suites) == ["ovs"]
    assert series in asked.suites["ovs"]


@pytest.mark.parametrize(
    ("scenario", "suites"), [("tc_drop", ["tc"]), ("vhost", ["vhost"]), ("pvp_tc", ["pvp"])]
)
def test_one_scenario(
    asked: Asked, matrix: Callable[..., int], scenario: str, suites: list[str]
) -> None:
    assert matrix("--scenario", scenario) == 0
    assert list(asked.suites) == suites


def test_exit_code_is_the_worst(
    asked: Asked, matrix: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    asked.codes["debian:6.12"] = 3
    assert matrix() == 3
    printed = capsys.readouterr()
    assert "debian:6.12, vhost: no network\n" in printed.err
    assert "ERROR" in printed.out


@pytest.mark.parametrize("words", [("--kernels", "debian:4.19"), ("--scenario", "nothing")])
def test_what_makes_no_sense(
    asked: Asked, matrix: Callable[..., int], words: tuple[str, ...]
) -> None:
    assert matrix(*words) == 2
    assert asked.kernels == ()


def test_directory_that_can_not_be_written(
    asked: Asked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["matrix", "--output", str(tmp_path / "file")]) == 3
    assert "can't write" in capsys.readouterr().err
    assert asked.kernels == ()
