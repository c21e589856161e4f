# SPDX-License-Identifier: GPL-2.0-or-later
"""Module builds, with the distro's compiler on the distro's source."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import DoesNotCompile, ExitCode, InfrastructureError, NeedsFullBuild
from ksuite.kernels import build as building
from ksuite.kernels.build import build_modules
from ksuite.kernels.built import BuiltModule, ModuleBuild
from ksuite.kernels.elf import build_id, code_digest
from ksuite.kernels.plan import ModuleTarget, plan_modules
from ksuite.kernels.series import Patch
from ksuite.kernels.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Protocol

    from ksuite.kernels.source import KernelSource

    class Edit(Protocol):
        """See conftest."""

        def __call__(self, file: str, old: str, new: str) -> Patch:
            """Return the patch."""

    class Builder(Protocol):
        """Builds vhost_net with patches."""

        def __call__(self, *patches: Patch, store: Store | None = None) -> ModuleBuild:
            """Return the build."""


NET = "drivers/vhost/net.c"
COMMENT = "/* Max number of packets transferred before requeueing the job."
WEIGHT = "#define VHOST_NET_PKT_WEIGHT 256"


@pytest.fixture(scope="module")
def targets(source: KernelSource, tree: Path) -> tuple[ModuleTarget, ...]:
    return plan_modules(source, tree, [NET])


@pytest.fixture
def build(
    source: KernelSource, tree: Path, targets: tuple[ModuleTarget, ...], builds: Store
) -> Builder:
    def with_patches(*patches: Patch, store: Store | None = None) -> ModuleBuild:
        return build_modules(source, tree, targets, patches, store or builds)

    return with_patches


def only(build: ModuleBuild) -> BuiltModule:
    (module,) = build.modules
    return module


def test_the_distros_source_gives_the_distros_code(build: Builder, source: KernelSource) -> None:
    module = only(build())
    theirs = source.modules / "kernel/drivers/vhost/vhost_net.ko"
    assert module.code_digest == code_digest(theirs)
    assert module.name == "vhost_net"
    assert module.path.name == "vhost_net.ko"
    assert build_id(module.path) == module.build_id
    assert len(bytes.fromhex(module.build_id)) == 20


def test_the_same_input_is_built_once(build: Builder, edit: Edit) -> None:
    there = edit(NET, WEIGHT, WEIGHT.replace("256", "128"))
    back = there.text.replace(b"WEIGHT 256", b"WEIGHT 0").replace(b"WEIGHT 128", b"WEIGHT 256")
    first = build()
    second = build(there, replace(there, text=back.replace(b"WEIGHT 0", b"WEIGHT 128")))
    assert second.cached
    assert second.key == first.key
    assert second.modules == first.modules


def test_the_build_id_depends_on_the_code_only(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KCFLAGS", "CC", "MAKEFLAGS", "LDFLAGS_MODULE", "KBUILD_MODPOST_WARN"):
        monkeypatch.setenv(name, "-n --broken")
    again = build(store=Store(tmp_path))
    assert not again.cached
    assert only(again).path.read_bytes() == only(build()).path.read_bytes()


def test_the_key_has_the_linker(
    source: KernelSource,
    tree: Path,
    targets: tuple[ModuleTarget, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for a build root, which has its own and stands for it."""
    root = tmp_path / "debian-6.1-1" / "root"
    rooted = replace(source, build_root=root)
    jobs: list[building._Job] = []

    def obtained(job: building._Job, _: Store) -> ModuleBuild:
        jobs.append(job)
        return ModuleBuild(job.key, (), cached=True)

    monkeypatch.setattr(building, "_obtain", obtained)
    monkeypatch.setattr(building, "check_compiler", lambda _: None)
    for version in ("GNU ld 2.40", "GNU ld 2.41"):
        monkeypatch.setattr(building, "linker_version", lambda version=version: version)
        for kernel in (source, rooted):
            build_modules(kernel, tree, targets, [], Store(tmp_path))
    here, there, here_later, there_later = (job.key for job in jobs)
    assert here != here_later
    assert there == there_later


def test_a_comment_on_its_line_keeps_the_code(build: Builder, edit: Edit) -> None:
    module = only(build(edit(NET, COMMENT, f"{COMMENT} Or so.")))
    assert module.code_digest == only(build()).code_digest
    assert module.build_id == only(build()).build_id


def test_a_comment_that_moves_lines_moves_line_numbers(build: Builder, edit: Edit) -> None:
    module = only(build(edit(NET, COMMENT, f"/* More. */\n{COMMENT}")))
    # pr_debug's records in __dyndbg hold line numbers; see elf.
    assert module.code_digest != only(build()).code_digest


def test_one_constant_is_another_code(build: Builder, edit: Edit) -> None:
    changed = build(edit(NET, WEIGHT, WEIGHT.replace("256", "255")))
    assert only(changed).code_digest != only(build()).code_digest
    assert only(changed).build_id != only(build()).build_id
    assert changed.key != build().key


def test_a_compiler_error_is_shown_and_the_log_kept(
    build: Builder, edit: Edit, builds: Store
) -> None:
    build()
    wrong = edit(NET, WEIGHT, f"{WEIGHT}\nint ks_test = no_such_name;")
    with pytest.raises(DoesNotCompile) as caught:
        build(wrong)
    text = str(caught.value)
    assert "\ndrivers/vhost/net.c:" in text
    assert "error: " in text
    assert "no_such_name" in text
    log = Path(text.partition("the log is ")[2].partition("\n")[0])
    assert log.is_relative_to(builds.root)
    assert "no_such_name" in log.read_text()
    assert caught.value.exit_code == ExitCode.FAIL
    assert list((builds.root / ".tmp").iterdir()) == []


def test_a_symbol_that_no_module_may_use_is_the_series_fault(build: Builder, edit: Edit) -> None:
    call = "void ks_nowhere(void);\nvoid *ks_test = ks_nowhere;"
    with pytest.raises(DoesNotCompile, match=r'modpost: "ks_nowhere" .* undefined'):
        build(edit(NET, WEIGHT, f"{WEIGHT}\n{call}"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has what nobody can't read")
def test_the_compiler_cant_read_what_nobody_cant(
    build: Builder, edit: Edit, open_directory: Path
) -> None:
    """Nor what is where users have theirs, whatever its mode."""
    secret = open_directory / "secret.h"
    secret.write_text("int secret;\n")
    with pytest.raises(DoesNotCompile, match=r"secret\.h: No such file"):
        build(edit(NET, WEIGHT, f'{WEIGHT}\n#include "{secret}"'))
    with pytest.raises(DoesNotCompile, match=r"shadow: Permission denied"):
        build(edit(NET, WEIGHT, f'{WEIGHT}\n#include "/etc/shadow"'))


def test_modules_that_need_more_than_headers_are_told(
    source: KernelSource, tree: Path, builds: Store, edit: Edit
) -> None:
    file = "drivers/net/ethernet/intel/ice/ice_main.c"
    targets = plan_modules(source, tree, [file])
    patch = edit(file, "#define DRV_SUMMARY", "#define DRV_UNUSED 1\n#define DRV_SUMMARY")
    with pytest.raises(NeedsFullBuild, match="even without the series") as caught:
        build_modules(source, tree, targets, [patch], builds)
    assert caught.value.exit_code == ExitCode.INCOMPARABLE


def test_what_the_plan_didnt_see_is_refused(build: Builder, edit: Edit, tree: Path) -> None:
    with pytest.raises(NeedsFullBuild, match=r"net/core/dev\.c is outside of what gets built"):
        build(
            edit("net/core/dev.c", "DEFINE_SPINLOCK(ptype_lock);", "DEFINE_SPINLOCK(ptype_lock) ;")
        )
    lines = (tree / "drivers/vhost/vringh.c").read_text().splitlines(keepends=True)
    text = f"--- a/drivers/vhost/vringh.c\n+++ /dev/null\n@@ -1,{len(lines)} +0,0 @@\n"
    text += "".join(f"-{line}" for line in lines)
    gone = Patch("gone", "gone", text.encode(), ("drivers/vhost/vringh.c",))
    with pytest.raises(NeedsFullBuild, match=r"the series removes drivers/vhost/vringh\.c"):
        build(gone)


def test_a_new_header_of_the_module_is_used(build: Builder, edit: Edit) -> None:
    name = "drivers/vhost/ks_new.h"
    header = f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+{WEIGHT}\n"
    new = Patch("new", "new", header.encode(), (name,))
    module = only(build(new, edit(NET, WEIGHT, '#include "ks_new.h"')))
    assert module.code_digest == only(build()).code_digest


def test_a_damaged_module_is_built_anew(build: Builder) -> None:
    path = only(build()).path
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert not build().cached
    assert path.read_bytes() == whole
    assert build().cached


@pytest.mark.parametrize("size", ["200k", "600k"])
def test_a_full_temporary_disk_is_our_fault(
    size: str,
    build: Builder,
    tmp_path: Path,
    tiny_disk: Callable[[str], AbstractContextManager[Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tiny_disk(size) as directory:
        monkeypatch.setattr(tempfile, "tempdir", str(directory))
        with pytest.raises(InfrastructureError, match=r"disk full|free space there") as caught:
            build(store=Store(tmp_path))
        assert caught.value.exit_code == ExitCode.INFRASTRUCTURE
        assert list(directory.iterdir()) == []


VICTIM = """
import sys, tempfile
from pathlib import Path
from ksuite.kernels.build import build_modules
from ksuite.kernels.plan import ModuleTarget
from ksuite.kernels.source import distro_source
from ksuite.kernels.store import Store
tree, store, tempfile.tempdir = sys.argv[1:4]
# It takes long enough to die of the kill, not of old age.
target = ModuleTarget("ext4", "fs/ext4", (), "ext4.ko")
build_modules(distro_source(), Path(tree), [target], [], Store(Path(store)))
"""


def processes_of(directory: Path) -> list[str]:
    """Return the command lines that name a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{directory}/ksuite-" in line:
            found.append(line)
    return found


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_kill_9_in_mid_build_leaves_nothing(
    build: Builder,
    tree: Path,
    tmp_path: Path,
    open_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = [sys.executable, "-c", VICTIM, str(tree), str(tmp_path), str(open_directory)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3]) as victim:
        wait_until(lambda: any("cc1" in line for line in processes_of(open_directory)), 30)
        victim.kill()
    wait_until(lambda: not processes_of(open_directory), 2)
    monkeypatch.setattr(tempfile, "tempdir", str(open_directory))
    assert not build(store=Store(tmp_path)).cached
    assert list(open_directory.iterdir()) == []
    assert list((tmp_path / ".tmp").iterdir()) == []
