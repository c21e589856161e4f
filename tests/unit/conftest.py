# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the tests of the pytest plugin and of the commands, and small disks."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite import cli_bisect
from ksuite.cli import main
from tests.unit.bisecting import StubCampaign
from tests.unit.judging import Judge, Stub, judge_with_workers, new_judge, new_stub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    return new_stub(monkeypatch)


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> StubCampaign:
    """Return what ``ksuite bisect`` finds in the place of a campaign."""
    stub = StubCampaign()
    monkeypatch.setattr(cli_bisect, "Campaign", stub)
    return stub


@pytest.fixture
def judge(pytester: pytest.Pytester, stub: Stub) -> Judge:
    return new_judge(pytester, stub)


@pytest.fixture
def workers(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Return a judge that can have workers run the tests."""
    return judge_with_workers(pytester, monkeypatch)


@pytest.fixture
def ksuite(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs ksuite: exit code, what it printed, what it complained about."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            code = main([str(word) for word in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return code, printed.out, printed.err

    return run


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Return a directory that others than root may go through, as builds need it."""
    with tempfile.TemporaryDirectory(prefix="ks-test-") as name:
        path = Path(name)
        path.chmod(0o711)
        yield path


@pytest.fixture
def tiny_disk(open_directory: Path) -> Callable[[str], AbstractContextManager[Path]]:
    """Return what mounts a file system of a size such as ``1m``."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")

    @contextmanager
    def mounted(size: str) -> Iterator[Path]:
        options = f"size={size},mode=711"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(open_directory)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode()}")
        try:
            yield open_directory
        finally:
            # What was used in a store stays open until we end.
            subprocess.run(["umount", "--lazy", open_directory], check=True)

    return mounted
