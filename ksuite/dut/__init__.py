# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that runs on the DUT, and nothing else: this room imports no other room."""
