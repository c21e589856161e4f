# SPDX-License-Identifier: GPL-2.0-or-later
"""Which modules hold the code of which files, on the distro's own source."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import ExitCode, NeedsFullBuild, NothingToCompare
from ksuite.kernels.dependencies import Dependencies
from ksuite.kernels.kbuild import evaluate
from ksuite.kernels.plan import plan_modules, plan_once
from ksuite.kernels.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ksuite.kernels.source import KernelSource


SHARED, IN_CORE = "include/linux/vhost_iotlb.h", "net/core/dev.h"
MODULES = {
    "drivers/vhost/vhost.ko": ("drivers/vhost/vhost.o",),
    "drivers/vhost/vhost_iotlb.ko": ("drivers/vhost/iotlb.o",),
    "drivers/vhost/vhost_net.ko": ("drivers/vhost/net.o",),
    "net/openvswitch/vport-gre.ko": ("net/openvswitch/vport-gre.o",),
}


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        pytest.param(["drivers/vhost/net.c"], ["vhost_net"], id="composite of one"),
        pytest.param(["drivers/vhost/vhost.c"], ["vhost"], id="simple"),
        pytest.param(
            ["drivers/vhost/net.c", "drivers/vhost/vhost.c", "Documentation/a.txt"],
            ["vhost", "vhost_net"],
            id="two modules",
        ),
        pytest.param(
            ["drivers/vhost/vhost.h"],
            ["vhost", "vhost_net", "vhost_scsi", "vhost_vsock"],
            id="header",
        ),
        pytest.param(["net/openvswitch/flow.c"], ["openvswitch"], id="composite of many"),
        pytest.param(["net/openvswitch/vport-vxlan.c"], ["vport_vxlan"], id="dash in the name"),
        pytest.param(
            ["drivers/net/ethernet/mellanox/mlx5/core/en/rx_res.c"],
            ["mlx5_core"],
            id="object in a sub-directory",
        ),
        pytest.param(["drivers/net/tun.c", "net/sched/sch_fq.c"], ["sch_fq", "tun"], id="two dirs"),
        pytest.param(
            ["drivers/vhost/net.c", "drivers/vhost/new.h"], ["vhost_net"], id="new header"
        ),
    ],
)
def test_files_belong_to_modules(
    files: list[str], modules: list[str], source: KernelSource, tree: Path
) -> None:
    assert [target.name for target in plan_modules(source, tree, files)] == modules


def test_a_target_says_what_to_build(source: KernelSource, tree: Path) -> None:
    (target,) = plan_modules(source, tree, ["net/openvswitch/vport-gre.c"])
    assert target.name == "vport_gre"
    assert target.file == "vport-gre.ko"
    assert target.directory == "net/openvswitch"
    assert target.objects == ("net/openvswitch/vport-gre.o",)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("net/core/dev.c", "net/core/dev.c is built into the kernel"),
        ("drivers/vhost/vdpa.c", "is not compiled into any module by this configuration"),
        ("drivers/vhost/test.h", "no module of this configuration includes"),
        ("drivers/vhost/new.c", "is a new source file"),
        ("drivers/vhost/new.h", "no module of this configuration includes"),
        ("drivers/vhost/Kconfig", "is neither C source nor a header"),
        ("drivers/vhost/Makefile", "is neither C source nor a header"),
        ("arch/x86/entry/entry_64.S", "is neither C source nor a header"),
        ("include/linux/vhost_iotlb.h", "is for more than the modules of one directory"),
        ("include/uapi/linux/vhost.h", "is for more than the modules of one directory"),
        ("arch/x86/include/asm/io.h", "is for more than the modules of one directory"),
        ("tools/objtool/check.c", "is for more than the modules of one directory"),
        ("net/core/dev.h", "which has built-in code"),
        ("net/bridge/br_private.h", "is also included by include/net/netfilter/br_netfilter.h"),
        ("README.c", "is a new source file"),
        ("drivers/gpu/drm/amd/display/dc/core/dc.c", "doesn't stand by itself"),
    ],
)
def test_the_rest_needs_a_full_build(
    file: str, says: str, source: KernelSource, tree: Path
) -> None:
    with pytest.raises(NeedsFullBuild, match=says) as caught:
        plan_modules(source, tree, [file])
    assert "needs a full build" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.INCOMPARABLE


def test_one_file_too_many_is_enough(source: KernelSource, tree: Path) -> None:
    with pytest.raises(NeedsFullBuild, match=r"dev\.c is built into"):
        plan_modules(source, tree, ["drivers/vhost/net.c", "net/core/dev.c"])
    with pytest.raises(NeedsFullBuild, match="new, and outside of the directories"):
        plan_modules(source, tree, ["drivers/vhost/net.c", "net/openvswitch/new.h"])


@pytest.mark.parametrize(
    "files",
    [
        ["Documentation/networking/vhost.rst", "MAINTAINERS"],
        ["tools/testing/selftests/net/x.c"],
        ["samples/bpf/x.c", "drivers/vhost/README.rst"],
        [],
    ],
)
def test_what_never_runs_is_nothing_to_compare(
    files: list[str], source: KernelSource, tree: Path
) -> None:
    with pytest.raises(NothingToCompare, match="touches nothing that runs in a kernel") as caught:
        plan_modules(source, tree, files)
    assert not isinstance(caught.value, NeedsFullBuild)
    assert caught.value.exit_code == ExitCode.INCOMPARABLE


def test_a_directory_that_isnt_entered_builds_no_module(
    source: KernelSource, tree: Path, tmp_path: Path
) -> None:
    order = (source.modules / "modules.order").read_text()
    (tmp_path / "modules.order").write_text(order.replace("kernel/drivers/vhost/vhost.ko\n", ""))
    without = replace(source, modules=tmp_path)
    with pytest.raises(NeedsFullBuild, match="is not compiled into any module"):
        plan_modules(without, tree, ["drivers/vhost/vhost.c"])


def test_make_evaluates_conditions_and_composites(source: KernelSource, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/Kbuild.include").touch()
    (tmp_path / "d").mkdir()
    (tmp_path / "d/Kbuild").write_text(
        "obj-$(CONFIG_VHOST_NET) += one.o sub/\n"
        "one-y := a.o sub/b.o\n"
        "one-$(CONFIG_NET) += c.o\n"
        "one-$(CONFIG_NO_SUCH_THING) += never.o\n"
        "obj-$(CONFIG_NO_SUCH_THING) += absent.o\n"
        "obj-m += two-parts.o both.o\ntwo-parts-objs := ../e/x.o\n"
        "obj-$(CONFIG_NET) += both.o built.o\nbuilt-y := p.o\nlib-y += l.o\n"
    )
    (tmp_path / "d/Makefile").write_text("$(error Kbuild goes first)\n")
    found = evaluate(source, tmp_path, "d")
    assert dict(found.modules) == {
        "one.ko": ("d/a.o", "d/sub/b.o", "d/c.o"),
        "two-parts.ko": ("e/x.o",),
    }
    assert found.builtin == {"d/both.o", "d/built.o", "d/p.o", "d/l.o"}


def known(
    source: KernelSource, into: Path, readers: Mapping[str, tuple[str, ...]], **more: object
) -> KernelSource:
    """Return a kernel whose build left dependency files."""
    found = replace(Dependencies(modules=MODULES, readers=readers), **more)  # type: ignore[arg-type]
    path = into / "dependencies.json"
    path.write_text(found.as_json())
    return replace(source, dependencies=path)


@pytest.mark.parametrize("header", [SHARED, IN_CORE, "arch/x86/include/asm/iosf_mbi.h"])
def test_all_modules_that_read_a_header(
    header: str, source: KernelSource, tree: Path, tmp_path: Path
) -> None:
    objects = ("drivers/vhost/iotlb.o", "drivers/vhost/vhost.o", "net/openvswitch/vport-gre.o")
    kernel = known(source, tmp_path, {header: objects})
    targets = plan_modules(kernel, tree, [header])
    assert [(target.name, target.directory) for target in targets] == [
        ("vhost", "drivers/vhost"),
        ("vhost_iotlb", "drivers/vhost"),
        ("vport_gre", "net/openvswitch"),
    ]
    assert targets[2].file == "vport-gre.ko"
    more = plan_modules(kernel, tree, [header, "drivers/vhost/net.c"])
    assert [target.name for target in more] == ["vhost", "vhost_iotlb", "vhost_net", "vport_gre"]
    with pytest.raises(NeedsFullBuild, match=r"net/core/dev\.c is built into the kernel"):
        plan_modules(kernel, tree, [header, "net/core/dev.c"])


@pytest.mark.parametrize(
    ("more", "header", "says"),
    [
        pytest.param(
            {"others": {SHARED: "net/core/dev.c"}},
            SHARED,
            "vhost_iotlb.h is read by net/core/dev.c, which is not part of a module",
            id="built in, too",
        ),
        pytest.param(
            {"others": {IN_CORE: "net/core/dev.c"}}, IN_CORE, "is read by net/core", id="in core"
        ),
        pytest.param(
            {"unplaced": {"linux/vhost_iotlb.h": "scripts/a.c"}},
            SHARED,
            "vhost_iotlb.h is read by scripts/a.c",
            id="perhaps",
        ),
        pytest.param({}, "include/linux/vringh.h", "nothing is known to read it", id="unread"),
        pytest.param({}, "include/linux/new.h", "nothing is known to read it", id="new"),
        pytest.param({}, "net/core/new.h", "nothing is known to read it", id="new in core"),
        pytest.param({}, "tools/include/a.h", "is for more than the modules", id="of tools"),
        pytest.param(
            {"readers": {"include/linux/oid_registry.h": ("drivers/vhost/vhost.o",)}},
            "include/linux/oid_registry.h",
            "is also used by lib/Makefile",
            id="a source is made from it",
        ),
        pytest.param(
            {"modules": {"drivers/vhost/vhost.ko": ("drivers/vhost/vhost.o", "drivers/vhost/b.o")}},
            SHARED,
            "is read by drivers/vhost/vhost.ko, which its Makefile has otherwise",
            id="other objects",
        ),
        pytest.param(
            {"modules": {"drivers/vhost/gone.ko": ("drivers/vhost/vhost.o",)}},
            SHARED,
            "is read by drivers/vhost/gone.ko, which its Makefile has otherwise",
            id="no such module",
        ),
        pytest.param(
            {"readers": {}, "doubt": "there is no modules.order"},
            SHARED,
            "what reads it is not known: there is no modules.order",
            id="doubt",
        ),
    ],
)
def test_header_that_modules_alone_do_not_read(
    more: dict[str, object],
    header: str,
    says: str,
    source: KernelSource,
    tree: Path,
    tmp_path: Path,
) -> None:
    readers = {SHARED: ("drivers/vhost/vhost.o",)}
    kernel = known(source, tmp_path, **({"readers": readers} | more))  # type: ignore[arg-type]
    with pytest.raises(NeedsFullBuild, match=says):
        plan_modules(kernel, tree, ["drivers/vhost/net.c", header])


def test_header_of_a_module_that_the_build_does_not_read(
    source: KernelSource, tree: Path, tmp_path: Path
) -> None:
    """As one that is new: what includes it is looked for."""
    kernel = known(source, tmp_path, {})
    assert plan_modules(kernel, tree, ["drivers/vhost/vhost.h"]) == plan_modules(
        source, tree, ["drivers/vhost/vhost.h"]
    )


def test_plan_is_remembered_with_what_it_goes_by(
    source: KernelSource, tree: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    for module in ("vhost", "iotlb"):
        kernel = known(source, tmp_path, {SHARED: (f"drivers/vhost/{module}.o",)})
        (target,) = plan_once(kernel, tree, [SHARED], store)
        assert module in target.name
    with pytest.raises(NeedsFullBuild, match="its build left no dependency files"):
        plan_once(source, tree, [SHARED], store)
