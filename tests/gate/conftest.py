# SPDX-License-Identifier: GPL-2.0-or-later
"""The repositories here are judged by gates; their tests are none of this checkout's."""

collect_ignore = ["redirect", "jool"]
