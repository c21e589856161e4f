# SPDX-License-Identifier: GPL-2.0-or-later
"""The store: whole entries or none, whatever happens to those who make them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import ExitCode, InfrastructureError
from ksuite.kernels import store as module
from ksuite.kernels.store import MANIFEST, Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

MAKER = """
import sys, time
from pathlib import Path
from ksuite.kernels.store import Store

def make(into):
    with (root / "made").open("a") as log:
        log.write("x")
    (into / "half").write_text("half")
    print("making", flush=True)
    time.sleep(float(sys.argv[2]))
    (into / "file").write_text("whole")

root = Path(sys.argv[1])
print((Store(root).obtain("kind", "key", make) / "file").read_text(), flush=True)
"""


def maker(root: Path, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", MAKER, str(root), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])


def fill(into: Path) -> None:
    (into / "directory").mkdir()
    (into / "directory/file").write_text("content")
    (into / "link").symlink_to("directory/file")


def leftovers(root: Path) -> list[str]:
    return [path.name for path in (root / ".tmp").iterdir()]


def test_an_entry_is_made_once_and_found_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.entry("kind", "key") is None
    place = store.obtain("kind", "key", fill)
    assert (place / "link").read_text() == "content"
    assert store.entry("kind", "key") == place
    assert store.obtain("kind", "key", lambda _: pytest.fail("made twice")) == place
    assert leftovers(tmp_path) == []


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        fill(into)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Store(tmp_path).obtain("kind", "key", fail)
    assert Store(tmp_path).entry("kind", "key") is None
    assert leftovers(tmp_path) == []
    assert not (tmp_path / "kind/key").exists()


def test_who_is_first_stays(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.create("kind", "key") as work:
        (work / "file").write_text("second")
        with Store(tmp_path).create("kind", "key") as other:
            (other / "file").write_text("first")
    assert (tmp_path / "kind/key/file").read_text() == "first"
    assert leftovers(tmp_path) == []


def test_many_at_once_make_it_once(tmp_path: Path) -> None:
    makers = [maker(tmp_path, 0.3) for _ in range(4)]
    said = [process.communicate(timeout=30)[0].split()[-1] for process in makers]
    assert said == [b"whole"] * 4
    assert (tmp_path / "made").read_text() == "x"


def test_kill_9_leaves_neither_lock_nor_rubbish(tmp_path: Path) -> None:
    victim = maker(tmp_path, 600)
    assert victim.stdout
    first = victim.stdout.readline()
    left = leftovers(tmp_path)
    victim.kill()
    victim.communicate()
    assert first == b"making\n"
    assert len(left) == 2
    assert "kind-key.lock" in left
    started = time.monotonic()
    place = Store(tmp_path).obtain("kind", "key", fill)
    assert time.monotonic() - started < 5
    assert not (place / "half").exists()
    assert leftovers(tmp_path) == []


def test_rubbish_goes_even_when_all_is_found(tmp_path: Path) -> None:
    Store(tmp_path).obtain("kind", "key", fill)
    (tmp_path / ".tmp/abandoned").mkdir()
    Store(tmp_path).obtain("kind", "key", fill)
    assert leftovers(tmp_path) == []


def test_what_is_being_made_is_no_rubbish(tmp_path: Path) -> None:
    with Store(tmp_path).create("kind", "slow") as work:
        fill(work)
        Store(tmp_path).obtain("kind", "fast", fill)
        assert work.is_dir()
    assert Store(tmp_path).entry("kind", "slow")


def remove(entry: Path) -> None:
    (entry / "directory/file").unlink()


def truncate(entry: Path) -> None:
    (entry / "directory/file").write_text("cont")


def alter(entry: Path) -> None:
    (entry / "directory/file").write_text("CONTENT")


def redirect(entry: Path) -> None:
    (entry / "link").unlink()
    (entry / "link").symlink_to("elsewhere/file")


def lose_manifest(entry: Path) -> None:
    (entry / MANIFEST).unlink()


def garble_manifest(entry: Path) -> None:
    (entry / MANIFEST).write_text('{"files": ')


@pytest.mark.parametrize(
    "damage", [remove, truncate, alter, redirect, lose_manifest, garble_manifest]
)
def test_a_damaged_entry_is_made_anew(damage: Callable[[Path], None], tmp_path: Path) -> None:
    store = Store(tmp_path)
    damage(store.obtain("kind", "key", fill))
    assert store.entry("kind", "key") is None
    assert (store.obtain("kind", "key", fill) / "link").read_text() == "content"
    assert store.entry("kind", "key")


@pytest.mark.parametrize("damage", [remove, truncate])
def test_a_large_entry_is_checked_by_sizes(
    damage: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEW_FILES", 0)
    place = Store(tmp_path).obtain("kind", "key", fill)
    assert Store(tmp_path).entry("kind", "key") == place
    damage(place)
    assert Store(tmp_path).entry("kind", "key") is None


def test_an_entry_of_few_files_is_checked_by_content_whatever_its_size(tmp_path: Path) -> None:
    """An image or a snapshot that was altered would change what is measured."""

    def image(into: Path) -> None:
        with (into / "image").open("wb") as file:
            file.truncate(64 << 20)

    store = Store(tmp_path)
    place = store.obtain("kind", "key", image)
    assert store.entry("kind", "key") == place
    with (place / "image").open("r+b") as file:
        file.seek(40 << 20)
        file.write(b"\1")
    assert store.entry("kind", "key") is None


@pytest.mark.parametrize(("most", "seen"), [(2, True), (1, False)])
def test_how_many_files_are_few(
    most: int, seen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two; reading 78,000 files at each use would take too long."""
    monkeypatch.setattr(module, "FEW_FILES", most)
    store = Store(tmp_path)
    alter(store.obtain("kind", "key", fill))
    assert (store.entry("kind", "key") is None) == seen


def test_a_full_disk_is_told_and_leaves_nothing(
    tiny_disk: Callable[[str], AbstractContextManager[Path]],
) -> None:
    with tiny_disk("1m") as root:
        store = Store(root / "store")

        def too_much(into: Path) -> None:
            (into / "file").write_bytes(bytes(2 << 20))

        with pytest.raises(InfrastructureError, match="disk full in the store at") as caught:
            store.obtain("kind", "key", too_much)
        assert str(root / "store") in str(caught.value)
        assert "free space or set KSUITE_STORE" in str(caught.value)
        assert caught.value.exit_code == ExitCode.INFRASTRUCTURE
        assert leftovers(store.root) == []
        assert store.entry("kind", "key") is None
        assert store.obtain("kind", "key", fill)


def test_a_place_that_cant_be_a_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfrastructureError, match=r"can't be written.*set KSUITE_STORE"):
        Store(tmp_path / "file").obtain("kind", "key", fill)


def test_the_environment_chooses_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSUITE_STORE", "/chosen")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert Store.default().root == Path("/chosen")
    monkeypatch.delenv("KSUITE_STORE")
    assert Store.default().root == Path("/cache/ksuite")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert Store.default().root == Path.home() / ".cache/ksuite"


def test_a_log_is_kept(tmp_path: Path) -> None:
    assert Store(tmp_path).keep_log("name", "text").read_text() == "text"


def test_half_a_log_is_not_kept(
    tiny_disk: Callable[[str], AbstractContextManager[Path]],
) -> None:
    with tiny_disk("100k") as root:
        with pytest.raises(InfrastructureError, match=r"disk full.*`ksuite store prune`"):
            Store(root).keep_log("name", "text" * 50_000)
        assert list((root / "logs").iterdir()) == []


def test_digests_keep_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
    assert digest("ab") == digest(b"ab")
    assert len(digest()) == 64
