# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures that every suite of this checkout shares; ksuite's own come from its pytest plugin."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Return the top directory of this checkout."""
    return Path(__file__).parent
