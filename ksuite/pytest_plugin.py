# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite in pytest: options ``--ks-*``, fixtures and markers ``ks_*``; thin over campaigns."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.junitxml import xml_key

from ksuite.campaigns.costs import SAYS_NOTHING, CostRequest
from ksuite.campaigns.outcomes import (
    Run,
    Told,
    crashed,
    is_theirs,
    measured_alone,
    outcome_of,
    without_variant,
)
from ksuite.campaigns.suites import NO_SUCH_TEST, SUITES, check_scenario
from ksuite.errors import (
    InfrastructureError,
    KsuiteError,
    NothingToCompare,
    UserError,
    as_ours,
)
from ksuite.machines.console import printable
from ksuite.machines.machine import Clock, Root
from ksuite.measure.result import (
    BASE,
    CANDIDATE,
    VARIANTS,
    NamedComparison,
    NamedCost,
)
from ksuite.processes import die_with_parent
from ksuite.pytest_differences import as_expected, check_list, expect
from ksuite.pytest_gate import GatePlugin, is_own, own_loop, trial_of
from ksuite.pytest_options import add_options, options_of
from ksuite.pytest_workers import (
    RUN,
    TOLD,
    Controller,
    Worker,
    distributes,
    in_no_suite,
    is_worker,
    suites_of,
    worker_bench,
)
from ksuite.report import benchmark_json, json_file, terminal
from ksuite.report.progress import progress_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from _pytest.terminal import TerminalReporter

    from ksuite.campaigns.bench import Bench
    from ksuite.campaigns.dut import Dut
    from ksuite.campaigns.suites import Suite
    from ksuite.measure.verdict import Comparison

FAULTS_ENOUGH = 3
"""Kernel faults after which a variant's other functional checks are not run: enough is known."""

COMPARISON = pytest.StashKey[NamedComparison]()
MEASURED = pytest.StashKey[NamedCost]()
BASE_FAULT = pytest.StashKey[KsuiteError]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Run booted guests one at a time, whatever ``-n`` says: they would disturb each other."""
    option = config.option
    if option.ks_clock == Clock.WALL or option.ks_root == Root.HOST:
        option.numprocesses = 0
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and what a process has to do that has workers, or is one."""
    config.addinivalue_line(
        "markers", "ks_scenario(name): the scenario that a test belongs to, for --ks-scenario"
    )
    config.addinivalue_line("markers", "ks_cost(scenario, size): a cost that a test needs measured")
    if config.getoption("--ks-gate"):
        config.pluginmanager.register(GatePlugin(), "ks-gate")
    if is_worker(config):
        die_with_parent()
        config.stash[RUN] = Run()
        config.pluginmanager.register(Worker(), "ks-worker")
        return
    config.pluginmanager.register(_Listener(config), "ks-listener")
    if distributes(config):
        config.pluginmanager.register(Controller(config, _prepare), "ks-controller")


class _Listener:
    """Hears what tests say, whichever process ran them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        text = getattr(report, TOLD, "")
        told = Told.from_json(text) if text else None
        if told is not None and told.node and RUN not in self._config.stash:
            # A worker ran a test that judges, and nothing was prepared for any suite.
            self._config.stash[RUN] = Run(error=UserError(in_no_suite()))
        run = self._config.stash.get(RUN, None)
        if run is None:
            return
        if told is not None:
            run.hear(told)
        elif report.failed and report.when not in {"setup", "call", "teardown"}:
            run.hear(crashed(report))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # xdist ends a run for -x or --maxfail as if somebody had pressed Ctrl-C, and says so when
        # somebody has, in one of its workers.
        if run := self._config.stash.get(RUN, None):
            pressed = excinfo.type is KeyboardInterrupt
            run.interrupted = pressed or "keyboard-interrupt" in str(excinfo.value)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what is asked for by scenario, by check, or by what it looks at."""
    wanted = config.getoption("--ks-scenario")
    if wanted in {suite.name for suite in SUITES}:
        wanted = None
    check = config.getoption("--ks-check")
    unwanted_variant = BASE if config.getoption("--ks-candidate-only") else None
    costs_only = config.getoption("--ks-costs-only")
    dropped = [
        item
        for item in items
        if (wanted and _scenario(item) != wanted)
        or (check and not _is_called(item, check))
        or _variant(item) == unwanted_variant
        or (costs_only and _requested(item) is None)
    ]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]


def _is_called(item: pytest.Item, check: str) -> bool:
    """Say whether a test is a check that was asked for, or a case of it."""
    name = without_variant(item.name, _variant(item))
    return name == check or name.partition("[")[0] == check


def _variant(item: pytest.Item) -> str:
    """Return which variant a test looks at; empty where it looks at both or neither."""
    parameters: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    return str(parameters.get("ks_variant", ""))


def _scenario(item: pytest.Item) -> str:
    marker = item.get_closest_marker("ks_scenario")
    if marker is None:
        return ""
    if len(marker.args) != 1 or not isinstance(marker.args[0], str):
        raise pytest.UsageError(f"{item.nodeid}: ks_scenario takes one name")
    return marker.args[0]


def _judges(item: pytest.Item) -> bool:
    # Of a module's own tests each one counts, whatever it looks at, and is told by its name.
    judged = item.config.getoption("--ks-gate") is not None
    return judged or "ks_bench" in getattr(item, "fixturenames", ())


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build before the first test, so that a bad series is one line and an exit code."""
    config = session.config
    if config.option.collectonly or session.testsfailed or is_worker(config) or distributes(config):
        return
    nodes = [item.nodeid for item in session.items if _judges(item)]
    if nodes or config.getoption("--ks-scenario") or config.getoption("--ks-check"):
        _prepare(config, nodes)


def _prepare(config: pytest.Config, nodes: Sequence[str]) -> None:
    """Make all ready for tests with these ids."""
    run = config.stash.setdefault(RUN, Run())
    try:
        with _progress(config) as progress:
            options = options_of(config)
            check_list(config, options.differences, nodes)
            trial = trial_of(config, options, _suites(config, nodes), progress)
            run.check = run.stack.enter_context(trial)
            run.bench = trial.bench
    except (KsuiteError, OSError, UnicodeError) as error:
        run.error = as_ours(error, "preparing the series")
        # pytest prints our summary only after codes that it knows; ours takes its place later.
        pytest.exit("the series was not judged", returncode=pytest.ExitCode.TESTS_FAILED)
    if xml := config.stash.get(xml_key, None):
        for name in ("series", "kernel_version", "clock", "machine"):
            xml.add_global_property(f"ksuite.{name}", getattr(trial.subject, name))


def _suites(config: pytest.Config, nodes: Sequence[str]) -> list[Suite]:
    if scenario := config.getoption("--ks-scenario"):
        check_scenario(scenario)
    if not nodes and (check := config.getoption("--ks-check")):
        raise NothingToCompare(f"{NO_SUCH_TEST} {check!r}")
    if not nodes:
        raise NothingToCompare(f"no test belongs to scenario {scenario!r}")
    if suites := suites_of(config, nodes):
        return suites
    raise UserError(in_no_suite())


@contextmanager
def _progress(config: pytest.Config) -> Iterator[Callable[[str], None]]:
    if is_worker(config):
        yield lambda _: None
        return
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), progress_line(sys.stderr) as progress:
        yield progress


@pytest.fixture(scope="session")
def ks_bench(request: pytest.FixtureRequest) -> Bench:
    """Return what the tests of a series run on: builds, DUT, costs."""
    run = request.config.stash[RUN]
    if run.bench is None and is_worker(request.config):
        nodes = [item.nodeid for item in request.session.items if _judges(item)]
        run.bench = worker_bench(
            request.config, options_of(request.config), suites_of(request.config, nodes), run.stack
        )
    if run.bench is None:
        pytest.fail("ks_bench is only there while a series is judged")
    return run.bench


@pytest.fixture(scope="session", params=VARIANTS)
def ks_variant(request: pytest.FixtureRequest) -> str:
    """Return the variant that a test looks at; parametrises it over base and candidate."""
    return str(request.param)


@pytest.fixture
def ks_dut(request: pytest.FixtureRequest, ks_bench: Bench, ks_variant: str) -> Dut:
    """Return the DUT, alive, with the variant's modules loaded and their build-ids checked."""
    if ks_bench.dut.faults[ks_variant] >= FAULTS_ENOUGH:
        pytest.skip(f"the {ks_variant} kernel broke {FAULTS_ENOUGH} times: enough is known")
    expect(request.node, ks_bench, ks_variant)
    with _progress(request.config) as progress:
        progress(f"loading {ks_variant}")
        ks_bench.dut.use(ks_variant)
    return ks_bench.dut


@pytest.fixture
def ks_comparison(request: pytest.FixtureRequest, ks_bench: Bench) -> Comparison:
    """Return base against candidate for the cost that the test's ``ks_cost`` marker names.

    In a guest that was booted, all costs of the session are measured at the first use, in turns of
    base and candidate.
    """
    mine = _requested(request.node)
    if mine is None:
        raise pytest.UsageError("ks_comparison needs the marker ks_cost(scenario, size)")
    expect(request.node, ks_bench, "")
    if debugs := ks_bench.prepared.debugs:
        pytest.skip(f"{SAYS_NOTHING} on a kernel with {', '.join(debugs)}")
    requests = [mine]
    if not ks_bench.exact:
        requests = sorted(set(filter(None, map(_requested, request.session.items))))
    with _progress(request.config) as ks_bench.progress:
        comparisons = ks_bench.compare_costs(requests)
        costs = ks_bench.costs
        if fault := costs.fault(CANDIDATE, mine):
            raise fault
        if (fault := costs.fault(BASE, mine)) and costs.measured(CANDIDATE, mine):
            request.node.stash[BASE_FAULT] = fault
            pytest.skip("the base broke while it was measured: the candidate has nothing to beat")
        if alone := ks_bench.measured_alone(mine):
            request.node.stash[MEASURED] = alone
            if ks_bench.baseline is not None:
                raise NothingToCompare(ks_bench.baseline.lacks(mine.name))
            pytest.skip("measured, and compared with nothing")
        if mine not in comparisons:
            raise InfrastructureError(f"{mine.name} was not measured on both variants")
        request.node.stash[COMPARISON] = ks_bench.told(mine, comparisons[mine])
    return comparisons[mine]


def _requested(item: pytest.Item) -> CostRequest | None:
    marker = item.get_closest_marker("ks_cost")
    if marker is None:
        return None
    asked = CostRequest(*marker.args, **marker.kwargs)
    return replace(asked, own=own_loop(item.config, asked.scenario))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what happened for the result, and the base's failures from failing the run."""
    report = yield
    if RUN not in item.config.stash:
        return report
    if not _judges(item):
        if report.failed:
            setattr(report, TOLD, Told(beside=True).as_json())
        return report
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, KsuiteError):
        console = getattr(error, "console", "") or getattr(error, "remote_traceback", "")
        report.longrepr = printable(f"{type(error).__name__}: {error}\n{console}".rstrip())
    error, expected = as_expected(item, report, error)
    setattr(report, TOLD, _told(item, report, error, expected).as_json())
    if (
        _variant(item) == BASE
        and report.failed
        and (isinstance(error, NothingToCompare) or is_theirs(error, report, own=is_own(item)))
    ):
        report.outcome = "skipped"
        first_line = str(error).partition("\n")[0] or report.when
        report.wasxfail = printable(f"{BASE}: {first_line}")
    return report


def _told(
    item: pytest.Item, report: pytest.TestReport, error: BaseException | None, expected: str
) -> Told:
    named = item.stash.get(COMPARISON, None)
    comparison = named.comparison if named else None
    dut: Dut | None = getattr(item, "funcargs", {}).get("ks_dut")
    recalled = dut is not None and dut.recalled
    variant, own = _variant(item), is_own(item)
    outcomes = [
        outcome_of(
            report, error, variant, comparison, recalled=recalled, expected=expected, own=own
        )
    ]
    if fault := item.stash.get(BASE_FAULT, None):
        outcomes += measured_alone(item.nodeid, fault)
    measured = item.stash.get(MEASURED, None)
    return Told(item.nodeid, tuple(filter(None, outcomes)), named, measured=measured)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """End the DUT, conclude, and put our exit code in the place of pytest's."""
    run = session.config.stash.get(RUN, None)
    if run is None or is_worker(session.config):
        return (yield)
    try:
        run.conclude(pytest.ExitCode(session.exitstatus))
        # The first one last: it tells what became of the other.
        if path := session.config.getoption("--ks-benchmark-json"):
            run.write(Path(path), benchmark_json.write)
        if path := session.config.getoption("--ks-json"):
            run.write(Path(path), json_file.write)
    finally:
        if run.result is not None:
            session.exitstatus = run.result.exit_code
        answer = yield
    return answer


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Print the report."""
    run = config.stash.get(RUN, None)
    if run is None or run.result is None:
        return
    terminalreporter.section("ksuite")
    colour = terminalreporter.hasmarkup
    width = max(120, terminalreporter._tw.fullwidth)  # noqa: SLF001 (it has no public name)
    terminalreporter.write(terminal.render(run.result, width=width, colour=colour))
