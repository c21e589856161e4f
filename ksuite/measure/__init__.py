# SPDX-License-Identifier: GPL-2.0-or-later
"""From figures to verdicts."""
