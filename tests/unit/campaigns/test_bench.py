# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests run on, over guests that only keep books; and what goes to other processes."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns import bench as bench_module
from ksuite.campaigns.bench import Bench, Prepared
from ksuite.campaigns.costs import BOOTED_TURNS, CostRequest
from ksuite.campaigns.dut import LiveDut
from ksuite.campaigns.options import Attribute, CheckOptions, Recall
from ksuite.campaigns.restored_dut import RestoredDut
from ksuite.campaigns.suites import VHOST
from ksuite.dut import loops, modules
from ksuite.errors import InfrastructureError
from ksuite.machines.image import guest_code
from ksuite.machines.machine import Clock
from ksuite.measure.baseline import Baseline, StoredCost
from ksuite.measure.verdict import Verdict, compare
from tests.unit.campaigns.guests import PANIC, Guest, Guests, Plugin, prepared
from tests.unit.measure.samples import WALL, baseline, comparison, cost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RX, TX = CostRequest("vhost_rx", 64), CostRequest("vhost_tx", 1500)
LEVELS = {"base": 1000, "candidate": 1100}


class Lab:
    """Benches over the same guests."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.guests = Guests(directory)
        self.guests.does[loops.measure] = self._measure
        self.plugin = Plugin(self.guests, LEVELS)
        self.measured: list[str] = []
        self.prepared = replace(
            prepared(), builds=self.guests.builds, snapshot=self.guests.snapshot(), saved=None
        )

    def _measure(self, guest: Guest, scenario: str, *_: object) -> list[float]:
        self.measured.append(scenario)
        self.plugin.count(guest)
        return [float(LEVELS[guest.variant])] * 5

    def bench(
        self,
        *,
        attribute: Attribute = Attribute.COUNTED,
        jobs: int = 1,
        recall: Recall = Recall.NEVER,
        **more: Any,
    ) -> Bench:
        options = CheckOptions("", attribute=attribute, jobs=jobs, recall=recall, **more)
        return Bench(self.prepared, options, [VHOST], self.directory)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    monkeypatch.setenv("KSUITE_STORE", str(tmp_path / "store"))
    monkeypatch.setattr(bench_module, "counting_plugin", lambda *_: lab.plugin.path)
    yield lab
    assert lab.guests.alive == []


@pytest.mark.parametrize(
    "told",
    [prepared(), replace(prepared(), kvm=True, snapshot=None, saved=None)],
    ids=["restored", "booted"],
)
def test_what_was_prepared_arrives_as_it_was(told: Prepared) -> None:
    assert Prepared.from_json(told.as_json()) == told


def test_parameters_keep_their_types() -> None:
    """They are a part of what makes costs comparable."""
    parameters: tuple[tuple[str, int | str], ...] = (("batch", 500), ("name", "500"))
    told = replace(prepared(), conditions=replace(prepared().conditions, parameters=parameters))
    assert Prepared.from_json(told.as_json()).conditions.parameters == parameters


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"builds": 3}', prepared().as_json()[:-20]])
def test_garbage_was_not_prepared(text: str) -> None:
    with pytest.raises(Exception, match=r"Prepared|Expecting|delimiter|Unterminated|JSON|list"):
        Prepared.from_json(text)


def test_guests_are_restored_where_there_is_a_snapshot(lab: Lab) -> None:
    with lab.bench() as bench:
        assert isinstance(bench.dut, RestoredDut)
        assert bench.exact
        assert len(lab.guests) == 0
        bench.dut.use("candidate")
        assert lab.guests[-1].variant == "candidate"


def test_guests_are_booted_where_there_is_none(lab: Lab) -> None:
    lab.prepared = replace(lab.prepared, snapshot=None)
    with lab.bench() as bench:
        assert isinstance(bench.dut, LiveDut)
        assert not bench.exact


def test_variants_are_loaded_once_for_all_processes(lab: Lab) -> None:
    with lab.bench() as bench:
        lab.prepared = Prepared.from_json(bench.save_variants().as_json())
    assert set(lab.prepared.saved or {}) == {"base", "candidate"}
    # A snapshot comes back as a plain one, which restores real guests.
    lab.prepared = replace(lab.prepared, snapshot=lab.guests.snapshot())
    before = len(lab.guests)
    with lab.bench() as other:
        for variant in ("base", "candidate"):
            other.dut.use(variant)
            assert lab.guests[-1].variant == variant
    assert ["load" in guest.did for guest in lab.guests.all[before:]] == [False, False]


def test_variant_that_breaks_is_left_to_the_tests(lab: Lab) -> None:
    def load(guest: Guest, images: dict[str, bytes], _: object) -> dict[str, str]:
        if b"candidate" in images["vhost"]:
            raise PANIC
        return guest.load(images)

    lab.guests.does[modules.load] = load
    with lab.bench() as bench:
        assert set(bench.save_variants().saved or {}) == {"base"}
        with pytest.raises(type(PANIC)):
            bench.dut.use("candidate")


@pytest.mark.parametrize(
    ("recall", "asked"),
    [
        (Recall.NEVER, {"base", "candidate"}),
        (Recall.BASE, {"candidate"}),
        (Recall.ALL, set()),
    ],
)
def test_whose_guests_are_asked_again_is_chosen(lab: Lab, recall: Recall, asked: set[str]) -> None:
    with lab.bench(recall=recall) as bench:
        first = bench.compare_costs([RX])[RX]
    before = len(lab.guests)
    with lab.bench(recall=recall) as bench:
        again = bench.compare_costs([RX])[RX]
    assert {guest.variant for guest in lab.guests.all[before:]} == asked
    assert [first.base.recalled, first.candidate.recalled] == [False, False]
    recalled = ["base" not in asked, "candidate" not in asked]
    assert [again.base.recalled, again.candidate.recalled] == recalled
    assert again.difference == first.difference == 100


def test_guests_of_several_vcpus_are_always_asked(lab: Lab) -> None:
    """They take turns, and not always the same ones."""
    lab.prepared = replace(lab.prepared, conditions=replace(lab.prepared.conditions, vcpus=2))
    for _ in range(2):
        with lab.bench(recall=Recall.ALL) as bench:
            bench.compare_costs([RX])
    assert lab.measured == [RX.scenario] * 8


def test_answers_that_are_not_recalled_are_not_kept(lab: Lab) -> None:
    with lab.bench(recall=Recall.NEVER) as bench:
        bench.compare_costs([RX])
    before = len(lab.guests)
    with lab.bench(recall=Recall.ALL) as bench:
        bench.compare_costs([RX])
    assert len(lab.guests) == before + 4


def test_variant_that_was_loaded_in_an_earlier_run_is_left(lab: Lab) -> None:
    """A later run may need no guest of the base at all."""
    with lab.bench(recall=Recall.BASE) as bench:
        assert set(bench.save_variants().saved or {}) == {"base", "candidate"}
    with lab.bench(recall=Recall.BASE) as bench:
        assert set(bench.save_variants().saved or {}) == {"candidate"}


def test_costs_are_compared_under_their_conditions(lab: Lab) -> None:
    with lab.bench() as bench:
        seen = bench.compare_costs([RX, TX])
    assert seen[RX].difference == 100
    assert seen[RX].verdict is Verdict.REGRESSION
    fingerprint = seen[TX].base.fingerprint
    assert fingerprint == replace(
        lab.prepared.conditions,
        scenario="vhost_tx",
        scenario_version=loops.version(RX.scenario),
        parameters=(("batch", loops.batch(RX.scenario)), ("frame_bytes", 1500)),
    )


def test_size_of_a_cost_is_what_its_scenario_handles(lab: Lab) -> None:
    rules = CostRequest("tc_insert", 50_000)
    assert (rules.name, TX.name) == ("tc_insert 50000 rules", "vhost_tx 1500 B")
    with lab.bench() as bench:
        fingerprint = bench.compare_costs([rules])[rules].base.fingerprint
    assert fingerprint.parameters == (("batch", loops.batch("tc_insert")), ("rules", 50_000))


def test_costs_are_measured_once_until_they_are_forgotten(lab: Lab) -> None:
    with lab.bench() as bench:
        for _ in range(2):
            bench.compare_costs([RX])
        assert len(lab.measured) == 4
        bench.forget_costs()
        bench.compare_costs([RX])
        assert len(lab.measured) == 8


@pytest.mark.parametrize(
    ("attribute", "change", "wanted"),
    [
        (Attribute.COUNTED, 0.1, True),
        (Attribute.COUNTED, -0.1, True),
        (Attribute.COUNTED, 0.001, False),
        (Attribute.ANY, 0.001, True),
        (Attribute.ANY, 0.0, False),
        (Attribute.NEVER, 0.1, False),
    ],
)
def test_which_changes_are_attributed(
    lab: Lab, attribute: Attribute, change: float, wanted: bool
) -> None:
    with lab.bench(attribute=attribute) as bench:
        told: list[str] = []
        bench.progress = told.append
        seen = bench.told(RX, comparison(change))
    assert (seen.name, seen.comparison) == ("vhost_rx 64 B", comparison(change))
    assert (seen.attribution is not None) == wanted
    assert told == ["counting by function: vhost_rx 64 B"] * wanted
    assert len(lab.plugin.outputs) == 2 * wanted


def test_what_can_not_be_compared_is_not_attributed(lab: Lab) -> None:
    other = compare(cost(1000), cost(2000, fingerprint=WALL))
    assert other.verdict is Verdict.INCOMPARABLE
    with lab.bench(attribute=Attribute.ANY) as bench:
        assert bench.told(RX, other).attribution is None
    assert len(lab.guests) == 0


def test_booted_guests_are_not_attributed(lab: Lab) -> None:
    lab.prepared = replace(lab.prepared, snapshot=None)
    with lab.bench(attribute=Attribute.ANY) as bench:
        assert bench.told(RX, comparison(0.1)).attribution is None


def test_missing_plugin_takes_only_the_attribution(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Path:
        raise InfrastructureError("QEMU's plugin could not be compiled")

    monkeypatch.setattr(bench_module, "counting_plugin", refuse)
    with lab.bench() as bench:
        seen = bench.told(RX, comparison(0.1))
    assert "could not be compiled" in seen.note
    assert (seen.comparison, seen.attribution) == (comparison(0.1), None)


def test_counts_that_do_not_add_up_are_told(lab: Lab) -> None:
    lab.plugin = Plugin(lab.guests, {"base": 1000, "candidate": 1500})
    with lab.bench() as bench:
        seen = bench.told(RX, comparison(0.1))
    assert "don't add up" in seen.note
    assert (seen.comparison, seen.attribution) == (comparison(0.1), None)


@pytest.mark.parametrize(
    ("jobs", "cpus", "workers", "most"),
    [(3, 8, "2", 3), (0, 8, "2", 4), (0, 8, None, 8), (0, 2, "4", 1), (0, None, None, 1)],
)
def test_processes_share_the_cpus(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    jobs: int,
    cpus: int | None,
    workers: str | None,
    most: int,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cpus)
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    if workers:
        monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", workers)
    with lab.bench(jobs=jobs) as bench:
        assert bench.jobs == most


def distro(lab: Lab, level: float) -> Baseline:
    """Return a baseline that has the cost of RX, as this lab measures it."""
    with lab.bench() as bench:
        measured = bench.compare_costs([RX])[RX].base
    [(name, stored)] = baseline("distro", rx=level).costs.items()
    cost = replace(measured, windows=(level, level))
    provenance = replace(stored.provenance, guest_code=guest_code())
    return Baseline("distro", "2026-01-01", {name: StoredCost(cost, provenance)})


def test_costs_are_compared_with_a_baseline(lab: Lab) -> None:
    old = distro(lab, 1099.0)
    before = len(lab.guests)
    with lab.bench(baseline=old) as bench:
        [seen] = bench.compare_costs([RX]).values()
        told = bench.told(RX, seen)
        assert bench.measured_alone(RX) is None
    assert {guest.variant for guest in lab.guests.all[before:]} == {"candidate"}
    assert (seen.verdict, seen.difference) == (Verdict.PASS, 1)
    assert (told.baseline, told.note) == ("distro", "")


def test_change_from_a_baseline_is_not_attributed_and_says_so(lab: Lab) -> None:
    with lab.bench(baseline=distro(lab, 1000.0)) as bench:
        [seen] = bench.compare_costs([RX]).values()
        told = bench.told(RX, seen)
    assert seen.verdict is Verdict.REGRESSION
    assert told.attribution is None
    assert told.note == bench_module.UNATTRIBUTED
    assert lab.plugin.outputs == []


@pytest.mark.parametrize("level", [1000.0, 1099.0])
def test_baseline_of_other_code_in_the_guest_says_so_where_it_matters(
    lab: Lab, level: float
) -> None:
    old = distro(lab, level)
    stored = old.costs[RX.name]
    other = replace(stored, provenance=replace(stored.provenance, guest_code="other"))
    with lab.bench(baseline=replace(old, costs={RX.name: other})) as bench:
        [seen] = bench.compare_costs([RX]).values()
        told = bench.told(RX, seen)
    changed = seen.verdict is not Verdict.PASS
    assert changed == (level == 1000.0)
    assert told.note.endswith(bench_module.OTHER_CODE if changed else "")
    assert bool(told.note) == changed


def test_costs_only_leave_the_base_and_the_functional_checks_alone(lab: Lab) -> None:
    with lab.bench(costs_only=True) as bench:
        assert bench.save_variants() == lab.prepared
        assert len(lab.guests) == 0
        assert bench.compare_costs([RX]) == {}
        alone = bench.measured_alone(RX)
    assert {guest.variant for guest in lab.guests.all} == {"candidate"}
    assert alone is not None
    assert (alone.name, alone.cost.median) == ("vhost_rx 64 B", 1100)


def test_real_time_is_measured_in_boots(lab: Lab) -> None:
    lab.prepared = replace(
        lab.prepared, snapshot=None, conditions=replace(lab.prepared.conditions, clock=Clock.WALL)
    )
    with lab.bench(clock=Clock.WALL) as bench:
        assert isinstance(bench.dut, LiveDut)
        bench.dut._boot = lab.guests.boot
        seen = bench.compare_costs([RX])[RX]
    assert [guest.variant for guest in lab.guests.all] == list(BOOTED_TURNS)
    assert seen.verdict is Verdict.REGRESSION
    assert seen.candidate.guests == 5
