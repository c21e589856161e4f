# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite in pytest: options ``--ks-*``, fixtures and markers ``ks_*``; thin over campaigns."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.check import Check, CheckOptions, jobs, time_limit
from ksuite.campaigns.costs import CostRequest
from ksuite.campaigns.outcomes import THEIR_FAULT, Run, outcome_of
from ksuite.campaigns.suites import SUITES, check_scenario
from ksuite.errors import (
    KsuiteError,
    NothingToCompare,
    UserError,
)
from ksuite.machines.console import printable
from ksuite.machines.machine import Clock, Root
from ksuite.measure.result import (
    BASE,
    CANDIDATE,
    VARIANTS,
    NamedComparison,
)
from ksuite.measure.thresholds import Thresholds, read_thresholds
from ksuite.measure.verdict import Comparison
from ksuite.report import terminal
from ksuite.report.progress import progress_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from _pytest.terminal import TerminalReporter

    from ksuite.campaigns.dut import Dut

FAULTS_ENOUGH = 3
"""Kernel faults after which a variant's other functional checks are not run: each costs a boot."""

RUN = pytest.StashKey[Run]()
COMPARISON = pytest.StashKey[Comparison]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("ksuite", "kernel patch validation (ksuite)")
    group.addoption(
        "--ks-series",
        metavar="PATH",
        help="series to judge: an mbox, a patch, a quilt directory, or TREE:REV..REV "
        "(default: the suite's own, from patches/)",
    )
    group.addoption("--ks-kernel", default="distro", metavar="NAME", help="base kernel (distro)")
    group.addoption("--ks-scenario", metavar="NAME", help="run only this scenario")
    group.addoption(
        "--ks-candidate-only",
        action="store_true",
        help="don't run the functional checks on the base; costs need it all the same",
    )
    group.addoption("--ks-json", metavar="FILE", help="write the whole result as JSON")
    group.addoption(
        "--ks-clock",
        choices=[str(clock) for clock in Clock],
        default=str(Clock.INSTRUCTIONS),
        help="what costs are measured with (instructions)",
    )
    group.addoption(
        "--ks-root",
        choices=[str(root) for root in Root],
        help="the DUT's file system: our image, with guests restored from a snapshot, or this "
        "host's, with one guest booted (image; the wall clock needs host)",
    )
    group.addoption(
        "--ks-jobs",
        type=jobs,
        default=0,
        metavar="N",
        help="restored guests that may measure at once (the number of CPUs)",
    )
    group.addoption(
        "--ks-packages", metavar="FILE", help="Debian packages to add to the image, one a line"
    )
    group.addoption(
        "--ks-thresholds", metavar="FILE", help="TOML: from when a change of which cost counts"
    )
    group.addoption(
        "--ks-timeout",
        type=time_limit,
        default=60.0,
        metavar="SECONDS",
        help="a DUT that is silent for so long hangs (60)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line(
        "markers", "ks_scenario(name): the scenario that a test belongs to, for --ks-scenario"
    )
    config.addinivalue_line(
        "markers", "ks_cost(scenario, frame_bytes): a cost that a test needs measured"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what ``--ks-scenario`` and ``--ks-candidate-only`` ask for."""
    wanted = config.getoption("--ks-scenario")
    if wanted in {suite.name for suite in SUITES}:
        wanted = None
    unwanted_variant = BASE if config.getoption("--ks-candidate-only") else None
    dropped = [
        item
        for item in items
        if (wanted and _scenario(item) != wanted) or _variant(item) == unwanted_variant
    ]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]


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
    return "ks_check" in getattr(item, "fixturenames", ())


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Build and boot before the first test, so that a bad series is one line and an exit code."""
    items = [item for item in session.items if _judges(item)]
    if session.config.option.collectonly or session.testsfailed:
        return
    if not items and not session.config.getoption("--ks-scenario"):
        return
    run = session.config.stash.setdefault(RUN, Run())
    try:
        run.check = _prepared_check(session.config, items, run.stack)
    except KsuiteError as error:
        run.error = error
        # pytest prints our summary only after codes that it knows; ours takes its place later.
        pytest.exit("the series was not judged", returncode=pytest.ExitCode.TESTS_FAILED)


def _prepared_check(config: pytest.Config, items: list[pytest.Item], stack: ExitStack) -> Check:
    scenario = config.getoption("--ks-scenario")
    if scenario:
        check_scenario(scenario)
    if not items:
        raise NothingToCompare(f"no test belongs to scenario {scenario!r}")
    directories = {item.path.parent.name for item in items}
    suites = [suite for suite in SUITES if suite.name in directories]
    if not suites:
        known = ", ".join(suite.name for suite in SUITES)
        raise UserError(f"{items[0].path.parent} is no suite; there are: {known}")
    series = config.getoption("--ks-series") or str(config.rootpath / suites[0].default_series)
    options = CheckOptions(
        series,
        config.getoption("--ks-kernel"),
        Clock(config.getoption("--ks-clock")),
        config.getoption("--ks-timeout"),
        root=Root(root) if (root := config.getoption("--ks-root")) else None,
        jobs=config.getoption("--ks-jobs"),
        packages=Path(packages) if (packages := config.getoption("--ks-packages")) else None,
        thresholds=read_thresholds(Path(file))
        if (file := config.getoption("--ks-thresholds"))
        else Thresholds(),
    )
    with _progress(config) as progress:
        check = Check(options, suites, progress)
        check.must_fit(suites)
        return stack.enter_context(check)


@contextmanager
def _progress(config: pytest.Config) -> Iterator[Callable[[str], None]]:
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), progress_line(sys.stderr) as progress:
        yield progress


@pytest.fixture(scope="session")
def ks_check(
    request: pytest.FixtureRequest, record_testsuite_property: Callable[[str, object], None]
) -> Check:
    """Return the check in progress: series, builds, DUT."""
    check = request.config.stash[RUN].check
    if check is None:
        pytest.fail("ks_check is only there while a series is judged")
    for name in ("series", "kernel_version", "clock", "machine"):
        record_testsuite_property(f"ksuite.{name}", getattr(check.subject, name))
    return check


@pytest.fixture(scope="session", params=VARIANTS)
def ks_variant(request: pytest.FixtureRequest) -> str:
    """Return the variant that a test looks at; parametrises it over base and candidate."""
    return str(request.param)


@pytest.fixture
def ks_dut(request: pytest.FixtureRequest, ks_check: Check, ks_variant: str) -> Dut:
    """Return the DUT, alive, with the variant's modules loaded and their build-ids checked."""
    if ks_check.dut.faults[ks_variant] >= FAULTS_ENOUGH:
        pytest.skip(f"the {ks_variant} kernel broke {FAULTS_ENOUGH} times: enough is known")
    with _progress(request.config) as progress:
        progress(f"loading {ks_variant}")
        ks_check.dut.use(ks_variant)
    return ks_check.dut


@pytest.fixture
def ks_comparison(request: pytest.FixtureRequest, ks_check: Check) -> Comparison:
    """Return base against candidate for the cost that the test's ``ks_cost`` marker names.

    All costs of the session are measured at the first use, in turns of base and candidate.
    """
    wanted = {item: _requested(item) for item in request.session.items if _requested(item)}
    requests = sorted(set(filter(None, wanted.values())))
    mine = wanted.get(request.node)
    if mine is None:
        raise pytest.UsageError("ks_comparison needs the marker ks_cost(scenario, frame_bytes)")
    with _progress(request.config) as ks_check.progress:
        comparisons = ks_check.compare_costs(requests)
    run = request.config.stash[RUN]
    if CANDIDATE in ks_check.costs.faults:
        raise ks_check.costs.faults[CANDIDATE]
    if BASE in ks_check.costs.faults:
        run.take_measured_alone(request.node.nodeid, ks_check.costs.faults[BASE])
        pytest.skip("the base broke while it was measured: the candidate has nothing to beat")
    request.node.stash[COMPARISON] = comparisons[mine]
    run.comparisons[mine.name] = NamedComparison(mine.name, comparisons[mine])
    return comparisons[mine]


def _requested(item: pytest.Item) -> CostRequest | None:
    marker = item.get_closest_marker("ks_cost")
    return CostRequest(*marker.args, **marker.kwargs) if marker else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what happened for the result, and the base's failures from failing the run."""
    report = yield
    run = item.config.stash.get(RUN, None)
    if run is None:
        return report
    if not _judges(item):
        run.failed_beside += report.failed
        return report
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, KsuiteError):
        console = getattr(error, "console", "") or getattr(error, "remote_traceback", "")
        report.longrepr = printable(f"{type(error).__name__}: {error}\n{console}".rstrip())
    variant = _variant(item)
    run.take(item.nodeid, outcome_of(report, error, variant, item.stash.get(COMPARISON, None)))
    if variant == BASE and report.failed and isinstance(error, (*THEIR_FAULT, NothingToCompare)):
        report.outcome = "skipped"
        first_line = str(error).partition("\n")[0] or report.when
        report.wasxfail = printable(f"{BASE}: {first_line}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """End the DUT, conclude, and put our exit code in the place of pytest's."""
    run = session.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    try:
        run.conclude(pytest.ExitCode(session.exitstatus))
        if path := session.config.getoption("--ks-json"):
            run.write_json(Path(path))
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
    width = max(100, terminalreporter._tw.fullwidth)  # noqa: SLF001 (it has no public name)
    terminalreporter.write(terminal.render(run.result, width=width, colour=colour))
