# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels: which is the newest that is whole, and what is found of it in the store."""

from __future__ import annotations

import json
import re
import shutil
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels import debian, sources
from ksuite.kernels.archive import run_told
from ksuite.kernels.debian import KIND, RELEASES, debian_source, fetch, kept_kernels
from ksuite.kernels.fragments import read_configuration
from ksuite.kernels.sources import find_source
from ksuite.kernels.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.kernels.source import KernelSource

COMPILER = "gcc-12 (Debian 12.2.0-14) 12.2.0"
ARCHIVE = {
    "linux-headers-6.12.9+deb12-amd64": ["6.12.9-1"],
    "linux-headers-6.12.57+deb12-amd64": ["6.12.57-1"],
    "linux-headers-6.12.95+deb12-amd64": ["6.12.95-1"],
    "linux-headers-6.12.95+deb12-cloud-amd64": ["6.12.95-1"],
    "linux-headers-6.12.95+deb12-rt-amd64": ["6.12.95-1"],
    "linux-headers-6.1.0-56-amd64": ["6.1.192-1"],
    "linux-image-6.12.9+deb12-amd64": ["6.12.9-1"],
    "linux-image-6.12.57+deb12-amd64": ["6.12.57-1"],
    "linux-image-6.12.95+deb12-amd64": ["6.12.95-1"],
    "linux-image-6.1.0-56-amd64": ["6.1.192-1"],
    "linux-source-6.12": ["6.12.57-1", "6.12.95-1", "6.12.9-1"],
    "linux-source-6.1": ["6.1.192-1", "6.1.150-1"],
}


class Mirror:
    """Answers as apt-cache and mmdebstrap would."""

    def __init__(self) -> None:
        self.packages = {name: list(versions) for name, versions in ARCHIVE.items()}
        self.asked: list[list[str]] = []
        self.compilers: list[KernelSource] = []

    def command(self, words: Sequence[str], *, fetches: str = "") -> str:
        self.asked.append([str(word) for word in words])
        if "search" in words:
            pattern = re.compile(words[-1])
            return "".join(f"{name} - text\n" for name in self.packages if pattern.search(name))
        if "madison" in words:
            versions = self.packages.get(words[-1], [])
            return "".join(f" {words[-1]} | {one} | http://x main Packages\n" for one in versions)
        if "--variant=extract" in words:
            assert fetches
            self.extract(next(word for word in words if word.startswith("--include=")), words)
        return ""

    def extract(self, included: str, words: Sequence[str]) -> None:
        root = next(Path(word) for word in words if str(word).endswith("/root"))
        release = re.findall(r"linux-headers-([^=]+)=", included)[0]
        (root / "usr" / "bin").mkdir(parents=True)
        modules = root / "lib" / "modules" / release
        boot = root / "boot"
        if f"linux-binary-{release}=" in included:
            modules = boot = root / "usr" / "lib" / "modules" / release
        headers = root / "usr" / "src" / f"linux-headers-{release}"
        for place in (modules, boot, headers):
            place.mkdir(parents=True, exist_ok=True)
        tail = "" if boot == modules else f"-{release}"
        (boot / f"vmlinuz{tail}").touch()
        (boot / f"config{tail}").write_text(f'CONFIG_CC_VERSION_TEXT="{COMPILER}"\n')
        (headers / "vmlinux").touch()
        (root / "usr" / "bin" / "su").touch()
        (root / "usr" / "bin" / "su").chmod(0o4755)
        for series in re.findall(r"linux-source-([^=]+)=", included):
            (root / "usr" / "src" / f"linux-source-{series}.tar.xz").touch()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Mirror:
    made = Mirror()
    monkeypatch.setattr(debian, "run_told", made.command)
    monkeypatch.setattr(debian, "check_compiler", made.compilers.append)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_newest_by_number_and_of_the_common_kind(mirror: Mirror, store: Store) -> None:
    source = debian_source("6.12", store)
    assert (source.release, source.version) == ("6.12.95+deb12-amd64", "6.12.95-1")
    assert source.compiler == COMPILER
    assert source.build_root == source.headers.parents[2]
    (extracting,) = (words for words in mirror.asked if "--variant=extract" in words)
    (included,) = (word for word in extracting if word.startswith("--include="))
    assert "linux-source-6.12=6.12.95-1" in included
    assert "linux-image-6.12.95+deb12-amd64=6.12.95-1" in included
    assert '--aptopt=APT::Default-Release "bookworm-backports"' in extracting


def test_one_without_source_is_passed_over(mirror: Mirror, store: Store) -> None:
    mirror.packages["linux-source-6.12"].remove("6.12.95-1")
    assert debian_source("6.12", store).version == "6.12.57-1"


def test_one_whose_image_is_not_signed_yet_is_passed_over(mirror: Mirror, store: Store) -> None:
    del mirror.packages["linux-image-6.12.95+deb12-amd64"]
    assert debian_source("6.12", store).version == "6.12.57-1"


def test_one_whose_compiler_is_another_is_not_kept(
    mirror: Mirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(_: KernelSource) -> None:
        raise InfrastructureError("another compiler")

    monkeypatch.setattr(debian, "check_compiler", other)
    with pytest.raises(InfrastructureError, match="another compiler"):
        debian_source("6.12", store)
    assert kept_kernels(store, "6.12") == []
    assert mirror.asked


@pytest.mark.usefixtures("mirror")
def test_who_is_not_root_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(InfrastructureError, match="needs root"):
        debian_source("6.12", store)


def test_older_one_is_not_taken_for_a_damaged_newer_one(mirror: Mirror, store: Store) -> None:
    new = debian_source("6.12", store)
    mirror.packages["linux-source-6.12"].remove("6.12.95-1")
    assert fetch("6.12", store).name == "debian-6.12-6.12.57-1"
    mirror.packages["linux-source-6.12"].append("6.12.95-1")
    assert debian_source("6.12", store) == new
    new.config.write_text("damaged")
    assert kept_kernels(store, "6.12") == []
    assert debian_source("6.12", store) == new
    assert new.config.read_text() != "damaged"


@pytest.mark.usefixtures("mirror")
def test_copy_is_no_entry(store: Store) -> None:
    debian_source("6.12", store)
    place = store.root / KIND / "debian-6.12-6.12.95-1"
    shutil.copytree(place, place.with_name(f"{place.name}.backup9"), symlinks=True)
    assert kept_kernels(store, "6.12") == [place]


@pytest.mark.usefixtures("mirror")
def test_nothing_in_there_makes_anybody_root(store: Store) -> None:
    debian_source("6.12", store)
    (program,) = (store.root / KIND).rglob("su")
    assert stat.S_IMODE(program.stat().st_mode) == 0o755


@pytest.mark.usefixtures("mirror")
def test_old_numbering(store: Store) -> None:
    assert debian_source("6.1", store).release == "6.1.0-56-amd64"


def test_image_in_several_packages(mirror: Mirror, store: Store) -> None:
    for part in ("headers", "image", "binary", "modules"):
        mirror.packages[f"linux-{part}-7.2.12+deb13-amd64"] = ["7.2.12-1"]
    mirror.packages["linux-source-7.2"] = ["7.2.12-1"]
    source = debian_source("7.2", store)
    assert source.image.name == "vmlinuz"
    assert source.modules.parts[-4:] == ("usr", "lib", "modules", "7.2.12+deb13-amd64")


def test_what_is_in_the_store_is_not_fetched_again(mirror: Mirror, store: Store) -> None:
    first = debian_source("6.12", store)
    mirror.asked.clear()
    assert debian_source("6.12", store) == first
    assert mirror.asked == []


def test_newer_one_is_fetched_when_asked_for(mirror: Mirror, store: Store) -> None:
    old = debian_source("6.12", store)
    release = "6.12.100+deb12-amd64"
    for name in (f"linux-headers-{release}", f"linux-image-{release}", "linux-source-6.12"):
        mirror.packages.setdefault(name, []).append("6.12.100-1")
    assert fetch("6.12", store).name == "debian-6.12-6.12.100-1"
    assert debian_source("6.12", store).version == "6.12.100-1"
    assert [place.name for place in kept_kernels(store, "6.12")] == [
        "debian-6.12-6.12.100-1",
        f"debian-6.12-{old.version}",
    ]
    assert kept_kernels(store, "6.1") == []


@pytest.mark.usefixtures("mirror")
@pytest.mark.usefixtures("mirror")
def test_nothing_to_build_modules_from_is_left_out(store: Store) -> None:
    source = debian_source("6.12", store)
    assert not (source.headers / "vmlinux").exists()


@pytest.mark.parametrize("series", ["7.3", "", "../x"])
def test_unknown_series(series: str, mirror: Mirror, store: Store) -> None:
    with pytest.raises(UserError, match=r"known are debian:5\.10, debian:6\.1,"):
        debian_source(series, store)
    assert mirror.asked == []


def test_series_that_is_gone(mirror: Mirror, store: Store) -> None:
    mirror.packages.clear()
    with pytest.raises(InfrastructureError, match=r"Debian has no 6\.12 with headers and source"):
        debian_source("6.12", store)
    assert kept_kernels(store, "6.12") == []


@pytest.mark.usefixtures("mirror")
@pytest.mark.usefixtures("mirror")
def test_damaged_entry_is_fetched_again(store: Store) -> None:
    source = debian_source("6.12", store)
    source.config.write_text("")
    assert debian_source("6.12", store).compiler == COMPILER


def test_mirror_that_does_not_answer_is_told() -> None:
    with pytest.raises(InfrastructureError, match="can't fetch a kernel from Debian: E: no route"):
        run_told(["sh", "-c", "echo noise; echo E: no route >&2; exit 100"], fetches=debian.WHAT)


def test_every_series_names_its_mirror() -> None:
    for release in RELEASES.values():
        base, kernels = release.lines
        assert base.split()[2] == release.suite
        assert kernels.split()[2] == release.newest
        assert ("security" in kernels.split()[1]) == release.newest.endswith("-security")


@pytest.mark.usefixtures("mirror")
@pytest.mark.usefixtures("mirror")
def test_facts_are_kept(store: Store) -> None:
    debian_source("6.12", store)
    entry = store.root / KIND / "debian-6.12-6.12.95-1" / "facts.json"
    assert json.loads(entry.read_text()) == {
        "release": "6.12.95+deb12-amd64",
        "version": "6.12.95-1",
    }


def test_names(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    monkeypatch.setattr(sources, "debian_source", lambda series, *_: f"the {series}")
    asked = (store, read_configuration(), ExitStack())
    assert str(find_source("debian:5.10", *asked)) == "the 5.10"
    with pytest.raises(UserError, match=r"unknown kernel 'linus': known are distro, debian:5\.10"):
        find_source("linus", *asked)
