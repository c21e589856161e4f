# SPDX-License-Identifier: GPL-2.0-or-later
"""Stored baselines are read back to the digit, and nothing else is taken for one."""

from __future__ import annotations

import json
import math
import multiprocessing
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.errors import InfrastructureError, UserError
from ksuite.measure.cost import Cost
from ksuite.report.baseline_file import (
    FORMAT,
    MARK,
    as_plain,
    baseline_names,
    baseline_path,
    read_baseline,
    write_baseline,
)
from ksuite.report.benchmark_json import write as write_benchmark
from tests.unit.measure.samples import IMAGE, baseline, result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ksuite.measure.baseline import Baseline

AWKWARD = (0.1 + 0.2, 2325.18425, math.pi, 1e-2, 5e11)
"""Numbers that lose a digit wherever one can be lost."""


def awkward() -> Baseline:
    old = baseline(tx=1000.0)
    [(name, stored)] = old.costs.items()
    cost = Cost(IMAGE, AWKWARD, guests=5)
    return replace(old, costs={name: replace(stored, cost=cost)})


@pytest.fixture
def plain() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(as_plain(baseline(tx=1000.0, rx=2000.0))))
    return told


@pytest.fixture
def read(tmp_path: Path) -> Callable[[object], Baseline]:
    """Return a function that reads what this text, or what JSON makes of this, is as a baseline."""

    def reading(content: object) -> Baseline:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "it.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        return read_baseline(tmp_path, "it")

    return reading


def complaint(read: Callable[[object], Baseline], content: object) -> str:
    with pytest.raises(UserError) as raised:
        read(content)
    text = str(raised.value)
    assert "it.json" in text
    assert "\n" not in text
    assert len(text) < 600
    return text


@pytest.mark.parametrize("old", [baseline(tx=1000.0, rx=2000.5), awkward()], ids=["usual", "odd"])
def test_it_is_read_as_it_was_written(tmp_path: Path, old: Baseline) -> None:
    path = write_baseline(old, tmp_path / "new" / "directory")
    assert path.name == "old.json"
    assert read_baseline(path.parent, "old") == old
    assert [file.name for file in path.parent.iterdir()] == ["old.json"]


def test_statistics_are_in_seconds_a_packet() -> None:
    [told] = as_plain(baseline(tx=1000.0))["benchmarks"]
    assert (told["name"], told["group"]) == ("vhost_tx 64 B", "vhost_tx")
    assert told["stats"]["median"] == pytest.approx(1e-6)
    assert told["params"] == {"batch": 500, "frame_bytes": 64}


def test_nothing_of_this_host_is_in_it() -> None:
    told = as_plain(baseline(tx=1000.0))
    assert told["machine_info"] == told["commit_info"] == {}


def test_pytest_benchmark_compares_two(tmp_path: Path) -> None:
    for name, level in (("one", 1000.0), ("other", 1100.0)):
        write_baseline(baseline(name, tx=level), tmp_path / "kept")
    command = [sys.executable, "-m", "pytest_benchmark", "compare"]
    command += ["kept/one.json", "kept/other.json", "--columns", "median", "--group-by", "name"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"vhost_tx 64 B .*one.* 1\.0\d* \(1\.0\)", done.stdout), done.stdout
    assert re.search(r"vhost_tx 64 B .*other.* 1\.1\d* \(1\.1\d*\)", done.stdout), done.stdout


@pytest.mark.parametrize("name", ["distro", "6.1.0-56_amd64", "A", "0", "a" * 100])
def test_names(tmp_path: Path, name: str) -> None:
    assert baseline_path(tmp_path, name) == tmp_path / f"{name}.json"


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", ".hidden", "../up", "a/b", "/etc/passwd", "-f", "_x", "a b", "a\n"),
        *("\x1b[2J", "a\0", "é", "a" * 101, "a" * 10_000),
    ],
)
def test_impossible_names(tmp_path: Path, name: str) -> None:
    for attempt in (
        lambda: baseline_path(tmp_path, name),
        lambda: read_baseline(tmp_path, name),
        lambda: write_baseline(baseline(name, tx=1.0), tmp_path),
    ):
        with pytest.raises(UserError, match="no name of a baseline") as raised:
            attempt()
        assert len(str(raised.value)) < 300
    assert list(tmp_path.iterdir()) == []


def test_name_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no baseline 'it' in .*; there are: none"):
        read_baseline(tmp_path / "missing", "it")
    write_baseline(baseline(tx=1.0), tmp_path)
    with pytest.raises(UserError, match="there are: old"):
        read_baseline(tmp_path, "it")


def test_only_possible_names_are_listed(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", ".c.json", "d e.json", "f.txt", "-g.json"):
        (tmp_path / name).touch()
    assert baseline_names(tmp_path) == ["a", "b"]
    assert baseline_names(tmp_path / "missing") == []


def test_truncated_file(read: Callable[[object], Baseline], plain: dict[str, Any]) -> None:
    text = json.dumps(plain, indent=1)
    for length in (0, 1, 100, len(text) // 2, len(text) - 1):
        assert "no sound JSON" in complaint(read, text[:length])


@pytest.mark.parametrize(
    "text",
    ["\udcff", "[" * 100_000, "not json", "{'a': 1}", '{"a": NaN}', '{"a": Infinity}', "1" * 5000],
    ids=["bytes", "deep", "text", "python", "nan", "inf", "long"],
)
def test_no_json(read: Callable[[object], Baseline], text: str) -> None:
    assert "no sound JSON" in complaint(read, text)


@pytest.mark.parametrize("content", [[], 3, "text", None, True])
def test_no_object(read: Callable[[object], Baseline], content: object) -> None:
    assert "no JSON object" in complaint(read, json.dumps(content))


@pytest.mark.parametrize("content", [{}, {"benchmarks": []}, {"schema": 1, "costs": []}])
def test_foreign_object(read: Callable[[object], Baseline], content: object) -> None:
    assert "`ksuite baseline save` has not written it" in complaint(read, content)


def test_what_pytest_benchmark_writes_is_none(tmp_path: Path) -> None:
    write_benchmark(result(), tmp_path / "it.json")
    with pytest.raises(UserError, match="has not written it"):
        read_baseline(tmp_path, "it")


def test_format_of_the_future(read: Callable[[object], Baseline], plain: dict[str, Any]) -> None:
    plain[MARK] = FORMAT + 1
    assert f"is of format {FORMAT + 1}, and this ksuite knows {FORMAT}" in complaint(read, plain)


@pytest.mark.parametrize("mark", [0, -1, 1.0, "1", True, [1], {}])
def test_format_that_is_none(
    read: Callable[[object], Baseline], plain: dict[str, Any], mark: object
) -> None:
    assert "is no format" in complaint(read, plain | {MARK: mark})


def put(plain: dict[str, Any], place: str, value: object) -> None:
    *way, last = place.split(".")
    here: Any = plain["benchmarks"][0]
    for step in way:
        here = here[step]
    if value is ...:
        del here[last]
    else:
        here[last] = value


FINGERPRINT = "extra_info.cost.fingerprint"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("name", ...),
        ("name", 3),
        ("extra_info", ...),
        ("extra_info", []),
        ("extra_info.cost", None),
        ("extra_info.provenance", ...),
        ("extra_info.provenance.modules", "vhost aa"),
        ("extra_info.provenance.series", None),
        ("extra_info.cost.windows", ...),
        ("extra_info.cost.windows", []),
        ("extra_info.cost.windows", "12"),
        ("extra_info.cost.windows", ["1000"]),
        ("extra_info.cost.windows", [True]),
        ("extra_info.cost.windows", [1000, 0]),
        ("extra_info.cost.windows", [-1000.0]),
        ("extra_info.cost.windows", [10**400]),
        ("extra_info.cost.windows", [None]),
        ("extra_info.cost.guests", 0),
        ("extra_info.cost.guests", 2),
        ("extra_info.cost.guests", 1.5),
        ("extra_info.cost.recalled", "no"),
        (f"{FINGERPRINT}.clock", "sundial"),
        (f"{FINGERPRINT}.clock", 1),
        (f"{FINGERPRINT}.root", ...),
        (f"{FINGERPRINT}.vcpus", "1"),
        (f"{FINGERPRINT}.vcpus", True),
        (f"{FINGERPRINT}.memory_mib", 1024.0),
        (f"{FINGERPRINT}.scenario_version", None),
        (f"{FINGERPRINT}.parameters", {"batch": 500}),
        (f"{FINGERPRINT}.parameters", [["batch", 500.5]]),
        (f"{FINGERPRINT}.parameters", [["batch", None]]),
        (f"{FINGERPRINT}.parameters", [["batch"]]),
        (f"{FINGERPRINT}.parameters", [["batch", 500, 3]]),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_wrong_values(
    read: Callable[[object], Baseline], plain: dict[str, Any], place: str, value: object
) -> None:
    assert read(plain).costs
    put(plain, place, value)
    assert "is no baseline: " in complaint(read, plain)


@pytest.mark.parametrize("benchmarks", [None, {}, "text", [1], [None]])
def test_benchmarks_that_are_none(
    read: Callable[[object], Baseline], plain: dict[str, Any], benchmarks: object
) -> None:
    assert "is no baseline: " in complaint(read, plain | {"benchmarks": benchmarks})


def test_no_cost_in_it(read: Callable[[object], Baseline], plain: dict[str, Any]) -> None:
    assert "no cost is in it" in complaint(read, plain | {"benchmarks": []})


def test_cost_that_is_there_twice(
    read: Callable[[object], Baseline], plain: dict[str, Any]
) -> None:
    plain["benchmarks"].append(plain["benchmarks"][0])
    assert "twice" in complaint(read, plain)


@pytest.mark.parametrize("made", [..., None, 3])
def test_no_date(read: Callable[[object], Baseline], plain: dict[str, Any], made: object) -> None:
    plain.pop("datetime")
    assert "is no baseline: " in complaint(
        read, plain | ({} if made is ... else {"datetime": made})
    )


def test_whole_numbers_are_numbers(
    read: Callable[[object], Baseline], plain: dict[str, Any]
) -> None:
    put(plain, "extra_info.cost.windows", [1000])
    assert read(plain).costs["vhost_tx 64 B"].cost.windows == (1000.0,)


def test_directory_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "it.json").mkdir()
    with pytest.raises(UserError, match="is no file"):
        read_baseline(tmp_path, "it")


def test_file_that_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "it.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="larger than any"):
        read_baseline(tmp_path, "it")


def test_name_that_is_taken_must_be_replaced_on_purpose(tmp_path: Path) -> None:
    write_baseline(baseline(tx=1000.0), tmp_path)
    with pytest.raises(UserError, match=r"there is a baseline 'old' .*: replace it by --force"):
        write_baseline(baseline(tx=2000.0), tmp_path)
    assert read_baseline(tmp_path, "old") == baseline(tx=1000.0)
    write_baseline(baseline(tx=3000.0), tmp_path, replace=True)
    assert read_baseline(tmp_path, "old") == baseline(tx=3000.0)
    assert [file.name for file in tmp_path.iterdir()] == ["old.json"]


def save(directory: Path, level: float, force: bool) -> bool:
    try:
        write_baseline(baseline(tx=level), directory, replace=force)
    except UserError:
        return False
    return True


@pytest.mark.parametrize("force", [False, True])
def test_of_several_at_once_one_stands_whole(tmp_path: Path, force: bool) -> None:
    levels = [1000.0 + number for number in range(16)]
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        saved = pool.starmap(save, [(tmp_path, level, force) for level in levels], chunksize=1)
    assert sum(saved) == (len(levels) if force else 1)
    stands = read_baseline(tmp_path, "old").costs["vhost_tx 64 B"].cost.median
    assert stands in [level for level, done in zip(levels, saved, strict=True) if done]
    assert [file.name for file in tmp_path.iterdir()] == ["old.json"]


def test_place_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfrastructureError, match="can't write to"):
        write_baseline(baseline(tx=1.0), tmp_path / "file")
