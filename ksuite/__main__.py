# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m ksuite`` is the ksuite command."""

import sys

from ksuite.cli import main

sys.exit(main())
