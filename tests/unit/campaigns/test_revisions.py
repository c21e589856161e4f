# SPDX-License-Identifier: GPL-2.0-or-later
"""Revisions as whole kernels; tests/full builds some."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns import revisions
from ksuite.campaigns.revisions import KernelRevisions
from ksuite.errors import DoesNotCompile

if TYPE_CHECKING:
    from pathlib import Path

NOTHING: Any = None


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Return which kernels are built, and whether another one is known to build."""
    asked: list[tuple[str, bool]] = []

    def build_kernel(tree: Any, *_: object, others_build: bool) -> Path:
        asked.append((tree, others_build))
        if tree == "broken":
            raise DoesNotCompile("dev.c:1: error")
        return tmp_path

    facts = {"release": "6.1.0-x", "version": "6.1", "build_id": "aa", "code": "c0de"}
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    (tmp_path / "config").write_text('CONFIG_CC_VERSION_TEXT="gcc (Debian) 12"\n')
    monkeypatch.setattr(revisions, "build_kernel", build_kernel)
    return asked


def kernels(first: str) -> KernelRevisions:
    trees: Any = nullcontext
    return KernelRevisions(trees, NOTHING, lambda _: (), NOTHING, NOTHING, "asked", first)


def test_the_first_revision_is_built_before_another_one(asked: list[tuple[str, bool]]) -> None:
    """A search that goes on knows what it has seen of it, and builds it for that alone."""
    one = kernels("good")
    one.build("other")
    one.build("another")
    one.build("good")
    assert asked == [("good", False), ("other", True), ("another", True), ("good", False)]


def test_nothing_is_a_revisions_own_fault_where_the_first_does_not_build(
    asked: list[tuple[str, bool]],
) -> None:
    one = kernels("broken")
    one.build("other")
    one.build("another")
    assert asked == [("broken", False), ("other", False), ("another", False)]
