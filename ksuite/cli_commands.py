# SPDX-License-Identifier: GPL-2.0-or-later
"""A command below a command of ours, as ``--help`` shows it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], text: str, epilog: str
) -> argparse.ArgumentParser:
    """Add a command that a line describes, and return its parser.

    :param commands: what argparse's ``add_subparsers`` returned.
    :param epilog: its exit codes.
    """
    added: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(run=run)
    return added
