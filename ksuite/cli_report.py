# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite report``: thin, over the formats in report/."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import ExitCode, UserError
from ksuite.report import html, json_file, junit, kcidb, ktap, patchwork, summary, terminal
from ksuite.report.whole_file import write_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

HELP = "what a run says, in the format of another tool"
DESCRIPTION = """\
Write what RESULTs say, which ksuite check --json has written, in one of these formats:

  terminal   tables, as ksuite check prints them
  html       one page for people, without scripts; of several RESULTs, the last, with the
             history of its costs over the others
  junit      JUnit XML, for Jenkins and GitLab
  ktap       KTAP, as the kernel's own tests print it
  kcidb      JSON for KernelCI's database
  patchwork  the JSON body of a patch's check; of several RESULTs, the worst
  markdown   a comment for a merge request

What only the base gets wrong is no failure in any of them.
"""
EXIT_CODES = """\
exit codes:
  0    written, whatever the verdict is: the exit code of ksuite check says that
  2    usage, or a RESULT that is none
  3    infrastructure: it can't be written
  130  interrupted
"""
FORMATS: dict[str, Callable[..., str]] = {
    "terminal": terminal.render_all,
    "html": html.render,
    "junit": junit.render,
    "ktap": ktap.render,
    "kcidb": kcidb.render,
    "patchwork": patchwork.render,
    "markdown": summary.render,
}
OPTIONS_OF = {"kcidb": ("origin",), "patchwork": ("url", "context")}
"""What one format takes, and the others do not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.set_defaults(run=run)
    parser.add_argument("results", metavar="RESULT", type=Path, nargs="+")
    parser.add_argument("--format", choices=FORMATS, default="terminal", help="default: terminal")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write to FILE, not to stdout")
    parser.add_argument(
        "--origin", metavar="NAME", help=f"kcidb: who submits it (default: {kcidb.ORIGIN})"
    )
    parser.add_argument("--url", help="patchwork: where all of it can be read")
    parser.add_argument(
        "--context",
        metavar="NAME",
        help="patchwork: what tells this check from others (default: ksuite-KERNEL-CLOCK)",
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; the exit code says nothing of the verdict."""
    render = partial(FORMATS[options.format], **_options(options))
    text = render([json_file.read(path) for path in options.results])
    if options.output:
        write_text(text, options.output)
    else:
        print(text, end="")
    return int(ExitCode.PASS)


def _options(options: argparse.Namespace) -> dict[str, str]:
    """Return the options of the format that was asked for.

    :raises UserError: another's was given.
    """
    given = {}
    for name in (name for names in OPTIONS_OF.values() for name in names):
        if (value := getattr(options, name)) is None:
            continue
        if name not in OPTIONS_OF.get(options.format, ()):
            raise UserError(f"--{name} is of no use with --format {options.format}")
        given[name] = value
    return given
