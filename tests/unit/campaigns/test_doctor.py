# SPDX-License-Identifier: GPL-2.0-or-later
"""What doctor says of the QEMU that runs each kind of guest; nothing is fetched or booted."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksuite.campaigns import doctor
from ksuite.machines.emulator import Emulator


@pytest.mark.parametrize(
    ("own", "newer", "says"),
    [
        ("10.0.2", None, "10.0.2, for all guests"),
        (
            "7.2.22",
            "10.0.2",
            (
                "7.2.22; for several vCPUs on the instruction clock, which needs 10: "
                "10.0.2 in the store"
            ),
        ),
        (
            "7.2.22",
            None,
            (
                "7.2.22; for several vCPUs on the instruction clock, which needs 10: "
                "bookworm-backports's, not fetched yet"
            ),
        ),
    ],
)
def test_which_qemu_runs_what(
    monkeypatch: pytest.MonkeyPatch, own: str, newer: str | None, says: str
) -> None:
    found = Emulator(Path("/store/qemu"), newer) if newer else None
    monkeypatch.setattr(doctor, "hosts_own", lambda: Emulator(Path("/usr/bin/qemu"), own))
    monkeypatch.setattr(doctor, "fetched", lambda _: found)
    assert doctor._qemu() == says
