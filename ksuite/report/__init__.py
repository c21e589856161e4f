# SPDX-License-Identifier: GPL-2.0-or-later
"""From a result to what people and other tools read."""
