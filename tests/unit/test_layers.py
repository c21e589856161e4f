# SPDX-License-Identifier: GPL-2.0-or-later
"""The structure that design.md asks for: imports point one way, modules stay small."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "ksuite"

LAYERS = {
    "confining": 0,
    "errors": 0,
    "interrupts": 1,
    "plain": 1,
    "processes": 1,
    "kernels": 2,
    "machines": 3,
    "measure": 4,
    "report": 5,
    "campaigns": 6,
    "pytest_options": 7,
    "pytest_differences": 8,
    "pytest_gate": 8,
    "pytest_workers": 8,
    "pytest_plugin": 9,
    "runner": 10,
    "cli_commands": 11,
    "cli_running": 11,
    "cli_baseline": 12,
    "cli_bisect": 12,
    "cli_gate": 12,
    "cli_kernels": 12,
    "cli_matrix": 12,
    "cli_report": 12,
    "cli_selftest": 12,
    "cli_shell": 12,
    "cli_store": 12,
    "cli": 13,
    "__main__": 14,
}
"""Each room may import itself and those with a lower number; dut stands alone, see below."""

MAY_CALL_DUT = 3
"""From this layer up, rooms name functions of dut to have them run on a machine."""

MOST_LINES = 400
NO_SPDX = {".md", ".json", ".patch", ".mbox", ".txt", ".gitignore"}


def python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        check=True,
    )
    return [TOP / name for name in listed.stdout.decode().split("\0") if name]


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    parts = [name.split(".") for name in names]
    inside = {part[1] for part in parts if part[0] == "ksuite" and len(part) > 1}
    return inside - {"__version__"}


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    others = imported_rooms(path) - {here}
    if here == "__init__":
        assert not others
    elif here == "dut":
        assert not others, "dut runs on another machine, where the other rooms aren't"
    else:
        assert here in LAYERS, f"{here} has no place in the layers"
        layer = LAYERS[here]
        allowed = {name for name, other in LAYERS.items() if other < layer}
        if layer >= MAY_CALL_DUT:
            allowed.add("dut")
        assert others <= allowed


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_every_file_states_its_licence() -> None:
    missing = []
    for path in tracked_files():
        if (
            not path.is_file()
            or path.suffix in NO_SPDX
            or path.name in {".gitignore", "LICENSE", "py.typed", "series"}
        ):
            continue
        head = path.read_text(encoding="utf-8").splitlines()[:2]
        if not any("SPDX-License-Identifier: GPL-2.0-or-later" in line for line in head):
            missing.append(str(path.relative_to(TOP)))
    assert missing == []
