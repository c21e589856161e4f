# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hostile build of modules tries comes to nothing, and would not if nothing confined it."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import DoesNotCompile, InfrastructureError
from ksuite.kernels import room as rooms
from ksuite.kernels.external import How, build_external
from ksuite.kernels.store import Store
from ksuite.processes import NOBODY
from tests.unit.kernels.external import CODE, TINY, a_module, attack, unconfined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ksuite.kernels.source import KernelSource

    Said = Callable[[str], str]

HOSTS = [None, "/home", "/var/cache"]
"""Where on a host a directory of somebody's may be; first, where temporary files are."""
SECRET = "s3cr3t"  # noqa: S105 (it is looked for)


@pytest.fixture
def said(source: KernelSource, builds: Store) -> Said:
    """Return what has a build run a script, and returns what that said in one line."""
    return lambda script: attack(script, source, builds)


@contextmanager
def anybodys(parent: str | None) -> Iterator[Path]:
    """Yield a directory that all may write."""
    if parent and not os.access(parent, os.W_OK):
        pytest.skip(f"{parent} can't be written")
    with tempfile.TemporaryDirectory(prefix="ks-test-", dir=parent) as name:
        Path(name).chmod(0o777)
        yield Path(name)


@pytest.mark.parametrize("parent", HOSTS)
def test_it_writes_nothing_outside(parent: str | None, said: Said) -> None:
    with anybodys(parent) as place:
        script = f"echo x > {place}/new && echo wrote; id -u"
        assert "wrote" in unconfined(script)
        (place / "new").unlink()
        told = said(script)
        assert "wrote" not in told
        assert told.endswith(str(NOBODY if os.geteuid() == 0 else 0))
        assert list(place.iterdir()) == []


def test_it_changes_no_store(source: KernelSource) -> None:
    """Not even one that all may write, in a place that no build is kept from reading."""
    with anybodys("/var/cache") as place:
        store = Store(place)
        build_external(source, a_module(TINY), How(), store)
        for path in (place, *place.rglob("*")):
            path.chmod(path.stat().st_mode | (0o777 if path.is_dir() else 0o666))
        (module,) = place.rglob("ks_tiny.ko")
        before = module.read_bytes()
        script = f"ls {module}; echo x >> {module} && echo wrote; rm -f {module}"
        told = attack(script, source, store)
        assert str(module) in told
        assert "Read-only file system" in told
        assert "wrote" not in told
        assert module.read_bytes() == before


def test_it_changes_no_headers(source: KernelSource, said: Said) -> None:
    before = sorted(source.headers.iterdir())
    makefile = source.headers / "Makefile"
    told = said(f"cat {makefile} | wc -l; echo x >> {makefile}; touch {source.headers}/ks-evil")
    assert told.startswith(str(len(makefile.read_text().splitlines())))
    assert f"cannot create {makefile}: " in told
    assert "ks-evil': Read-only file system" in told
    assert sorted(source.headers.iterdir()) == before


@pytest.fixture(params=["home", "/home", "elsewhere"])
def secret(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a file that all may read, where users have theirs."""
    place = {"home": None, "/home": "/home", "elsewhere": "/var/cache"}[request.param]
    with anybodys(place) as home:
        if request.param != "/home":
            monkeypatch.setenv("HOME", str(home))
        (home / "key").write_text(f'"{SECRET}"')
        yield home / "key"


def test_it_reads_no_home(secret: Path, said: Said) -> None:
    script = f"cat {secret}; echo home=$HOME; ls -A {secret.parent} /root"
    assert SECRET in unconfined(f"cat {secret}")
    told = said(script)
    assert "home=/nonexistent" in told
    assert SECRET not in told
    assert secret.name not in told.partition("home=")[2].replace(str(secret), "")


def test_no_home_gets_into_a_module(secret: Path, source: KernelSource, builds: Store) -> None:
    taken = f"{CODE}const char *ks_taken =\n#include SECRET\n;\n"
    for place, own in ((secret, False), ("key", True)):
        flags = f"ccflags-y := -I$(src) -DSECRET='\"{place}\"'\n"
        files = {"Kbuild": TINY["Kbuild"] + flags, "ks_tiny.c": taken, "key": '"0wn"'}
        if own:
            (module,) = build_external(source, a_module(files), How(), builds).modules
            assert b"0wn\0" in module.path.read_bytes()
            continue
        with pytest.raises(DoesNotCompile, match=r"key: No such file or directory"):
            build_external(source, a_module(files), How(), builds)


def test_it_reads_nothing_that_only_root_may(said: Said) -> None:
    assert "/etc/shadow: Permission denied" in said("cat /etc/shadow")


ADDRESSES = ["127.0.0.1", "::1", "abstract", "path"]
CALL = """
import socket, sys
kind, address = sys.argv[1:]
try:
    if kind == "inet":
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), 5)
    else:
        socket.socket(socket.AF_UNIX).connect(address.replace("@", chr(0)))
    print("connected")
except OSError as error:
    print("failed:", error)
"""


@pytest.mark.parametrize("address", ADDRESSES)
def test_it_calls_nobody(address: str, said: Said) -> None:
    with anybodys(None) as place, listening(address, place) as (server, words):
        script = f"/usr/bin/python3 -c {shlex.quote(CALL)} {words}"
        server.settimeout(5)
        assert "connected" in unconfined(script)
        server.accept()[0].close()
        assert "failed: " in said(script)
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


@contextmanager
def listening(address: str, place: Path) -> Iterator[tuple[socket.socket, str]]:
    """Yield a server and the words that tell `CALL` where it is."""
    if address in {"abstract", "path"}:
        name = f"@ks-test-{os.getpid()}" if address == "abstract" else str(place / "socket")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name.replace("@", "\0"))
            if address == "path":
                (place / "socket").chmod(0o777)
            server.listen()
            yield server, f"unix {name}"
        return
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        server = socket.create_server((address, 0), family=family)
    except OSError as error:
        pytest.skip(f"the host has no {address}: {error}")
    with server:
        yield server, f"inet {address}:{server.getsockname()[1]}"


def test_it_kills_nobody(said: Said) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "sleep", "100"]
    with subprocess.Popen(user) as bystander:
        try:
            assert "No such process" in said(f"kill -9 {bystander.pid}")
            with pytest.raises(InfrastructureError, match=r"broke off(?s:.)*Killed"):
                said("kill -9 -1")
            assert bystander.poll() is None
            assert unconfined(f"kill -9 {bystander.pid} && echo killed") == "killed"
            assert bystander.wait(10) == -9
        finally:
            bystander.kill()


def running(mark: str) -> list[Path]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path)
        except OSError:
            continue
    return found


def test_nothing_outlives_it(said: Said) -> None:
    mark = f"1000.{os.getpid()}"
    daemon = f"sleep {mark} </dev/null >/dev/null 2>&1 & kill -0 $! && echo alive"
    assert "alive" in said(f"setsid {daemon}")
    assert running(mark) == []


def test_it_is_not_waited_for(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = f"1000.{os.getpid()}"
    monkeypatch.setattr(rooms, "TIME_SECONDS", 2)
    with pytest.raises(InfrastructureError, match="did not end within 2 s"):
        said(f"setsid sleep {mark} & sleep {mark}")
    assert running(mark) == []


def test_its_files_are_bounded(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "FILE_BYTES", 1 << 20)
    told = said("cd $TMPDIR; head -c 3000000 /dev/zero > big; stat -c 'size %s' big")
    assert f"size {1 << 20}" in told


def test_a_full_disk_is_told(
    said: Said,
    monkeypatch: pytest.MonkeyPatch,
    tiny_disk: Callable[[str], AbstractContextManager[Path]],
) -> None:
    with tiny_disk("2m") as directory:
        monkeypatch.setattr(tempfile, "tempdir", str(directory))
        with pytest.raises(InfrastructureError, match=r"disk full|space") as caught:
            said("cat /dev/zero > $TMPDIR/big")
        assert str(directory) in str(caught.value)
        assert list(directory.iterdir()) == []


def test_it_has_no_terminal_and_no_devices(said: Said) -> None:
    told = said("cd $TMPDIR; mknod d c 1 5 || echo none; mount -t tmpfs x . || echo unmounted")
    assert "none" in told
    assert "unmounted" in told
    assert "refused" in said("(: <>/dev/tty) || echo refused")
