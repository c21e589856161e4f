# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m ksuite`` is the ksuite command."""

import sys

from ksuite.interrupts import fatal_interrupts


def run() -> int:
    """Import all of ksuite, then run it."""
    with fatal_interrupts():
        from ksuite.cli import main  # noqa: PLC0415
    return main()


if __name__ == "__main__":
    sys.exit(run())
