# SPDX-License-Identifier: GPL-2.0-or-later
"""What a finished build tells about who reads which header, and when that is not believed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.kernels import dependencies
from ksuite.kernels.dependencies import Dependencies, gather, read_dependencies, write_dependencies

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE, OUT = "/mnt/source", "/mnt/out"


@dataclass(frozen=True)
class Build:
    """A tree, and the directory that it was built in; make saw both at other places."""

    tree: Path
    out: Path

    def header(self, name: str) -> str:
        """Put a header into the tree, and return how make calls it."""
        write(self.tree / name, "")
        return f"{SOURCE}/{name}"

    def compiled(self, target: str, *reads: str, source: str | None = None) -> None:
        """Leave what Kbuild leaves of a compiler's run."""
        name = source or f"{target.removesuffix('.o')}.c"
        write(self.tree / name, "")
        lines = "".join(f"  {one} \\\n" for one in reads)
        self.made(
            target,
            f"cmd_{target} := gcc -I{SOURCE}/include -c -o {target} {SOURCE}/{name}\n\n"
            f"source_{target} := {SOURCE}/{name}\n\n"
            f"deps_{target} := \\\n    $(wildcard include/config/NET) \\\n{lines}\n"
            f"{target}: $(deps_{target})\n\n$(deps_{target}):\n",
        )

    def made(self, target: str, command: str) -> None:
        """Leave what Kbuild leaves of a command."""
        place = self.out / target
        write(place, "made")
        write(place.with_name(f".{place.name}.cmd"), command)

    def module(self, name: str, *objects: str) -> None:
        with (self.out / "modules.order").open("a") as order:
            order.write(f"{name}.ko\n")
        write(self.out / f"{name}.mod", "".join(f"{one}\n" for one in objects))

    def gather(self) -> Dependencies:
        return gather(self.out, {SOURCE: [self.tree], OUT: [self.out]})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Return a kernel of a built-in object and two modules, of two objects and of one."""
    build = Build(tmp_path / "tree", tmp_path / "out")
    every, own = build.header("include/linux/every.h"), build.header("include/linux/own.h")
    one, two = build.header("include/net/one.h"), build.header("include/net/two.h")
    build.compiled("net/core/dev.o", every)
    build.compiled("drivers/v/a.o", every, own, two)
    build.compiled("drivers/v/b.o", every, own)
    build.made("drivers/v/v.o", "cmd_drivers/v/v.o := ld -r -o drivers/v/v.o @drivers/v/v.mod\n")
    build.compiled("net/w/w-x.o", every, one, two)
    build.module("drivers/v/v", "drivers/v/a.o", "drivers/v/b.o")
    build.module("net/w/w-x", "net/w/w-x.o")
    return build


def test_headers_that_only_modules_read(build: Build) -> None:
    found = build.gather()
    assert found.doubt == ""
    assert found.modules == {
        "drivers/v/v.ko": ("drivers/v/a.o", "drivers/v/b.o"),
        "net/w/w-x.ko": ("net/w/w-x.o",),
    }
    assert found.readers == {
        "include/linux/own.h": ("drivers/v/a.o", "drivers/v/b.o"),
        "include/net/one.h": ("net/w/w-x.o",),
        "include/net/two.h": ("drivers/v/a.o", "net/w/w-x.o"),
    }
    assert found.modules_reading("include/linux/own.h") == ("drivers/v/v.ko",)
    assert found.modules_reading("include/net/two.h") == ("drivers/v/v.ko", "net/w/w-x.ko")
    assert found.modules_reading("include/linux/every.h") == ()
    assert found.other_reader("include/linux/every.h") == "net/core/dev.c"
    assert found.other_reader("include/net/two.h") is None


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("scripts/mod/modpost", "scripts/mod/modpost.c"),
        ("arch/x86/kernel/asm-offsets.s", "arch/x86/kernel/asm-offsets.c"),
        ("arch/x86/boot/header.o", "arch/x86/boot/header.S"),
        ("drivers/v/v.mod.o", "drivers/v/v.mod.c"),
        ("lib/left.o", "lib/left.c"),
    ],
)
def test_whatever_is_not_linked_into_a_module_counts(
    build: Build, target: str, source: str
) -> None:
    build.compiled(target, f"{SOURCE}/include/net/two.h", source=source)
    found = build.gather()
    assert found.doubt == ""
    assert found.other_reader("include/net/two.h") == source
    assert "include/net/two.h" not in found.readers
    assert "include/net/one.h" in found.readers


def test_script_that_is_given_a_header(build: Build) -> None:
    command = f"cmd_drivers/s/table.c := sed -n 's/a/b/p' {SOURCE}/include/net/one.h > table.c\n"
    build.made("drivers/s/table.c", command)
    assert build.gather().other_reader("include/net/one.h") == "drivers/s/table.c"


@pytest.mark.parametrize("prefix", ["cmd_", "savedcmd_"])
def test_each_way_to_name_a_header(build: Build, prefix: str) -> None:
    """Around corners, by a link, relative to where make ran, and what make made itself."""
    build.header("include/dt/there.h")
    (build.tree / "scripts").mkdir()
    (build.tree / "scripts/dt").symlink_to("../include/dt")
    write(build.out / "include/generated/made.h", "")
    build.compiled(
        "lib/x.o",
        f"{SOURCE}/drivers/../include/net/one.h",
        f"{SOURCE}/scripts/dt/there.h",
        "include/generated/made.h",
        f"{OUT}/include/generated/made.h",
    )
    place = build.out / "lib/.x.o.cmd"
    place.write_text(place.read_text().replace("cmd_", prefix, 1))
    found = build.gather()
    for header in ("include/net/one.h", "include/dt/there.h", "include/generated/made.h"):
        assert found.other_reader(header) == "lib/x.c"
    assert not found.unplaced


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("../../../include/net/one.h", "include/net/one.h"),
        ("one.h", "include/net/one.h"),
        ("/somewhere/else/include/net/one.h", "include/net/one.h"),
        ("source/include/net/one.h", "include/net/one.h"),
        (f"{SOURCE}/out/one.h", None),
        ("/usr/include/stdio.h", None),
        ("none.h", None),
    ],
)
def test_name_that_leads_nowhere_may_mean_any_header_like_it(
    build: Build, name: str, header: str | None
) -> None:
    (build.tree / "out").symlink_to("/usr/include")
    (build.out / "source").symlink_to("/mnt/source")
    build.compiled("tools/objtool/check.o", name)
    found = build.gather()
    assert found.doubt == ""
    said = {one: found.other_reader(one) for one in ("include/net/one.h", "include/net/two.h")}
    expected = {header: "tools/objtool/check.c"} if header else {}
    assert {one: reader for one, reader in said.items() if reader} == expected


def test_tools_name_files_from_where_they_are(build: Build) -> None:
    """What there is relative to make's directory is another file."""
    write(build.out / "include/net/one.h", "")
    build.compiled("tools/objtool/check.o", "net/one.h")
    assert build.gather().other_reader("include/net/one.h") == "tools/objtool/check.c"


def test_tree_that_is_built_in_place(build: Build) -> None:
    for top in (build.out, build.tree):
        assert gather(top, {str(top): [top]}).doubt == (
            "" if top == build.out else "there is no modules.order"
        )
    for place in build.out.rglob(".*.cmd"):
        place.write_text(place.read_text().replace(f"{SOURCE}/", ""))
    for path in build.tree.rglob("*.[ch]"):
        write(build.out / path.relative_to(build.tree), "")
    found = gather(build.out, {str(build.out): [build.out]})
    assert found.modules_reading("include/net/two.h") == ("drivers/v/v.ko", "net/w/w-x.ko")
    assert found.other_reader("include/linux/every.h") == "net/core/dev.c"


def test_old_form_of_what_modules_are_linked_from(build: Build) -> None:
    """Of 5.10: on one line, then symbols that are not defined."""
    write(build.out / "drivers/v/v.mod", "drivers/v/a.o drivers/v/sub/../b.o\nprintk kfree\n")
    write(build.out / "modules.order", "kernel/drivers/v/v.ko\nnet/w/w-x.o\n")
    assert build.gather().modules == {
        "drivers/v/v.ko": ("drivers/v/a.o", "drivers/v/b.o"),
        "net/w/w-x.ko": ("net/w/w-x.o",),
    }


def test_same_build_gives_the_same_file(build: Build, tmp_path: Path) -> None:
    named = {SOURCE: [build.tree], OUT: [build.out]}
    write_dependencies(build.out, named, tmp_path / "first")
    order = build.out / "modules.order"
    order.write_text("".join(sorted(order.read_text().splitlines(keepends=True), reverse=True)))
    write_dependencies(build.out, named, tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert read_dependencies(tmp_path / "first") == build.gather()


def _no_order(build: Build) -> None:
    (build.out / "modules.order").unlink()


def _no_mod(build: Build) -> None:
    (build.out / "drivers/v/v.mod").unlink()


def _no_command(build: Build) -> None:
    (build.out / "net/core/.dev.o.cmd").unlink()


def _no_part(build: Build) -> None:
    (build.out / "drivers/v/b.o").unlink()
    (build.out / "drivers/v/.b.o.cmd").unlink()


def _compiled_untold(build: Build) -> None:
    build.made("net/core/sock.o", f"cmd_net/core/sock.o := gcc -I{SOURCE}/include -c sock.c\n")


def _cut_off(build: Build) -> None:
    place = build.out / "net/core/.dev.o.cmd"
    place.write_text(place.read_text().partition("every.h")[0])


def _too_long(build: Build) -> None:
    with (build.out / "net/core/.dev.o.cmd").open("a") as file:
        file.truncate(dependencies.FILE_BYTES)


def _linked(build: Build) -> None:
    (build.out / "net/core/.dev.o.cmd").unlink()
    (build.out / "net/core/.dev.o.cmd").symlink_to("/etc/passwd")


def _fifo(build: Build) -> None:
    (build.out / "drivers/v/.v.o.cmd").unlink()
    os.mkfifo(build.out / "drivers/v/.v.o.cmd")


def _nul(build: Build) -> None:
    build.compiled("net/core/dev.o", f"{SOURCE}/a\0b.h")


def _newline(build: Build) -> None:
    write(build.out / "net/core/a\nb", "")


def _no_utf8(build: Build) -> None:
    (build.out / os.fsdecode(b"net/core/.\xff.o.cmd")).touch()


def _dots(build: Build) -> None:
    for name in ("..cmd", "...cmd", "....cmd", ".cmd"):
        (build.out / "net" / name).touch()


def _deep(build: Build) -> None:
    (build.out / "/".join("d" * (dependencies.DEPTH + 3))).mkdir(parents=True)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_order, "there is no modules.order"),
        (_no_mod, "there is no drivers/v/v.mod"),
        (_no_command, "nothing says how net/core/dev.o was made"),
        (_no_part, "nothing says how drivers/v/b.o was made"),
        (_compiled_untold, "nothing says what net/core/sock.o was made from"),
        (_cut_off, "nothing says what net/core/dev.o was made from"),
        (_too_long, "net/core/.dev.o.cmd is too long"),
        (_linked, "net/core/.dev.o.cmd can't be read"),
        (_fifo, "drivers/v/.v.o.cmd can't be read"),
        (_deep, "too deep"),
        (_nul, "net/core/.dev.o.cmd is no text"),
        (_newline, r"there is a file called 'a\nb'"),
        (_no_utf8, r"there is a file called '.\udcff.o.cmd'"),
        (_dots, "nothing says what"),
    ],
)
def test_build_that_is_not_understood_proves_nothing(
    build: Build, spoil: Callable[[Build], None], said: str
) -> None:
    spoil(build)
    found = build.gather()
    assert said in found.doubt
    assert found == Dependencies(doubt=found.doubt)
    assert found.modules_reading("include/net/one.h") == ()


def test_names_that_no_file_can_have(build: Build) -> None:
    build.compiled("lib/x.o", f"{SOURCE}/{'n' * 300}.h", f"{SOURCE}/{'d/' * 3000}x.h")
    found = build.gather()
    assert found.doubt == ""
    assert found.modules_reading("include/net/one.h") == ("net/w/w-x.ko",)


def test_all_of_it_is_bounded(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependencies, "ALL_BYTES", 500)
    assert build.gather().doubt.endswith("is too long")


def test_what_is_not_part_of_the_build_is_not_looked_at(build: Build) -> None:
    for name in (
        "results/x.o",
        "modinstall/x.o",
        "tools/testing/x.o",
        ".tmp_vmlinux2.o",
        "vmlinux.o",
    ):
        write(build.out / name, "")
    assert build.gather().doubt == ""
    write(build.out / "net/results/x.o", "")
    assert build.gather().doubt == "nothing says how net/results/x.o was made"


def test_kernel_without_any() -> None:
    assert read_dependencies(None).doubt
