# SPDX-License-Identifier: GPL-2.0-or-later
"""A check that builds and boots nothing, and pytest run over it: what the plugin is tested with."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ksuite import pytest_gate, pytest_workers
from ksuite.campaigns.options import CheckOptions
from ksuite.dut import loops
from ksuite.dut.sizes import FRAME_BYTES
from ksuite.errors import KernelFault, KsuiteError
from ksuite.measure.attribution import Attribution
from ksuite.measure.baseline import Baseline
from ksuite.measure.result import NamedComparison, NamedCost
from tests.unit.campaigns.guests import prepared
from tests.unit.measure.samples import comparison, result
from tests.unit.measure.samples import cost as cost_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from ksuite.campaigns.bench import Prepared
    from ksuite.campaigns.costs import CostRequest
    from ksuite.campaigns.gate_check import Asked
    from ksuite.campaigns.suites import Suite
    from ksuite.measure.result import Subject
    from ksuite.measure.verdict import Comparison

PREPARED = prepared()
FUNCTION = """
import pytest
from ksuite.errors import DutError, InfrastructureError, KernelFault

pytestmark = pytest.mark.ks_scenario("vhost_function")
BASE = {"base"}
BOTH = {"base", "candidate"}
CANDIDATE = {"candidate"}

"""
CONFTEST = """
import pytest
from ksuite.errors import *
from tests.unit.judging import new_stub

stub = new_stub(pytest.MonkeyPatch())
"""
LONGEST_SECONDS = 120
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
        self.late: KernelFault | None = None
        self.late_faults: dict[str, KernelFault] = {}
        self.variant = ""
        self.recalled = False

    def retire(self) -> None:
        if self.variant and self.late:
            self.late_faults[self.variant] = self.late
        self.variant = ""

    def use(self, variant: str) -> None:
        self.variant = variant
        if variant in self.trouble:
            self.faults[variant] += isinstance(self.trouble[variant], KernelFault)
            raise self.trouble[variant]


@dataclass
class StubCosts:
    """Keeps the faults that came up as costs were measured.

    :param unmeasured: variants of which nothing is known.
    """

    faults: dict[str, KsuiteError] = field(default_factory=dict)
    unmeasured: set[str] = field(default_factory=set)

    def fault(self, variant: str, _: CostRequest) -> KsuiteError | None:
        return self.faults.get(variant)

    def measured(self, variant: str, _: CostRequest) -> bool:
        return variant not in self.faults and variant not in self.unmeasured


@dataclass
class Stub:
    """What all checks of a test do, and what was asked of them."""

    preparing: BaseException | None = None
    alone: bool = False
    baseline: Baseline | None = None
    misfit: KsuiteError | None = None
    exact: bool = True
    attribution: Attribution | None = None
    dut: StubDut = field(default_factory=StubDut)
    costs: StubCosts = field(default_factory=StubCosts)
    options: list[CheckOptions] = field(default_factory=list)
    compared: list[list[str]] = field(default_factory=list)
    entered: int = 0
    left: int = 0


class StubBench:
    """In the place of `Bench`; a cost request's scenario is the change that it measures.

    :param prepared: comes through a file from the process that prepared it.
    """

    stub: Stub

    def __init__(self, prepared: Prepared, options: CheckOptions, *_: object) -> None:
        assert prepared == PREPARED
        self.prepared = prepared
        self.differences = options.differences
        self.dut = self.stub.dut
        self.costs = self.stub.costs
        self.exact = self.stub.exact
        self.baseline = self.stub.baseline
        self.progress: Callable[[str], None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stub.left += 1

    def save_variants(self) -> Prepared:
        return PREPARED

    def compare_costs(self, requests: Sequence[CostRequest]) -> dict[CostRequest, Comparison]:
        self.stub.compared.append([request.scenario for request in requests])
        known = [one for one in requests if not (self.costs.unmeasured or self.stub.alone)]
        return {request: comparison(float(request.scenario)) for request in known}

    def measured_alone(self, request: CostRequest) -> NamedCost | None:
        return NamedCost(request.name, cost_of(1234.5)) if self.stub.alone else None

    def told(self, request: CostRequest, seen: Comparison) -> NamedComparison:
        self.progress("counting")
        name = self.baseline.name if self.baseline else ""
        return NamedComparison(request.name, seen, self.stub.attribution, baseline=name)


class StubCheck:
    """In the place of `Check`."""

    stub: Stub

    def __init__(
        self, options: CheckOptions, suites: Sequence[Suite], progress: Callable[[str], None]
    ) -> None:
        assert [suite.name for suite in suites] == ["vhost"]
        progress("preparing")
        self.suites = suites
        self.stub.options.append(options)
        self.bench = StubBench(PREPARED, options)

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
        self.bench.__exit__()

    @property
    def subject(self) -> Subject | None:
        return result().subject


class StubGateCheck(StubCheck):
    """In the place of `GateCheck`."""

    def __init__(
        self,
        options: CheckOptions,
        asked: Asked,
        suites: Sequence[Suite],
        _progress: Callable[[str], None],
    ) -> None:
        assert [suite.name for suite in suites] == ["tests"]
        assert asked.file.name == "mine"
        self.suites = suites
        self.stub.options.append(options)
        self.bench = StubBench(PREPARED, options)


def new_stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    """Let checks of this process, and benches of its own as a worker, be stubs."""
    monkeypatch.setattr(pytest_gate, "Check", StubCheck)
    monkeypatch.setattr(pytest_gate, "GateCheck", StubGateCheck)
    monkeypatch.setattr(pytest_workers, "Bench", StubBench)
    # A stub's scenarios are the changes of their costs.
    monkeypatch.setattr(loops, "size_of", lambda _scenario: FRAME_BYTES)
    stub = Stub()
    for kind in (StubCheck, StubBench):
        monkeypatch.setattr(kind, "stub", stub, raising=False)
    return stub


class Judge:
    """Runs a suite named vhost in a directory of its own.

    :param apart: in a process of its own, which can have workers.
    """

    def __init__(self, pytester: pytest.Pytester, *, apart: bool = False) -> None:
        self.pytester = pytester
        self.apart = apart
        self.json: dict[str, Any] = {}
        self.text = ""

    def write(self, name: str, tests: str) -> None:
        place = self.pytester.path / "vhost"
        place.mkdir(exist_ok=True)
        (place / f"{name}.py").write_text(FUNCTION + tests, encoding="utf-8")

    def stub_does(self, statements: str) -> None:
        """Change what the `stub` does, in every process, in Python."""
        (self.pytester.path / "conftest.py").write_text(CONFTEST + statements, encoding="utf-8")

    def __call__(self, tests: str, *options: str) -> int:
        """Run these tests; return the exit code, keep what was printed and written."""
        self.write("test_it", tests)
        answer = self.pytester.path / "answer.json"
        answer.unlink(missing_ok=True)
        words = ("-p", "no:benchmark", "--ks-json", str(answer), *options)
        if self.apart:
            done = self.pytester.runpytest_subprocess(*words, timeout=LONGEST_SECONDS)
        else:
            done = self.pytester.runpytest_inprocess(*words, no_reraise_ctrlc=True)
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


def judge_with_workers(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Return a judge whose stubs are in every process that pytest starts."""
    judge = Judge(pytester, apart=True)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    judge.stub_does("")
    return judge
