# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the tests of the pytest plugin."""

from __future__ import annotations

import pytest

from tests.unit.judging import Judge, Stub, judge_with_workers, new_judge, new_stub


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    return new_stub(monkeypatch)


@pytest.fixture
def judge(pytester: pytest.Pytester, stub: Stub) -> Judge:
    return new_judge(pytester, stub)


@pytest.fixture
def workers(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Return a judge that can have workers run the tests."""
    return judge_with_workers(pytester, monkeypatch)
