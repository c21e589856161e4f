# SPDX-License-Identifier: GPL-2.0-or-later
"""A check that builds and boots nothing, and pytest run over it: what the plugin is tested with."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from ksuite import pytest_plugin
from ksuite.errors import (
    KernelFault,
    KsuiteError,
)
from tests.unit.measure.samples import comparison, result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from ksuite.campaigns.check import CheckOptions
    from ksuite.campaigns.costs import CostRequest
    from ksuite.campaigns.suites import Suite
    from ksuite.measure.result import Subject
    from ksuite.measure.verdict import Comparison

FUNCTION = """
import pytest
from ksuite.errors import DutError, InfrastructureError, KernelFault

pytestmark = pytest.mark.ks_scenario("vhost_function")
BASE = {"base"}
BOTH = {"base", "candidate"}
CANDIDATE = {"candidate"}

"""
PASSES = "def test_passes(ks_dut): assert ks_dut.variant in BOTH\n"


def raising(error: str, variants: str, name: str = "test_it") -> str:
    """Return a test that raises on some variants."""
    return f"def {name}(ks_dut):\n    if ks_dut.variant in {variants}: raise {error}\n"


def cost(change: float, *, name: str = "test_cost") -> str:
    return f"""
@pytest.mark.ks_cost("{change}", 64)
def {name}(ks_comparison):
    assert ks_comparison.verdict in ("PASS", "IMPROVED"), "the cost changed"
"""


class StubDut:
    """Counts the faults that using a variant raises."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()
        self.trouble: dict[str, KsuiteError] = {}
        self.late_faults: dict[str, KernelFault] = {}
        self.variant = ""

    def retire(self) -> None:
        self.variant = ""

    def use(self, variant: str) -> None:
        self.variant = variant
        if variant in self.trouble:
            self.faults[variant] += isinstance(self.trouble[variant], KernelFault)
            raise self.trouble[variant]


@dataclass
class StubCosts:
    """Keeps the faults that came up as costs were measured."""

    faults: dict[str, KsuiteError] = field(default_factory=dict)


@dataclass
class Stub:
    """What all checks of a test do, and what was asked of them."""

    preparing: BaseException | None = None
    misfit: KsuiteError | None = None
    dut: StubDut = field(default_factory=StubDut)
    costs: StubCosts = field(default_factory=StubCosts)
    options: list[CheckOptions] = field(default_factory=list)
    entered: int = 0
    left: int = 0


class StubCheck:
    """In the place of `Check`; a cost request's scenario is the change that it measures."""

    stub: Stub

    def __init__(
        self, options: CheckOptions, suites: Sequence[Suite], progress: Callable[[str], None]
    ) -> None:
        assert [suite.name for suite in suites] == ["vhost"]
        progress("preparing")
        self.stub.options.append(options)
        self.dut = self.stub.dut
        self.costs = self.stub.costs

    def must_fit(self, suites: Sequence[Suite]) -> None:
        assert suites
        if self.stub.misfit:
            raise self.stub.misfit

    def __enter__(self) -> Self:
        if self.stub.preparing:
            raise self.stub.preparing
        self.stub.entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.stub.left += 1

    @property
    def subject(self) -> Subject | None:
        return result().subject

    def compare_costs(self, requests: Sequence[CostRequest]) -> dict[CostRequest, Comparison]:
        return {request: comparison(float(request.scenario)) for request in requests}


def new_stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    monkeypatch.setattr(pytest_plugin, "Check", StubCheck)
    stub = Stub()
    monkeypatch.setattr(StubCheck, "stub", stub, raising=False)
    return stub


class Judge:
    """Runs a suite named vhost in a directory of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.json: dict[str, Any] = {}
        self.text = ""

    def write(self, name: str, tests: str) -> None:
        place = self.pytester.path / "vhost"
        place.mkdir(exist_ok=True)
        (place / f"{name}.py").write_text(FUNCTION + tests, encoding="utf-8")

    def __call__(self, tests: str, *options: str) -> int:
        """Run these tests; return the exit code, keep what was printed and written."""
        self.write("test_it", tests)
        answer = self.pytester.path / "answer.json"
        answer.unlink(missing_ok=True)
        done = self.pytester.runpytest_inprocess(
            *("-p", "no:benchmark", "--ks-json", str(answer), *options), no_reraise_ctrlc=True
        )
        self.text = done.stdout.str() + done.stderr.str()
        self.json = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else {}
        assert "INTERNALERROR" not in self.text
        if self.json:
            assert self.json["exit_code"] == done.ret
        return int(done.ret)

    def verdicts(self) -> dict[tuple[str, str], str]:
        return {(test["test"], test["variant"]): test["verdict"] for test in self.json["tests"]}


def new_judge(pytester: pytest.Pytester, stub: Stub) -> Judge:
    assert stub.entered == 0
    return Judge(pytester)
