# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures for the tests of an out-of-tree module; they are there while a gate runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.check import Check
from ksuite.campaigns.gate_check import GateCheck
from ksuite.campaigns.lab import Lab
from ksuite.campaigns.own_tests import OnDut
from ksuite.pytest_options import gate_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from ksuite.campaigns.bench import Bench
    from ksuite.campaigns.costs import OwnLoop
    from ksuite.campaigns.dut import Dut
    from ksuite.campaigns.options import CheckOptions
    from ksuite.campaigns.suites import Suite
    from ksuite.campaigns.trial import Trial
    from ksuite.measure.baseline import Baseline
    from ksuite.measure.verdict import Comparison

ON_DUT = pytest.StashKey[OnDut]()
LOOPS = pytest.StashKey["dict[str, OwnLoop]"]()
FAILED = pytest.StashKey[bool]()


class Traffic:
    """Frames in, frames out."""

    def __init__(self, machine: Lab) -> None:
        self._machine = machine

    def through(self, frames: Any, into: str, out: str) -> list[bytes]:
        """Send frames on a link, and return those that arrive at another.

        :param frames: one, or several: bytes, or scapy's packets.
        """
        several = frames if isinstance(frames, (list, tuple)) else [frames]
        (heard,) = self._machine.exchange([(into, frame) for frame in several], [out])
        return heard

    def exchange(
        self, sends: Iterable[tuple[str, Any]], listens: Sequence[str]
    ) -> list[list[bytes]]:
        """Send each frame on its link, and return what arrives at each link of others."""
        return self._machine.exchange(sends, listens)


class OwnCost:
    """A cost that the test's ``ks_cost`` marker names, measured and compared."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def must_not_have_risen(self) -> None:
        """Fail where it has risen beyond its threshold, or can't be compared."""
        if complaint := self.comparison.complaint:
            pytest.fail(complaint)


class GatePlugin:
    """The fixtures, as a plugin."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note whether a test has failed, for what comes after it."""
        report = yield
        item.stash[FAILED] = item.stash.get(FAILED, False) or call.excinfo is not None
        return report

    @pytest.fixture
    def machine(
        self, request: pytest.FixtureRequest, ks_bench: Bench, ks_dut: Dut, ks_variant: str
    ) -> Any:
        """Return the DUT, fresh, with the modules loaded.

        After a test that passed they are unloaded, and its links taken down: a reference that a
        module still has makes it fail. After any other the guest is thrown away as it is.
        """
        names = [module.name for module in ks_bench.builds[ks_variant].modules]
        lab = Lab(ks_dut, on_dut(request.config), names, ks_bench.prepared.release)
        yield lab
        lab.end(passed=not request.node.stash.get(FAILED, False))

    @pytest.fixture
    def netns(self, machine: Lab) -> Callable[[str], str]:
        """Return what creates a network namespace."""
        return machine.namespace

    @pytest.fixture
    def veth(self, machine: Lab) -> Callable[[str, str], tuple[str, str]]:
        """Return what creates a veth pair."""
        return machine.veth

    @pytest.fixture
    def tap(self, machine: Lab) -> Callable[[str], str]:
        """Return what creates a tap device."""
        return machine.tap

    @pytest.fixture
    def traffic(self, machine: Lab) -> Traffic:
        """Return what sends and receives frames."""
        return Traffic(machine)

    @pytest.fixture
    def costs(self, ks_comparison: Comparison) -> OwnCost:
        """Return the cost that the test's marker names."""
        return OwnCost(ks_comparison)

    @pytest.fixture
    def baseline(self, ks_bench: Bench) -> Baseline | None:
        """Return the stored baseline that costs are compared with; None where there is none."""
        return ks_bench.baseline


def on_dut(config: pytest.Config) -> OnDut:
    """Return the files whose functions run on the DUT.

    :raises UserError: one can't be read.
    """
    asked = gate_of(config)
    assert asked is not None
    if ON_DUT not in config.stash:
        config.stash[ON_DUT] = OnDut(asked.file)
    return config.stash[ON_DUT]


def is_own(item: pytest.Item) -> bool:
    """Say whether a test is that of an out-of-tree module, and none of ours."""
    asked = gate_of(item.config)
    return asked is not None and item.path.resolve().is_relative_to(asked.file.top.resolve())


def own_loop(config: pytest.Config, scenario: str) -> OwnLoop | None:
    """Return a loop of the module's own; None where there is no such one."""
    if gate_of(config) is None:
        return None
    if LOOPS not in config.stash:
        config.stash[LOOPS] = on_dut(config).loops()
    return config.stash[LOOPS].get(scenario)


def trial_of(
    config: pytest.Config,
    options: CheckOptions,
    suites: Sequence[Suite],
    progress: Callable[[str], None],
) -> Trial:
    """Return the trial of modules, or else of a series, that tests are of.

    :raises KsuiteError: it can't be tried.
    """
    if asked := gate_of(config):
        return GateCheck(options, asked, suites, progress)
    check = Check(options, suites, progress)
    check.must_fit(check.suites)
    return check
