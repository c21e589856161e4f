# SPDX-License-Identifier: GPL-2.0-or-later
"""Does a kernel change still work, and did it get slower? For the Linux software datapath."""

__version__ = "0.1.0"
