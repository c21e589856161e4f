# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite kernels``: which kernels there are to judge series on; thin, over kernels/."""

from __future__ import annotations

import argparse
import shutil
import sys
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from ksuite.errors import ExitCode, InfrastructureError
from ksuite.kernels.debian import (
    DEBIAN,
    RELEASES,
    fetch,
    kept_kernels,
    read_source,
    release_of,
    unknown,
)
from ksuite.kernels.source import KNOWN, distro_source
from ksuite.kernels.store import Store
from ksuite.report.cost_tables import as_text
from ksuite.report.progress import progress_line

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource

HELP = "list, fetch and remove the kernels that series are judged on"
DESCRIPTION = """\
Kernels for --kernel. `distro` is what this host has installed. `debian:SERIES` is the newest of a
series that one of Debian's releases has, with the headers, the source and the compiler that belong
to it: they are extracted into the store, never installed, and modules are built in there. A kernel
that is asked for and not there is fetched; `fetch` looks for a newer one, too.
"""
EXIT_CODES_TOLD = """\
exit codes:
  0    done
  2    usage: no such kernel
  3    infrastructure: no network, a full disk, a missing tool
  130  interrupted
"""


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add ours to a parser."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, run, text in (
        ("list", _list, "which there are, and which could be fetched"),
        ("fetch", _fetch, "get the newest of a series"),
        ("prune", _prune, "remove all but the newest of each series, or those that are named"),
    ):
        added = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=EXIT_CODES_TOLD,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(run=run)
        if name != "list":
            more = "+" if name == "fetch" else "*"
            added.add_argument("names", metavar=f"{DEBIAN}SERIES", nargs=more)


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


def _prune(options: argparse.Namespace) -> int:
    store = Store.default()
    named = [_series(name) for name in options.names]
    for series in named or RELEASES:
        kept = kept_kernels(store, series)
        for entry in kept if named else kept[1:]:
            _remove(entry)
            print(f"removed {entry.name.replace('-', ':', 1)}")
    return int(ExitCode.PASS)


def _remove(entry: Path) -> None:
    # By another name it is nobody's entry any more, whatever becomes of the rest.
    try:
        gone = entry.with_name(f".{entry.name}.removed")
        shutil.rmtree(gone, ignore_errors=True)
        entry.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise InfrastructureError(f"can't remove {entry}: {error.strerror}") from error


def _series(name: str) -> str:
    if not name.startswith(DEBIAN):
        raise unknown(name)
    series = name.removeprefix(DEBIAN)
    release_of(series)
    return series
