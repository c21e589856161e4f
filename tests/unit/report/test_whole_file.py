# SPDX-License-Identifier: GPL-2.0-or-later
"""Files are written whole or not at all."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

from ksuite.errors import InfrastructureError, KsuiteError
from ksuite.report.whole_file import remove_file, write_json

DATA = {"text": "\ud800 ü", "numbers": [1, 0.5, None]} | {str(n): n for n in range(100)}


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("an old result")
    write_json(DATA, path)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == DATA
    assert text.endswith("}\n")
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_there_stays_where_it_must(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(DATA, path, replace=False)
    with pytest.raises(FileExistsError):
        write_json({}, path, replace=False)
    assert json.loads(path.read_text(encoding="utf-8")) == DATA
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("an old result")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(InfrastructureError, match=r"result\.json: File too large"):
            write_json(DATA, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "an old result"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name", ["missing/result.json", "file/result.json", "directory", "x" * 300]
)
def test_place_that_can_not_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    with pytest.raises(InfrastructureError, match="can't write"):
        write_json(DATA, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["directory", "file"]


def test_stream_stays_one(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_json(DATA, fifo)
        assert json.loads(os.read(reader, 1 << 16)) == DATA
    finally:
        os.close(reader)
    assert fifo.is_fifo()
    assert list(tmp_path.iterdir()) == [fifo]


@pytest.mark.parametrize("there", [True, False])
def test_link_stays_one(tmp_path: Path, *, there: bool) -> None:
    (tmp_path / "away").mkdir()
    away, link = tmp_path / "away/result.json", tmp_path / "link"
    link.symlink_to("away/result.json")
    if there:
        away.write_text("an old result")
    write_json(DATA, link)
    assert link.is_symlink()
    assert json.loads(away.read_text(encoding="utf-8")) == DATA
    assert [path.name for path in away.parent.iterdir()] == ["result.json"]


def test_file_is_removed_and_nothing_else(tmp_path: Path) -> None:
    away, link, loop, fifo = (tmp_path / name for name in ("away", "link", "loop", "fifo"))
    away.write_text("an old result")
    link.symlink_to("away")
    loop.symlink_to("loop")
    os.mkfifo(fifo)
    for path in (link, link, loop, fifo, tmp_path, tmp_path / "none"):
        remove_file(path)
    assert sorted(tmp_path.iterdir()) == [fifo, link, loop]


def test_link_that_leads_to_itself(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("link")
    with pytest.raises(InfrastructureError, match=r"can't write .*link: Too many levels"):
        write_json(DATA, link)


@pytest.mark.parametrize("name", ["/", "."])
def test_place_without_a_name(name: str) -> None:
    with pytest.raises(KsuiteError):
        write_json(DATA, Path(name))
