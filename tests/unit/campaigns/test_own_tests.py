# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of a repository's own that go to the DUT."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.costs import CostRequest
from ksuite.campaigns.gate import parts_of
from ksuite.campaigns.gate_file import GateFile
from ksuite.campaigns.own_tests import OnDut, own_suite
from ksuite.campaigns.suites import GATE
from ksuite.dut import links, own
from ksuite.errors import UserError
from ksuite.kernels.external import How
from ksuite.measure.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOPS = """
from contextlib import contextmanager
from helper import TURNS
from ksuite.dut.sizes import Size

SIZE = Size("frame_bytes", "B")
VERSION, BATCH = 3, 10

@contextmanager
def loop(size):
    done = []
    yield lambda: done.append(size * TURNS)

LOOPS = {"mine": loop}

def double(number):
    return 2 * number
"""
ALONE = LOOPS.replace("from helper import TURNS", "")


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., OnDut]:
    """Return what makes a repository's files, and reads them."""

    def make(**files: str) -> OnDut:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        names = tuple(f"{name}.py" for name in files)
        return OnDut(GateFile(tmp_path / "ksuite.toml", "x", How(), on_dut=names))

    return make


@pytest.fixture
def fresh_imports() -> Iterator[None]:
    """Forget what was imported from texts, and the finder that found it."""
    finders, modules = list(sys.meta_path), set(sys.modules)
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("somewhere.else", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


@pytest.mark.usefixtures("fresh_imports")
def test_own_function_is_called_by_its_file(
    repository: Callable[..., OnDut], tmp_path: Path
) -> None:
    on_dut = repository(loops_x=LOOPS, helper="TURNS = 2")
    function, arguments, named = on_dut.call(imported(tmp_path / "loops_x.py").double, (4,), {})
    assert function is own.call
    assert arguments[1:] == ("loops_x", "double", (4,), {})
    assert own.call(*arguments, **named) == 8


@pytest.mark.usefixtures("fresh_imports")
def test_own_loop_is_measured(repository: Callable[..., OnDut]) -> None:
    loop = repository(loops_y=LOOPS, helper="TURNS = 2").loops()["mine"]
    request = CostRequest("mine", 64, loop)
    assert request.name == "mine 64 B"
    assert request.batch == 10
    function, arguments, _ = request.call(5, 8)
    assert function is own.measure
    assert arguments[1:] == ("loops_y", "mine", 64, 5, 8)
    with own.topology(loop.sources, "loops_y", "mine", 64) as run:
        run()


def test_functions_of_ours_are_called_as_ever(repository: Callable[..., OnDut]) -> None:
    assert repository().call(links.bring_up, ("a",), {}) == (links.bring_up, ("a",), {})


def test_what_is_in_no_such_file_is_refused(repository: Callable[..., OnDut]) -> None:
    on_dut = repository(helper="TURNS = 2")
    with pytest.raises(UserError, match=r"has to be a function of a file.*helper\.py"):
        on_dut.call(imported, (), {})
    with pytest.raises(UserError, match="can't run on the DUT"):
        on_dut.call(len, (), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("LOOPS = {}", "BATCH"),
        ("import no_such_thing\nLOOPS = {}", "can't be imported: ModuleNotFoundError"),
        ("LOOPS = {", "SyntaxError"),
        (
            ALONE.replace('"mine"', '"tc_redirect"'),
            "ksuite's",
        ),
        (ALONE.replace("3, 10", "3, 0"), "are numbers"),
    ],
)
def test_loops_that_make_no_sense(repository: Callable[..., OnDut], text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        repository(bad_loops=text).loops()


def test_two_files_of_one_name(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "same.py").touch()
    file = GateFile(tmp_path / "ksuite.toml", "x", How(), on_dut=("a/same.py", "b/same.py"))
    with pytest.raises(UserError, match="same name"):
        OnDut(file)


def test_own_suite_has_what_its_fixtures_need() -> None:
    file = GateFile(Path("/x/ksuite.toml"), "x", How(), needs=("vxlan", "veth"))
    assert own_suite(file).modules == (*GATE.modules, "vxlan")


def with_threshold(place: Path, name: str) -> GateFile:
    (place / "own_loops.py").write_text(ALONE)
    thresholds = Thresholds(own={name: 1.0})
    on_dut = ("own_loops.py",)
    return GateFile(place / "ksuite.toml", "x", How(), on_dut=on_dut, thresholds=thresholds)


@pytest.mark.parametrize("name", ["mine 64 B", "tc_redirect 1500 B", "tc_insert 1000 rules"])
def test_threshold_of_a_cost_is_taken(tmp_path: Path, name: str) -> None:
    assert parts_of(with_threshold(tmp_path, name))


@pytest.mark.parametrize("name", ["mine", "mine 64 rules", "other 64 B", "tc_redirect 64"])
def test_threshold_of_no_cost_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"no cost is named '{name}'; one is named 'mine 64 B'"):
        parts_of(with_threshold(tmp_path, name))
