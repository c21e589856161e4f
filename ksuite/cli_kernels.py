# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite kernels``: which kernels there are to judge series on; thin, over kernels/."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from ksuite.campaigns.options import OPTIONS
from ksuite.cli_commands import add_command
from ksuite.errors import ExitCode, InfrastructureError, UserError
from ksuite.kernels.debian import (
    DEBIAN,
    RELEASES,
    fetch,
    kept_kernels,
    read_source,
    release_of,
    unknown,
)
from ksuite.kernels.fragments import USUAL, read_configuration
from ksuite.kernels.full import KIND as BUILT
from ksuite.kernels.full import build_directories, build_kernel, built_kernels, facts_of, read_built
from ksuite.kernels.pruning import remove
from ksuite.kernels.source import KNOWN, distro_source, unpack
from ksuite.kernels.sources import find_source
from ksuite.kernels.store import Store
from ksuite.kernels.verifying import verify
from ksuite.report.cost_tables import as_text
from ksuite.report.progress import progress_line

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from ksuite.kernels.source import KernelSource

HELP = "list, fetch and remove the kernels that series are judged on"
DESCRIPTION = """\
Kernels for --kernel. `distro` is what this host has installed. `debian:SERIES` is the newest of a
series that one of Debian's releases has, with the headers, the source and the compiler that belong
to it: they are extracted into the store, never installed, and modules are built in there. A kernel
that is asked for and not there is fetched; `fetch` looks for a newer one, too.

TREE@REV, a revision of a git tree, and a source tarball (.tar, .tar.xz, .tar.gz, .tar.zst) are
built, in a configuration of the fragments in kconfigs/, by nobody and without network. Neither the
tree nor its repository is written. The directory of the build stays in the store, so that the next
revision or series only compiles what differs; --kernel builds by itself, and `build` only does so
before it is needed. A TREE that you have built is taken as it is, and so is IMAGE,MODULES: a
bzImage and its directory of modules, lib/modules/RELEASE, with its configuration there as `config`,
which can be judged with --unpatched. Neither is built anew.

`verify` looks through the whole store, of which kernels are a part, and names what is not whole; it
changes nothing, and can run at any time.
"""
EXIT_CODES_TOLD = """\
exit codes:
  0    done
  1    the kernel does not compile
  2    usage: no such kernel, or a configuration that it can't have
  3    infrastructure: no network, a full disk, a missing tool, a store that is not whole
  130  interrupted
"""


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add ours to a parser."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, run, text in (
        ("list", _list, "which there are, and which could be fetched"),
        ("fetch", _fetch, "get the newest of a series"),
        (
            "build",
            _build,
            "build a kernel in our configuration, from a revision, a tarball or a kernel's source",
        ),
        (
            "verify",
            _verify,
            "say what in the store is damaged, half made, left over or open to others",
        ),
        ("prune", _prune, "remove all but the newest of each series, or those that are named"),
    ):
        added = add_command(commands, name, run, text, EXIT_CODES_TOLD)
        if name == "build":
            added.add_argument(
                "name", metavar="NAME", help="distro, debian:SERIES, TREE@REV, TARBALL"
            )
            added.add_argument("--config", **OPTIONS["config"])
        elif name == "prune":
            what = f"{DEBIAN}SERIES, or {BUILT} for all that was built from source"
            added.add_argument("names", metavar="NAME", nargs="*", help=what)
        elif name == "fetch":
            added.add_argument("names", metavar=f"{DEBIAN}SERIES", nargs="+")


def _list(_options: argparse.Namespace) -> int:
    store = Store.default()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("kernel", "release", "version", "built by"):
        table.add_column(heading, no_wrap=True)
    for name in sorted(KNOWN):
        try:
            source = distro_source(name)
            table.add_row(*_row(source))
        except InfrastructureError as error:
            table.add_row(name, "not there", str(error), "")
    for series in RELEASES:
        kept = kept_kernels(store, series)
        for entry in kept:
            source = read_source(series, entry)
            table.add_row(*_row(source))
        if not kept:
            table.add_row(f"{DEBIAN}{series}", "to be fetched", "", "")
    for entry in built_kernels(store):
        facts = facts_of(entry)
        made_of = f"gcc, {facts['configuration']}"
        table.add_row(f"{BUILT}:{entry.name[:12]}", facts["release"], facts["version"], made_of)
    print(as_text(table), end="")
    return int(ExitCode.PASS)


def _row(source: KernelSource) -> tuple[str, ...]:
    compiler, _, rest = source.compiler.partition(" (")
    its_version = rest.rpartition(") ")[2].partition(" ")[0]
    return (source.name, source.release, source.version, f"{compiler} {its_version}")


def _fetch(options: argparse.Namespace) -> int:
    wanted = [_series(name) for name in options.names]
    with progress_line(sys.stderr) as progress:
        for series in wanted:
            source = read_source(series, fetch(series, Store.default(), progress))
            print(f"{source.name}: {source.release} ({source.version})")
    return int(ExitCode.PASS)


def _build(options: argparse.Namespace) -> int:
    store = Store.default()
    started = time.monotonic()
    with progress_line(sys.stderr) as progress, ExitStack() as held:
        configuration = read_configuration((*USUAL, *options.config))
        source = find_source(options.name, store, configuration, held, progress)
        if source.tree is None and source.tarball is None:
            raise UserError(f"{source.name} has no source to build a kernel from")
        # A name that stands for somebody else's build: ours is of the same source.
        if not source.build_id:
            tree = unpack(source, store)
            entry = build_kernel(tree, configuration, [], store, progress)
            source = read_built(entry, source.name, tree)
    seconds = time.monotonic() - started
    print(f"{source.name}: {source.release}, {source.image} ({seconds:.0f} s)")
    return int(ExitCode.PASS)


def _verify(_options: argparse.Namespace) -> int:
    store = Store.default()
    with progress_line(sys.stderr) as progress:
        verified = verify(store, progress)
    for fault in verified.faults:
        print(fault)
    looked = f"{verified.entries:,} entries of {store.root}"
    if verified.faults:
        print(f"{looked}: {len(verified.faults):,} things are not as they should be")
        return int(ExitCode.INFRASTRUCTURE)
    print(f"{looked}: all whole")
    return int(ExitCode.PASS)


def _prune(options: argparse.Namespace) -> int:
    store = Store.default()
    named = [_series(name) for name in options.names if name != BUILT]
    if BUILT in options.names:
        for place in (*built_kernels(store), *build_directories(store)):
            _remove(place, f"{place.parent.name}:{place.name[:12]}")
        if not named:
            return int(ExitCode.PASS)
    for series in named or RELEASES:
        kept = kept_kernels(store, series)
        for entry in kept if named else kept[1:]:
            _remove(entry, entry.name.replace("-", ":", 1))
    return int(ExitCode.PASS)


def _remove(entry: Path, name: str) -> None:
    print(f"removed {name}" if remove(entry) else f"kept {name}: in use")


def _series(name: str) -> str:
    if not name.startswith(DEBIAN):
        raise unknown(name)
    series = name.removeprefix(DEBIAN)
    release_of(series)
    return series
