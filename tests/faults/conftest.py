# SPDX-License-Identifier: GPL-2.0-or-later
"""A place for each drill."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.kernels.store import Store
from tests.broken.test_input import store_without
from tests.broken.test_snapshots import take
from tests.faults.drill import Drill, Host, adopt_orphans

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def drill(monkeypatch: pytest.MonkeyPatch) -> Iterator[Drill]:
    """Yield a place for runs; in the end nothing of them may be left."""
    adopt_orphans()
    # A run that is killed at its twelfth second boots none.
    take(Store.default().root)
    (Store.default().root / "tree").mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="ks-faults-", dir="/tmp"))
    try:
        # Builders are nobody.
        place.chmod(0o711)
        store_without(place, "modules")
        (place / "tmp").mkdir(mode=0o711)
        monkeypatch.setenv("KSUITE_STORE", str(place / "store"))
        monkeypatch.setenv("TMPDIR", str(place / "tmp"))
        made = Drill(place, Host.now(place))
        try:
            yield made
            made.must_be_clean()
        finally:
            made.end()
    finally:
        shutil.rmtree(place, ignore_errors=True)
