# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a kernel that was built; tests/full builds some."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ksuite.kernels import dependencies
from ksuite.kernels.full import read_built
from ksuite.kernels.trees import Tree

if TYPE_CHECKING:
    from pathlib import Path


def test_dependencies_of_a_kernel(tmp_path: Path) -> None:
    """Entries of an earlier ksuite have none, and stay what they are."""
    facts = {"release": "6.1.192-x", "version": "6.1.192", "build_id": "aa", "code": "c0de"}
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    (tmp_path / "config").write_text('CONFIG_CC_VERSION_TEXT="gcc (Debian) 12"\n')
    tree = Tree(tmp_path, "5eed", "0r161n")
    assert read_built(tmp_path, "mine", tree).dependencies is None
    kept = tmp_path / dependencies.FILE
    kept.write_text("{}")
    assert read_built(tmp_path, "mine", tree).dependencies == kept
