# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole runs: what is built, booted, measured and judged, in which order."""
