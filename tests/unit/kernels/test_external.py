# SPDX-License-Identifier: GPL-2.0-or-later
"""Out-of-tree modules, built with the distro's headers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import DoesNotCompile, ExitCode, UserError
from ksuite.kernels import external
from ksuite.kernels.elf import build_id, code_digest
from ksuite.kernels.external import How, build_external
from ksuite.kernels.modulesource import read_module
from ksuite.kernels.room import Room
from ksuite.kernels.store import Store
from tests.unit.kernels.external import CODE, DKMS, TINY, a_module, log_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ksuite.kernels.built import ModuleBuild
    from ksuite.kernels.source import KernelSource

TWO = {
    "Kbuild": "obj-m := ks-upper.o ks_lower.o\n",
    "ks_lower.c": CODE + "int ks_lower(void);\nint ks_lower(void) { return 1; }\n"
    "EXPORT_SYMBOL_GPL(ks_lower);\n",
    "ks-upper.c": CODE + "int ks_lower(void);\n"
    "static int __init up(void) { return ks_lower(); }\nmodule_init(up);\n",
}


@pytest.fixture(scope="module")
def tiny(source: KernelSource, builds: Store) -> ModuleBuild:
    return build_external(source, a_module(TINY), How(), builds)


def names(build: ModuleBuild) -> list[str]:
    return [module.name for module in build.modules]


def fails(
    source: KernelSource, files: Mapping[str, str], how: How, builds: Store, says: str
) -> DoesNotCompile:
    with pytest.raises(DoesNotCompile, match=says) as caught:
        build_external(source, a_module(files), how, builds)
    assert caught.value.exit_code == ExitCode.FAIL
    assert list((builds.root / ".tmp").iterdir()) == []
    return caught.value


def test_kbuild_builds_one(tiny: ModuleBuild, source: KernelSource) -> None:
    (module,) = tiny.modules
    assert (module.name, module.path.name) == ("ks_tiny", "ks_tiny.ko")
    assert (module.build_id, module.code_digest) == (
        build_id(module.path),
        code_digest(module.path),
    )
    assert f"vermagic={source.release} ".encode() in module.path.read_bytes()
    assert tiny.vmlinux_id == source.build_id
    assert not tiny.cached


def test_the_same_is_built_once(tiny: ModuleBuild, source: KernelSource, builds: Store) -> None:
    again = build_external(source, replace(a_module(TINY), name="other"), How(), builds)
    assert again.cached
    assert (again.key, again.modules) == (tiny.key, tiny.modules)


def test_the_same_is_the_same_bytes_elsewhere(
    tiny: ModuleBuild, source: KernelSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the user's environment tells make, and wherever the room is."""
    for name in ("KCFLAGS", "CC", "MAKEFLAGS", "LDFLAGS_MODULE", "KBUILD_MODPOST_WARN", "M"):
        monkeypatch.setenv(name, "-n --broken")
    (tmp_path / "source").mkdir()
    for name, text in TINY.items():
        (tmp_path / "source" / name).write_text(text)
    (module,) = build_external(
        source, read_module(tmp_path / "source"), How(), Store(tmp_path / "store")
    ).modules
    assert module.path.read_bytes() == tiny.modules[0].path.read_bytes()


def test_dkms_builds_the_same_code(tiny: ModuleBuild, source: KernelSource, builds: Store) -> None:
    files = {"sub/dkms.conf": DKMS} | {f"sub/{name}": text for name, text in TINY.items()}
    build = build_external(source, a_module(files), How(dkms="sub/dkms.conf"), builds)
    assert names(build) == ["ks_tiny"]
    assert build.modules[0].code_digest == tiny.modules[0].code_digest
    assert build.key != tiny.key


def test_dkms_says_how_and_where(source: KernelSource, builds: Store) -> None:
    more = (
        'MAKE="make -C src KS=$kernelver"\nBUILT_MODULE_NAME=ks_tiny\nBUILT_MODULE_LOCATION=src\n'
    )
    makefile = "modules:\n\t$(MAKE) -C $(kernel_source_dir) M=$(CURDIR) CFLAGS_ks_tiny.o=-D$(ks)\n"
    makefile = makefile.replace("$(ks)", "KS='\\\"$(KS)\\\"'")
    code = CODE + 'MODULE_INFO(ks, "built for " KS);\n'
    files = {"dkms.conf": DKMS + more, "src/Makefile": makefile, "src/ks_tiny.c": code}
    files["src/Kbuild"] = TINY["Kbuild"]
    (module,) = build_external(source, a_module(files), How(dkms="dkms.conf"), builds).modules
    assert f"ks=built for {source.release}\0".encode() in module.path.read_bytes()


def test_one_module_uses_another(source: KernelSource, builds: Store) -> None:
    both = build_external(source, a_module(TWO), How(), builds)
    assert names(both) == ["ks_upper", "ks_lower"]
    assert both.modules[0].path.name == "ks-upper.ko"
    assert b"depends=ks_lower\0" in both.modules[0].path.read_bytes()
    how = How(modules=("ks_lower", "ks-upper"))
    assert names(build_external(source, a_module(TWO), how, builds)) == ["ks_lower", "ks_upper"]


def test_one_of_two_is_wanted(source: KernelSource, builds: Store) -> None:
    build = build_external(source, a_module(TWO), How(modules=("ks_lower",)), builds)
    assert names(build) == ["ks_lower"]


def test_one_that_is_not_built_is_wanted(source: KernelSource, builds: Store) -> None:
    says = "the build made no module ks_none; it made: ks_tiny"
    fails(source, TINY, How(modules=("ks_tiny", "ks_none")), builds, says)


def test_arguments_for_make_and_another_directory(source: KernelSource, builds: Store) -> None:
    files = {"d/Kbuild": "obj-$(KS_WANTED) := ks_tiny.o\nccflags-y := -include $(src)/../up.h\n"}
    files |= {"d/ks_tiny.c": CODE + "MODULE_INFO(ks, UP);\n", "up.h": '#define UP "from above"\n'}
    how = How(kbuild="d", make=("KS_WANTED=m",))
    (module,) = build_external(source, a_module(files), how, builds).modules
    assert b"ks=from above\0" in module.path.read_bytes()
    fails(source, files, How(kbuild="d"), builds, "the build made no module in d: is there")


@pytest.mark.parametrize("how", [How(), How(dkms="dkms.conf")])
def test_an_error_is_shown_and_the_log_kept(how: How, source: KernelSource, builds: Store) -> None:
    files = {**TINY, "dkms.conf": DKMS, "ks_tiny.c": f"{CODE}\nint wrong = no_such_name;\n"}
    error = fails(source, files, how, builds, r"mine does not compile for 6\.1\.")
    assert "ks_tiny.c:4:13: error: " in str(error)
    assert "no_such_name" in log_of(error)


def test_a_symbol_that_no_module_may_use(source: KernelSource, builds: Store) -> None:
    code = f"{CODE}void ks_nowhere(void);\nvoid *ks_test = ks_nowhere;\n"
    says = r'modpost: "ks_nowhere" .* undefined'
    fails(source, {**TINY, "ks_tiny.c": code}, How(), builds, says)


def test_nothing_to_build(source: KernelSource, builds: Store) -> None:
    fails(source, {"README": ""}, How(), builds, "does not compile .*(?s:.)*Makefile")
    fails(source, {"Kbuild": ""}, How(), builds, "the build made no module in .: is there a Kbuild")
    fails(source, {"dkms.conf": DKMS + "MAKE=true\n"}, How(dkms="dkms.conf"), builds, "made no ")
    with pytest.raises(UserError, match=r"there is no dkms\.conf in mine"):
        build_external(source, a_module(TINY), How(dkms="dkms.conf"), builds)


def test_modules_are_found_where_they_are(source: KernelSource, tmp_path: Path) -> None:
    for name in ("top/source/d", "top/other", "away"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "ks_x.ko").touch()
    room = Room(source, tmp_path / "top")
    assert list(external._made(room, "source")) == ["source/d/ks_x.ko"]
    for name in ("-n.ko", "a\nb.ko", os_name := "\udcff.ko"):
        (room.top / "source" / name).touch()
    assert (room.top / "source" / os_name).exists()
    (room.top / "source/up").symlink_to(tmp_path / "away")
    (room.top / "linked").symlink_to(tmp_path / "away")
    assert list(external._made(room, "source")) == ["source/d/ks_x.ko"]
    assert list(external._made(room, "linked")) == []
    assert list(external._made(room, "none")) == []
