# SPDX-License-Identifier: GPL-2.0-or-later
"""From a source and a series to the modules that a machine can load."""
