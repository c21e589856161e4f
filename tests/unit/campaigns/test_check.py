# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check refuses before it builds anything."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns import check as module
from ksuite.campaigns import trial
from ksuite.campaigns.building import Builder, Variants
from ksuite.campaigns.check import Check
from ksuite.campaigns.options import Build, CheckOptions
from ksuite.campaigns.suites import TC, VHOST
from ksuite.errors import (
    DoesNotBoot,
    DoesNotCompile,
    GuestNotReady,
    InfrastructureError,
    KernelFault,
    NothingToCompare,
    UserError,
)
from ksuite.kernels.elf import code_digest
from ksuite.kernels.trees import Tree
from ksuite.machines.machine import Root
from ksuite.measure.result import BASE, CANDIDATE, VARIANTS

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.errors import KsuiteError
    from ksuite.kernels.source import KernelSource


@pytest.fixture
def folder(checkout: Path, tmp_path: Path) -> Path:
    """Return a copy of the default series that can be changed."""
    patches = checkout / "patches" / "vhost-rx-tx-limits"
    # It has forms for other kernels below it.
    return shutil.copytree(patches, tmp_path / "series", ignore=shutil.ignore_patterns("[0-9].*"))


def set_kernels(folder: Path, kernels: str, before: str = ">=6.1,<6.2") -> str:
    meta = folder / "meta.toml"
    text = meta.read_text()
    assert f'kernels = "{before}"' in text
    meta.write_text(text.replace(before, kernels))
    return str(folder)


def test_series_for_this_kernel(folder: Path) -> None:
    check = Check(CheckOptions(set_kernels(folder, ">=6.1,<6.2")))
    assert [suite.name for suite in check.suites] == ["vhost"]


def test_series_for_another_kernel_is_not_compared(folder: Path) -> None:
    with pytest.raises(NothingToCompare, match=r"for kernels >=6\.12, and this one is 6\.1\."):
        Check(CheckOptions(set_kernels(folder, ">=6.12")))


def test_form_for_this_kernel_is_taken(folder: Path) -> None:
    newer = shutil.copytree(folder, folder.parent / "newer")
    set_kernels(folder, ">=6.12")
    set_kernels(newer, ">=7")
    shutil.copytree(newer, folder / "7")
    with pytest.raises(NothingToCompare, match=r">=6\.12 or >=7, and this one is 6\.1\."):
        Check(CheckOptions(str(folder)))
    set_kernels(newer, ">=6.1,<6.2", ">=7")
    shutil.copytree(newer, folder / "6.1")
    assert Check(CheckOptions(str(folder))).series.origin == str(folder / "6.1")


def test_range_that_makes_no_sense(folder: Path) -> None:
    with pytest.raises(UserError, match=r"meta\.toml: kernels"):
        Check(CheckOptions(set_kernels(folder, "six")))


def test_series_of_no_suite_is_not_passed(checkout: Path) -> None:
    series = checkout / "tests" / "broken" / "input" / "not-ours.patch"
    check = Check(CheckOptions(str(series)), [VHOST])
    with pytest.raises(NothingToCompare, match="no scenario exercises"):
        check.must_fit(check.suites)
    asked = Check(CheckOptions(str(series), any_change=True), [VHOST])
    asked.must_fit(asked.suites)


def test_unpatched_series_says_which_modules_to_build_and_nothing_else() -> None:
    """What is built of the distro's source is the distro's module, instruction by instruction."""
    check = Check(CheckOptions("", unpatched=True), [TC])
    builds = check._build().builds
    [module] = builds[CANDIDATE].modules
    assert builds[BASE].modules == (module,)
    distro = check.source.modules / "kernel" / "net" / "sched" / "act_mirred.ko"
    assert (module.name, module.code_digest) == ("act_mirred", code_digest(distro))
    patched = Check(CheckOptions(""), [TC])._build().builds
    assert module.code_digest not in {patched[name].modules[0].code_digest for name in VARIANTS}


ADDING = """\
diff --git a/drivers/vhost/Kconfig b/drivers/vhost/Kconfig
--- a/drivers/vhost/Kconfig
+++ b/drivers/vhost/Kconfig
@@ -1,1 +1,3 @@
+config VHOST_SPEEDY
+\tbool "faster"
 # SPDX-License-Identifier: GPL-2.0-only
"""


@pytest.mark.parametrize(("unpatched", "added"), [(False, {"VHOST_SPEEDY"}), (True, set())])
def test_kernel_without_the_series_need_not_know_what_it_adds(
    tmp_path: Path, unpatched: bool, added: set[str]
) -> None:
    series, fragment = tmp_path / "speedy.patch", tmp_path / "own.config"
    series.write_text(ADDING)
    fragment.write_text("CONFIG_VHOST_SPEEDY=y\n")
    options = CheckOptions(str(series), config=(str(fragment),), unpatched=unpatched)
    assert Check(options, [VHOST])._configuration.added == added


@pytest.mark.parametrize(
    ("unpatched", "error", "code"), [(False, NothingToCompare, 4), (True, DoesNotCompile, 1)]
)
def test_kernel_that_does_not_compile_before_the_series(
    monkeypatch: pytest.MonkeyPatch, unpatched: bool, error: type[KsuiteError], code: int
) -> None:
    def find_source(*_: object) -> None:
        raise DoesNotCompile("the kernel does not compile: net/core/dev.c:1:1: error: no")

    monkeypatch.setattr(module, "find_source", find_source)
    with pytest.raises(error, match=r"net/core/dev\.c:1:1") as caught:
        Check(CheckOptions("", kernel="g@HEAD", unpatched=unpatched), [VHOST])
    assert caught.value.exit_code == code


@pytest.fixture
def own(tmp_path: Path) -> Path:
    fragment = tmp_path / "own.config"
    fragment.write_text("CONFIG_KASAN=y\n")
    return fragment


def test_configuration_of_ours_is_one_of_whole_kernels(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules that are built against the distro's kernel would pass without KASAN."""
    asked: list[tuple[Build, str]] = []

    def build(_: object, wanted: Build, why: str) -> Variants:
        asked.append((wanted, why))
        return Variants({}, dict.fromkeys(VARIANTS, source), "nothing")

    monkeypatch.setattr(Builder, "build", build)
    check = Check(CheckOptions("", config=(str(own),)), [VHOST])
    source = check.source
    check._build()
    Check(CheckOptions(""), [VHOST])._build()
    assert asked[0] == (Build.FULL, "asked for by --config")
    assert asked[1][0] is Build.AUTO


def test_configuration_of_ours_is_refused_where_nothing_of_it_is_built(
    own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = (str(own),)
    with pytest.raises(UserError, match="--config is of whole kernels, and --build module"):
        Check(CheckOptions("", config=config, build=Build.MODULE), [VHOST])
    with pytest.raises(UserError, match="distro runs from our image"):
        Check(CheckOptions("", config=config, root=Root.HOST), [VHOST])
    distro = Check(CheckOptions(""), [VHOST]).source
    theirs = replace(distro, name="theirs", tarball=None)

    def check(source: KernelSource, **options: Any) -> Check:
        monkeypatch.setattr(module, "find_source", lambda *_: source)
        return Check(CheckOptions("", kernel="theirs", config=config, **options), [VHOST])

    with pytest.raises(UserError, match=r"theirs is built.*give its source"):
        check(theirs)
    tree = Tree(tmp_path, "5eed", "0r161n")
    with pytest.raises(UserError, match=r"theirs is built.*--build full"):
        check(replace(theirs, tree=tree))
    assert check(replace(theirs, tree=tree), build=Build.FULL).source.tree == tree
    assert check(replace(theirs, tree=tree, build_id="aa")).source.build_id == "aa"


@pytest.fixture
def panics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each kernel panic as it boots whose name says so."""

    def snapshot_of(kernel: KernelSource, *_: Any) -> None:
        if kernel.name == "panics":
            raise KernelFault("panic", "Attempted to kill init!", "[ 1.0] the console")

    monkeypatch.setattr(trial, "snapshot_of", snapshot_of)


@pytest.mark.usefixtures("panics")
@pytest.mark.parametrize(
    ("broken", "error", "code", "said"),
    [
        (BASE, InfrastructureError, 3, "does not come up: panic: Attempted to kill init!"),
        (CANDIDATE, DoesNotBoot, 1, "with the series the kernel does not come up: panic: Attemp"),
    ],
)
def test_kernel_that_does_not_boot(
    broken: str, error: type[KsuiteError], code: int, said: str
) -> None:
    check = Check(CheckOptions(""), [VHOST])
    kernels = dict.fromkeys(VARIANTS, check.source)
    kernels[broken] = replace(check.source, name="panics")
    check.variants = Variants({}, kernels, "whole kernels")
    with pytest.raises(error, match=said) as caught, check._stack:
        check._prepare()
    assert caught.value.exit_code == code
    assert "[ 1.0] the console" in str(caught.value)


@pytest.mark.parametrize(
    ("broken", "fault", "error", "code"),
    [
        (CANDIDATE, GuestNotReady("no agent within 300 s"), DoesNotBoot, 1),
        (CANDIDATE, InfrastructureError("no room for it"), InfrastructureError, 3),
        (BASE, GuestNotReady("no agent within 300 s"), GuestNotReady, 3),
    ],
)
def test_kernel_that_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    fault: KsuiteError,
    error: type[KsuiteError],
    code: int,
) -> None:
    """A hang as it boots is the series' fault where the base came up; a full disk never is."""

    def snapshot_of(kernel: KernelSource, *_: Any) -> None:
        if kernel.name == "mute":
            raise fault

    monkeypatch.setattr(trial, "snapshot_of", snapshot_of)
    check = Check(CheckOptions(""), [VHOST])
    kernels = dict.fromkeys(VARIANTS, check.source)
    kernels[broken] = replace(check.source, name="mute")
    check.variants = Variants({}, kernels, "whole kernels")
    with pytest.raises(error, match=str(fault)) as caught, check._stack:
        check._prepare()
    assert caught.value.exit_code == code
