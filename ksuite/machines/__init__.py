# SPDX-License-Identifier: GPL-2.0-or-later
"""From a kernel to a booted machine that runs our functions."""
