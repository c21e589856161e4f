# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a kernel that was built; tests/full builds some."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from packaging.specifiers import SpecifierSet

from ksuite.errors import DoesNotCompile, InfrastructureError, UserError
from ksuite.kernels import dependencies, full
from ksuite.kernels.areas import CONFIG
from ksuite.kernels.fragments import Configuration, Request
from ksuite.kernels.full import build_kernel, read_built
from ksuite.kernels.git import CLEAN_PATH
from ksuite.kernels.store import Store
from ksuite.kernels.trees import Tree
from ksuite.kernels.tux import Workplace

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.errors import KsuiteError


CONFIGURATION = Configuration((), ())


@pytest.mark.parametrize("name", ["compiler", "linker"])
def test_the_key_has_the_tools(name: str, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("VERSION = 6\n")
    tree = Tree(tmp_path, "5eed", "0r161n")
    job = full._Job(tree, {}, CONFIGURATION, "gcc 12", "ld 2.40")
    assert job.key == replace(job).key
    assert job.key != replace(job, **{name: "another"}).key  # type: ignore[arg-type]


def test_the_tools_asked_are_those_that_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the user's path has."""
    for name in ("gcc", "ld", "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-ld"):
        (tmp_path / name).write_text("#!/bin/sh\necho other\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{CLEAN_PATH}")
    jobs: list[full._Job] = []

    def obtained(job: full._Job, *_: object) -> Path:
        jobs.append(job)
        return tmp_path

    monkeypatch.setattr(full, "_obtain", obtained)
    (tmp_path / "Makefile").write_text("VERSION = 6\n")
    build_kernel(Tree(tmp_path, "5eed", "0r161n"), CONFIGURATION, [], Store(tmp_path))
    assert jobs[0].compiler.startswith("x86_64-linux-gnu-gcc (")
    assert jobs[0].linker.startswith("GNU ld (")


def test_dependencies_of_a_kernel(tmp_path: Path) -> None:
    """Entries of an earlier ksuite have none, and stay what they are."""
    facts = {"release": "6.1.192-x", "version": "6.1.192", "build_id": "aa", "code": "c0de"}
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    (tmp_path / "config").write_text('CONFIG_CC_VERSION_TEXT="gcc (Debian) 12"\n')
    tree = Tree(tmp_path, "5eed", "0r161n")
    assert read_built(tmp_path, "mine", tree).dependencies is None
    kept = tmp_path / dependencies.FILE
    kept.write_text("{}")
    assert read_built(tmp_path, "mine", tree).dependencies == kept


@pytest.mark.parametrize(
    ("changed", "said", "error"),
    [
        ({"net/core/Makefile": b"x"}, "No rule to make target 'forgotten.o'", DoesNotCompile),
        ({"net/core/Makefile": b"x"}, "[Makefile:9: a.o] Killed", InfrastructureError),
        ({}, "[Makefile:9: a.o] Error 1", InfrastructureError),
    ],
)
def test_whose_fault_it_is_that_make_failed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, bytes],
    said: str,
    error: type[KsuiteError],
) -> None:
    """A tree with patches is built after the tree as it is: what stops make then is theirs."""
    (tmp_path / "Makefile").write_text("VERSION = 6\n")
    job = full._Job(Tree(tmp_path, "5eed", "0r161n"), changed, Configuration((), ()), "gcc", "ld")
    place = Workplace((tmp_path,), tmp_path / "out", tmp_path, tmp_path, trusted=False)
    monkeypatch.setattr(full, "tuxmake", lambda *_: (False, f"make: *** {said}\n"))
    with pytest.raises(error) as caught:
        full._run(job, place, ["kernel"], Store(tmp_path / "store"), lambda _: None)
    assert type(caught.value) is error
    assert said in str(caught.value)


def test_what_stops_make_is_a_revisions_own_fault_where_others_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Makefile").write_text("VERSION = 6\n")
    tree = Tree(tmp_path, "5eed", "0r161n")
    job = full._Job(tree, {}, CONFIGURATION, "gcc", "ld", others_build=True)
    assert job.key == replace(job, others_build=False).key
    place = Workplace((tmp_path,), tmp_path / "out", tmp_path, tmp_path, trusted=False)
    said = "make[3]: *** No rule to make target 'foo.o', needed by 'built-in.a'.  Stop.\n"
    monkeypatch.setattr(full, "tuxmake", lambda *_: (False, said))
    with pytest.raises(DoesNotCompile, match=r"No rule to make target 'foo\.o'"):
        full._run(job, place, ["kernel"], Store(tmp_path / "store"), lambda _: None)
    monkeypatch.setattr(full, "tuxmake", lambda *_: (False, "make: *** [Makefile:9: a.o] Killed\n"))
    with pytest.raises(InfrastructureError):
        full._run(job, place, ["kernel"], Store(tmp_path / "store"), lambda _: None)


@pytest.mark.parametrize(("others_build", "error"), [(True, DoesNotCompile), (False, UserError)])
def test_configuration_that_a_revision_has_not_got(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    others_build: bool,
    error: type[KsuiteError],
) -> None:
    (tmp_path / "Makefile").write_text("VERSION = 6\n")
    (tmp_path / "Kconfig").write_text('config OTHER\n\tbool "other"\n')
    asked = Request("PREEMPT_VOLUNTARY", "y", SpecifierSet("<7.0"), "base.config:1")
    tree = Tree(tmp_path, "5eed", "0r161n")
    job = full._Job(tree, {}, Configuration((), (asked,)), "gcc", "ld", others_build)
    out = tmp_path / "out"
    place = Workplace((tmp_path,), out, tmp_path, tmp_path, trusted=False)

    def configured(*_: object) -> tuple[bool, str]:
        (out / CONFIG).write_text("# CONFIG_OTHER is not set\n")
        return True, ""

    out.mkdir()
    monkeypatch.setattr(full, "tuxmake", configured)
    with pytest.raises(error, match="CONFIG_PREEMPT_VOLUNTARY=y"):
        full._configured(job, place, Store(tmp_path / "store"), lambda _: None)
