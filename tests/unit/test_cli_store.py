# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite store``, and ``ksuite kernels prune``, on a small store."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import ExitCode
from ksuite.kernels import held
from ksuite.kernels.locks import shared
from ksuite.kernels.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

Run = tuple[int, list[str], str]
DAY = 86400
KINDS = ("snapshot", "tree", "answer")


@pytest.fixture
def ksuite(ksuite: Callable[..., tuple[int, str, str]]) -> Callable[..., Run]:
    """Return a function that runs ksuite: exit code, lines that it printed, its complaint."""

    def run(*arguments: str) -> Run:
        code, printed, complaint = ksuite(*arguments)
        return code, printed.splitlines(), complaint

    return run


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a store with an old thing and a new one of each kind: of 2 MB, of 2 MB, and small."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    monkeypatch.setattr(held, "SOCKET_PATH_CHARACTERS", 500)
    monkeypatch.setenv("KSUITE_STORE", str(tmp_path / "store"))
    store = Store.default()
    for kind in KINDS:
        for key, age_days in (("old", 40.5), ("new", 0.5)):
            with store.create(kind, key) as into:
                (into / "file").write_bytes(bytes(100 if kind == "answer" else 2_000_000))
            moment = time.time() - age_days * DAY
            os.utime(store.root / kind / key, (moment, moment))
    return store


def there(store: Store) -> set[str]:
    return {f"{kind}/{path.name}" for kind in KINDS for path in (store.root / kind).glob("[!.]*")}


EVERYTHING = {f"{kind}/{key}" for kind in KINDS for key in ("old", "new")}


def test_list(ksuite: Callable[..., Run], store: Store) -> None:
    with shared(store.root / "tree" / "new"):
        code, out, _ = ksuite("store", "list")
    assert code == ExitCode.PASS
    rows = [line.split() for line in out]
    assert ["snapshot", "2", "0", "4.0", "MB", "today"] in rows
    assert ["tree", "2", "1", "4.0", "MB", "today"] in rows
    assert ["all", "6", "1"] in [row[:3] for row in rows]


def test_list_of_a_kind(ksuite: Callable[..., Run], store: Store) -> None:
    assert store.entry("snapshot", "old")
    code, out, _ = ksuite("store", "list", "snapshot")
    assert code == ExitCode.PASS
    rows = [line.split() for line in out]
    assert ["snapshot/old", "1", "0", "2.0", "MB", "40", "days", "ago"] in rows
    assert not any("tree" in line for line in out)


def test_what_is_old_is_removed(ksuite: Callable[..., Run], store: Store) -> None:
    with shared(store.root / "tree" / "new"):
        code, out, _ = ksuite("store", "prune")
    assert code == ExitCode.PASS
    assert sorted(out) == [
        "removed 1 small things of answer: 0.0 MB",
        f"removed 4.0 MB in all, of {store.root}",
        "removed snapshot/old: 2.0 MB, last used 40 days ago",
        "removed tree/old: 2.0 MB, last used 40 days ago",
    ]
    assert there(store) == {name for name in EVERYTHING if name.endswith("new")}


def test_what_is_in_use_is_kept_and_named(ksuite: Callable[..., Run], store: Store) -> None:
    with store.reading("tree", "old"):
        code, out, _ = ksuite("store", "prune", "--older-than", "0")
    assert code == ExitCode.PASS
    assert "kept tree/old: in use" in out
    assert there(store) == {"tree/old"}


def test_use_keeps_what_is_old(ksuite: Callable[..., Run], store: Store) -> None:
    with store.reading("tree", "old"):
        pass
    ksuite("store", "prune")
    assert "tree/old" in there(store)


def test_prune_of_a_kind(ksuite: Callable[..., Run], store: Store) -> None:
    ksuite("store", "prune", "snapshot", "answer", "--older-than", "0.1")
    assert there(store) == {"tree/old", "tree/new"}


def test_dry_run(ksuite: Callable[..., Run], store: Store) -> None:
    left = store.root / ".tmp" / "half"
    left.mkdir()
    with store.reading("snapshot", "old"):
        os.utime(store.root / "snapshot" / "old", (0, 0))
        _, out, _ = ksuite("store", "prune", "--dry-run")
    assert "kept snapshot/old: in use" in out
    assert "would remove tree/old: 2.0 MB, last used 40 days ago" in out
    assert any(line.startswith(f"would remove {left}, left by a killed process") for line in out)
    assert there(store) == EVERYTHING
    assert left.is_dir()


def test_what_killed_processes_left_is_told(ksuite: Callable[..., Run], store: Store) -> None:
    left = Path(tempfile.gettempdir(), f"ksuite-{os.geteuid()}-12345678")
    left.mkdir()
    (left / "state").write_bytes(bytes(3_000_000))
    _, out, _ = ksuite("store", "prune", "--older-than", "100")
    assert f"removed {left}, left by a killed process: 3.0 MB" in out
    assert there(store) == EVERYTHING


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["prune", "snapshots"], "nothing of kind 'snapshots': it has answer, snapshot, tree"),
        (["list", "x"], "nothing of kind 'x'"),
        (["prune", "--older-than", "soon"], "'soon' is no number of days"),
        (["prune", "--older-than=-1"], "'-1' is no number of days"),
        (["prune", "--older-than", "nan"], "'nan' is no number of days"),
        ([], "usage: ksuite store"),
    ],
)
def test_usage(ksuite: Callable[..., Run], store: Store, words: list[str], says: str) -> None:
    code, _, err = ksuite("store", *words)
    assert code == ExitCode.USAGE
    assert says in err
    assert there(store) == EVERYTHING


def test_empty_store(
    ksuite: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KSUITE_STORE", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code, out, _ = ksuite("store", "list")
    assert (code, out[-2].split()) == (0, ["all", "0", "0", "0.0", "MB", "-"])
    assert ksuite("store", "prune")[0] == ExitCode.PASS
    assert not (tmp_path / "none").exists()


def test_kernels_in_use_are_kept(ksuite: Callable[..., Run], store: Store) -> None:
    area = store.root / "area" / ("0" * 16)
    area.mkdir(parents=True)
    cache = store.root / "ccache"
    cache.mkdir()
    with store.create("built", "ab" * 32) as into:
        (into / "facts.json").write_text("{}")
    with shared(area), store.reading("built", "ab" * 32):
        code, out, _ = ksuite("kernels", "prune", "built")
    assert code == ExitCode.PASS
    assert out == [
        "kept built:abababababab: in use",
        "kept area:000000000000: in use",
        f"removed {store.root.name}:ccache",
    ]
    ksuite("kernels", "prune", "built")
    assert not area.exists()
    assert there(store) == EVERYTHING


def test_verify(ksuite: Callable[..., Run], store: Store) -> None:
    assert ksuite("kernels", "verify") == (0, [f"6 entries of {store.root}: all whole"], "")
    (store.root / "tree" / "old" / "file").write_bytes(b"")
    (store.root / ".tmp" / "half").mkdir()
    code, lines, complaint = ksuite("kernels", "verify")
    assert code == ExitCode.INFRASTRUCTURE
    assert complaint == ""
    remedy = "remove it: it is made anew when it is needed"
    assert lines == [
        f"{store.root}/.tmp/half: left by a killed process; `ksuite store prune` removes it",
        f"{store.root}/tree/old: file has 0 bytes of 2,000,000; {remedy}",
        f"6 entries of {store.root}: 2 things are not as they should be",
    ]
    assert there(store) == EVERYTHING
