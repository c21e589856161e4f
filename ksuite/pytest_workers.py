# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite under pytest-xdist: the controller prepares and judges, its workers run tests.

What was prepared goes to the workers as a file; what tests say comes back with their reports.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.bench import Bench, Prepared
from ksuite.campaigns.outcomes import Run, Told, late_faults
from ksuite.campaigns.own_tests import own_suite
from ksuite.campaigns.suites import GATE, ROOT, SUITES
from ksuite.errors import InfrastructureError, KsuiteError, UserError
from ksuite.kernels.store import run_directory
from ksuite.pytest_options import gate_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ksuite.campaigns.options import CheckOptions
    from ksuite.campaigns.suites import Suite

RUN = pytest.StashKey[Run]()
PREPARED = "ks_prepared"
"""Where a worker finds the file."""
TOLD = "ks_told"
"""What a test's report, and a worker at its end, says to the controller."""


def is_worker(config: pytest.Config) -> bool:
    """Whether this process only runs the tests that another one hands out."""
    return hasattr(config, "workerinput")


def distributes(config: pytest.Config) -> bool:
    """Whether this process has workers."""
    return not is_worker(config) and config.getoption("dist", "no") != "no"


def suites_of(config: pytest.Config, nodes: Sequence[str]) -> list[Suite]:
    """Return the suites that tests belong to, by their ids."""
    asked = gate_of(config)
    if asked is not None and config.rootpath != ROOT:
        return [own_suite(asked.file)] if nodes else []
    directories = {Path(node.partition("::")[0]).parent.name for node in nodes}
    known = SUITES if asked is None else (*SUITES, GATE)
    return [suite for suite in known if suite.name in directories]


def in_no_suite() -> str:
    """Return what is wrong with tests that are in no suite's directory."""
    known = ", ".join(suite.name for suite in SUITES)
    return f"tests that judge a series are in no suite's directory; there are: {known}"


def worker_bench(
    config: pytest.Config, options: CheckOptions, suites: Sequence[Suite], stack: ExitStack
) -> Bench:
    """Return a worker's own bench, made from what the controller has prepared.

    :raises UserError: these tests belong to no suite.
    :raises InfrastructureError: it has prepared nothing.
    """
    if not suites:
        raise UserError(in_no_suite())
    place = Path(config.workerinput[PREPARED])  # type: ignore[attr-defined]
    try:
        prepared = Prepared.from_json(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise InfrastructureError(f"nothing was prepared for the tests: {error}") from error
    # Below the controller's, which outlives it and is cleared whatever becomes of this process.
    directory = place.with_name(config.workerinput["workerid"])  # type: ignore[attr-defined]
    directory.mkdir()
    return stack.enter_context(Bench(prepared, options, suites, directory))


class Worker:
    """The hooks of a process that only runs tests."""

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Say what came up only at the end, and leave nothing running."""
        run = session.config.stash[RUN]
        with run.stack:
            if run.bench is not None and session.exitstatus != pytest.ExitCode.INTERRUPTED:
                told = late_faults(run.bench.dut)
                session.config.workeroutput[TOLD] = told.as_json()  # type: ignore[attr-defined]
        return (yield)


class Controller:
    """The hooks of a process that has workers.

    :param prepare: makes all ready for the tests with these ids, or ends the session.
    """

    def __init__(
        self, config: pytest.Config, prepare: Callable[[pytest.Config, Sequence[str]], None]
    ) -> None:
        self._config = config
        self._prepare = prepare
        self._stack = ExitStack()
        self._directory: Path | None = None
        self._broken = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Notice a file that can't be imported: without its tests nothing can be judged."""
        self._broken |= report.failed

    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where it will find what was prepared."""
        if self._directory is None:
            self._directory = self._stack.enter_context(run_directory())
        node.workerinput[PREPARED] = str(self._directory / "prepared.json")

    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Prepare as soon as it is known what will run; no test is handed out before."""
        option = self._config.getoption
        wanted = suites_of(self._config, ids) or option("--ks-scenario") or option("--ks-check")
        if not wanted or RUN in self._config.stash:
            return
        if self._broken:
            pytest.exit("not all tests could be collected", pytest.ExitCode.TESTS_FAILED)
        self._prepare(self._config, ids)
        run = self._config.stash[RUN]
        run.order = {node: place for place, node in enumerate(ids)}
        try:
            self._hand_out(run)
        except (KsuiteError, OSError) as error:
            text = f"what was prepared can't be handed to the tests: {error}"
            run.error = error if isinstance(error, KsuiteError) else InfrastructureError(text)
            pytest.exit("the series was not judged", pytest.ExitCode.TESTS_FAILED)

    def _hand_out(self, run: Run) -> None:
        assert run.bench is not None
        assert self._directory is not None
        prepared = run.bench.save_variants()
        place = self._directory / "prepared.json"
        place.write_text(prepared.as_json(), encoding="utf-8")

    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker says at its end."""
        run = self._config.stash.get(RUN, None)
        told = getattr(node, "workeroutput", {}).get(TOLD)
        if run is not None and told:
            run.hear(Told.from_json(told))

    def pytest_unconfigure(self) -> None:
        """Leave no file behind."""
        self._stack.close()
