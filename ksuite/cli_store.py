# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite store``: what was made once and is kept; thin, over kernels/pruning."""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from ksuite.cli_commands import add_command
from ksuite.errors import ExitCode, UserError
from ksuite.kernels.pruning import Kept, clear_left, kept, remove
from ksuite.kernels.store import Store
from ksuite.report.cost_tables import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP = "list what was made and is kept, and remove what is of no more use"
DESCRIPTION = """\
The store, $KSUITE_STORE or else ~/.cache/ksuite, holds all that was made once and need not be made
again: sources, kernels, modules, images, snapshots, answers of guests, and logs of failed builds.
Everything there can be removed, and is made anew when it is needed. What a running ksuite uses is
never removed, whatever is asked for.
"""
EXIT_CODES_TOLD = """\
exit codes:
  0    done; what is in use stays, and is named
  2    usage: the store has nothing of that kind
  3    infrastructure: something can't be removed
  130  interrupted
"""
OLD_DAYS = 30.0
SHOWN_BYTES = 1e6
"""Smaller things are told together."""
_DAY_SECONDS = 86400.0


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add ours to a parser."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, run, text in (
        ("list", _list, "what there is of each kind, what it takes, and when it was last used"),
        ("prune", _prune, "remove what nobody has used for long, and what killed processes left"),
    ):
        added = add_command(commands, name, run, text, EXIT_CODES_TOLD)
        added.add_argument("kinds", metavar="KIND", nargs="*", help="only of this kind")
        if name == "prune":
            added.add_argument(
                "--older-than",
                metavar="DAYS",
                type=_days,
                default=OLD_DAYS,
                help=f"not used for so long (default: {OLD_DAYS:.0f}); 0: all that is not in use",
            )
            added.add_argument("--dry-run", action="store_true", help="only say what")


def _days(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return value


def _list(options: argparse.Namespace) -> int:
    things = _chosen(Store.default(), options.kinds)
    groups = defaultdict(list)
    for one in things:
        groups[f"{one.kind}/{one.name}" if options.kinds else one.kind].append(one)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("name" if options.kinds else "kind", no_wrap=True)
    for heading in ("things", "in use", "size", "last used"):
        table.add_column(heading, no_wrap=True, justify="right")
    for name in sorted(groups):
        table.add_row(name, *_row(groups[name]))
    table.add_section()
    table.add_row("all", *_row(things))
    print(as_text(table), end="")
    return int(ExitCode.PASS)


def _row(things: Sequence[Kept]) -> tuple[str, ...]:
    in_use = sum(one.in_use for one in things)
    size = sum(one.size_bytes() for one in things)
    last = _ago(max(one.used for one in things)) if things else "-"
    return (f"{len(things):,}", f"{in_use:,}", _megabytes(size), last)


def _prune(options: argparse.Namespace) -> int:
    store = Store.default()
    removed = "would remove" if options.dry_run else "removed"
    total = 0
    for path, size in clear_left(store, dry_run=options.dry_run):
        print(f"{removed} {path}, left by a killed process: {_megabytes(size)}")
        total += size
    before = time.time() - options.older_than * _DAY_SECONDS
    small: dict[str, list[int]] = defaultdict(list)
    for one in _chosen(store, options.kinds):
        if one.used > before:
            continue
        size = one.size_bytes()
        if not (not one.in_use if options.dry_run else remove(one.path)):
            print(f"kept {one.kind}/{one.name}: in use")
            continue
        total += size
        if size < SHOWN_BYTES:
            small[one.kind].append(size)
        else:
            used = _ago(one.used)
            print(f"{removed} {one.kind}/{one.name}: {_megabytes(size)}, last used {used}")
    for kind, sizes in small.items():
        print(f"{removed} {len(sizes):,} small things of {kind}: {_megabytes(sum(sizes))}")
    print(f"{removed} {_megabytes(total)} in all, of {store.root}")
    return int(ExitCode.PASS)


def _chosen(store: Store, kinds: Sequence[str]) -> list[Kept]:
    things = kept(store)
    there = sorted({one.kind for one in things})
    for kind in kinds:
        if kind not in there:
            has = ", ".join(there) or "nothing"
            raise UserError(f"the store at {store.root} has nothing of kind {kind!r}: it has {has}")
    return [one for one in things if one.kind in kinds] if kinds else things


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"


def _ago(moment: float) -> str:
    days = int((time.time() - moment) // _DAY_SECONDS)
    return f"{days:,} days ago" if days else "today"
