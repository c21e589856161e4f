# SPDX-License-Identifier: GPL-2.0-or-later
"""The costs of base and candidate, measured on both kinds of DUT over guests that make them up."""

from __future__ import annotations

import math
import shutil
import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns.costs import BOOTED_TURNS, ROUNDS, TURNS, WINDOWS, CostRequest, Costs
from ksuite.campaigns.dut import LiveDut
from ksuite.campaigns.recalling import KIND, Answers
from ksuite.campaigns.restored_dut import RestoredDut
from ksuite.dut import loops
from ksuite.errors import DutError, InfrastructureError, KsuiteError, NothingToCompare
from ksuite.kernels.store import Store
from ksuite.measure.thresholds import Thresholds
from ksuite.measure.verdict import Verdict
from tests.unit.campaigns.guests import PANIC, RELEASE, WAIT_SECONDS, Guest, Guests
from tests.unit.measure.samples import FINGERPRINT, baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from ksuite.measure.baseline import Baseline
    from ksuite.measure.cost import Fingerprint
    from ksuite.measure.verdict import Comparison

RX, TX = CostRequest("vhost_rx", 64), CostRequest("vhost_tx", 1500)
USUAL = Thresholds()
REFUSED = DutError("no notification in 5 s")


def windows(middle: float) -> list[float]:
    """Return windows whose mean this is, though it is none of them, nor their median."""
    return [float(middle + more) for more in (-2, -2, -2, 2, 4)]


def fingerprint(request: CostRequest) -> Fingerprint:
    return replace(FINGERPRINT, scenario=request.scenario)


class Lab:
    """Costs, and the guests that they are measured in.

    :param exact: each turn is in a guest of its own.
    :param recalls: the variants of which answers are kept in the directory, for the next lab.
    :param more: for `Costs`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        exact: bool,
        jobs: int = 1,
        recalls: Collection[str] = (),
        **more: Any,
    ) -> None:
        self.exact = exact
        self.guests = Guests(directory)
        self.guests.does[loops.measure] = self._measure
        self.dut: LiveDut | RestoredDut
        if exact:
            snapshot = self.guests.snapshot()
            answers = Answers(Store(directory / "store"), snapshot)
            self.dut = RestoredDut(snapshot, directory, [], answers=answers, recalls=recalls)
        else:
            self.dut = LiveDut(self.guests.boot, RELEASE, [], [])
        self.dut.offer(self.guests.builds)
        self.told: list[str] = []
        self.costs = Costs(
            self.dut, fingerprint, exact=exact, jobs=jobs, progress=self.told.append, **more
        )
        self.turns: list[tuple[str, CostRequest]] = []
        self.answers: Callable[[str, CostRequest], Any] = lambda *_: windows(1000)

    def _measure(self, guest: Guest, scenario: str, size: int, count: int, rounds: int) -> Any:
        assert (count, rounds) == (WINDOWS, ROUNDS)
        request = CostRequest(scenario, size)
        self.turns.append((guest.variant, request))
        return self.answers(guest.variant, request)

    def breaks(self, variant: str, error: KsuiteError) -> None:
        """Let a variant break whatever is measured on it."""

        def answer(which: str, _: CostRequest) -> list[float]:
            if which == variant:
                raise error
            return windows(1000)

        self.answers = answer

    def compare(
        self, *requests: CostRequest, thresholds: Thresholds = USUAL
    ) -> dict[CostRequest, Comparison]:
        return self.costs.compare(requests, thresholds)


def faults(lab: Lab, *requests: CostRequest) -> dict[tuple[str, CostRequest], KsuiteError]:
    found = {(v, r): lab.costs.fault(v, r) for v in ("base", "candidate") for r in requests}
    return {key: fault for key, fault in found.items() if fault}


@pytest.fixture
def exact(tmp_path: Path) -> Lab:
    return Lab(tmp_path, exact=True)


@pytest.fixture
def live(tmp_path: Path) -> Lab:
    return Lab(tmp_path, exact=False)


@pytest.fixture(params=[True, False], ids=["exact", "live"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Lab:
    return Lab(tmp_path, exact=request.param)


def growing() -> Callable[[str, CostRequest], list[float]]:
    """Return answers that differ by variant, request, and turn."""
    seen: Counter[tuple[str, CostRequest]] = Counter()

    def answer(variant: str, request: CostRequest) -> list[float]:
        seen[variant, request] += 1
        level = {"base": 1000, "candidate": 2000}[variant] + {RX: 0, TX: 5000}[request]
        return windows(level + seen[variant, request])

    return answer


def test_restored_guests_windows_are_one_value_a_turn(exact: Lab) -> None:
    exact.answers = growing()
    seen = exact.compare(RX, TX)
    assert seen[RX].base.windows == (1001, 1002)
    assert seen[RX].candidate.windows == (2001, 2002)
    assert seen[TX].base.windows == (6001, 6002)
    assert seen[TX].candidate.windows == (7001, 7002)


def test_booted_guests_windows_are_a_value_each(live: Lab) -> None:
    live.answers = growing()
    seen = live.compare(RX, TX)
    assert seen[RX].base.windows == (*windows(1001), *windows(1002))
    assert seen[TX].candidate.windows == (*windows(7001), *windows(7002))


def test_each_turn_is_a_guest_of_its_own_or_all_are_in_one(tmp_path: Path) -> None:
    for exact, count in ((True, 8), (False, 1)):
        place = tmp_path / str(exact)
        place.mkdir()
        lab = Lab(place, exact=exact)
        lab.compare(RX, TX)
        assert len(lab.guests) == count
        lab.dut.close()
        assert lab.guests.alive == []


def test_base_and_candidate_take_turns_base_first(lab: Lab) -> None:
    lab.compare(TX, RX)
    assert lab.turns == [(variant, request) for variant in TURNS for request in (TX, RX)]
    assert [variant for variant, _ in lab.turns[::2]] == ["base", "candidate"] * 2
    assert lab.told[0] == "measuring vhost_tx 1500 B: base"
    assert len(lab.told) == len(lab.turns)


def test_costs_have_the_fingerprint_of_their_request(lab: Lab) -> None:
    for request, seen in lab.compare(RX, TX).items():
        assert seen.base.fingerprint == seen.candidate.fingerprint == fingerprint(request)


def test_what_is_known_is_not_measured_again(lab: Lab) -> None:
    first = lab.compare(RX)
    assert lab.compare(RX) == first
    assert len(lab.turns) == 4
    assert set(lab.compare(RX, TX)) == {RX, TX}
    assert [request for _, request in lab.turns[4:]] == [TX] * 4
    assert set(lab.compare(TX)) == {TX}


def test_nothing_asked_nothing_measured(lab: Lab) -> None:
    assert lab.compare() == {}
    assert len(lab.guests) == 0


@pytest.mark.parametrize(
    ("change", "thresholds", "verdict"),
    [
        (0.0029, Thresholds(), Verdict.PASS),
        (0.0031, Thresholds(), Verdict.REGRESSION),
        (0.0031, Thresholds(default=1), Verdict.PASS),
        (0.0031, Thresholds(own={RX.name: 1}), Verdict.PASS),
        (0.0031, Thresholds(own={TX.name: 1}), Verdict.REGRESSION),
    ],
)
def test_change_counts_from_the_costs_threshold(
    exact: Lab, change: float, thresholds: Thresholds, verdict: Verdict
) -> None:
    levels = {"base": 1e6, "candidate": 1e6 * (1 + change)}
    exact.answers = lambda variant, _: [levels[variant]] * WINDOWS
    assert exact.compare(RX, thresholds=thresholds)[RX].verdict is verdict


def test_usual_threshold_depends_on_the_guest(tmp_path: Path) -> None:
    levels = {"base": 1e6, "candidate": 1.004e6}
    for exact, verdict in ((True, Verdict.REGRESSION), (False, Verdict.PASS)):
        place = tmp_path / str(exact)
        place.mkdir()
        lab = Lab(place, exact=exact)
        lab.answers = lambda variant, _: [levels[variant]] * WINDOWS
        assert lab.compare(RX)[RX].verdict is verdict


@pytest.mark.parametrize("error", [PANIC, REFUSED], ids=type)
@pytest.mark.parametrize(("variant", "other"), [("base", "candidate"), ("candidate", "base")])
def test_variant_that_breaks_is_not_measured_again(
    lab: Lab, variant: str, other: str, error: KsuiteError
) -> None:
    """Each loop is tried where a guest costs nothing; the first fault speaks for a booted one."""
    lab.breaks(variant, error)
    assert lab.compare(RX, TX) == {}
    assert faults(lab, RX, TX) == {(variant, RX): error, (variant, TX): error}
    tried = 2 if lab.exact else 1
    assert Counter(which for which, _ in lab.turns) == {variant: tried, other: 4}
    before = len(lab.turns)
    assert lab.compare(RX, TX) == {}
    assert len(lab.turns) == before


def test_fault_in_one_loop_says_nothing_of_another(exact: Lab) -> None:
    """A candidate that breaks only there must not pass because the base broke elsewhere."""

    def answer(variant: str, request: CostRequest) -> list[float]:
        if (variant, request) in {("base", TX), ("candidate", RX)}:
            raise PANIC
        return windows(1000)

    exact.answers = answer
    assert exact.compare(TX) == {}
    assert exact.costs.measured("candidate", TX)
    assert exact.compare(RX) == {}
    assert faults(exact, RX, TX) == {("base", TX): PANIC, ("candidate", RX): PANIC}
    assert exact.costs.measured("base", RX)
    assert not exact.costs.measured("candidate", RX)


def test_both_can_break(lab: Lab) -> None:
    def answer(variant: str, _: CostRequest) -> list[float]:
        raise {"base": PANIC, "candidate": REFUSED}[variant]

    lab.answers = answer
    assert lab.compare(RX) == {}
    assert faults(lab, RX) == {("base", RX): PANIC, ("candidate", RX): REFUSED}
    assert len(lab.turns) == 2


def test_what_was_compared_before_the_fault_stays(lab: Lab) -> None:
    first = lab.compare(RX)
    lab.breaks("candidate", PANIC)
    assert lab.compare(RX, TX) == first
    assert faults(lab, RX, TX) == {("candidate", TX): PANIC}


def test_variant_that_breaks_in_its_last_turn_has_no_counterpart(lab: Lab) -> None:
    def answer(variant: str, _: CostRequest) -> list[float]:
        if variant == "candidate" and len(lab.turns) == 4:
            raise PANIC
        return windows(1000)

    lab.answers = answer
    assert lab.compare(RX) == {}
    assert faults(lab, RX) == {("candidate", RX): PANIC}
    assert not lab.costs.measured("candidate", RX)


@pytest.mark.parametrize(
    "error", [InfrastructureError("the guest ended"), NothingToCompare("blind")], ids=type
)
def test_trouble_of_ours_is_nobodys_fault(lab: Lab, error: KsuiteError) -> None:
    lab.breaks("candidate", error)
    with pytest.raises(type(error)) as raised:
        lab.compare(RX)
    assert raised.value is error
    assert faults(lab, RX) == {}


@pytest.mark.parametrize(
    "garbage",
    [
        [],
        [1.0] * (WINDOWS - 1),
        [1.0] * (WINDOWS + 1),
        [1.0] * (WINDOWS - 1) + [0.0],
        [-1.0] + [1.0] * (WINDOWS - 1),
        [math.nan] * WINDOWS,
        [10**400] * WINDOWS,
        [True] * WINDOWS,
        dict.fromkeys(map(float, range(1, WINDOWS + 1))),
        None,
        [1.0] * (WINDOWS - 1) + [math.inf],
    ],
    ids=[
        "none",
        "too few",
        "too many",
        "zero",
        "negative",
        "nan",
        "long",
        "bool",
        "table",
        "null",
        "inf",
    ],
)
def test_garbage_is_no_cost(lab: Lab, garbage: Any) -> None:
    lab.answers = lambda *_: garbage
    with pytest.raises(InfrastructureError, match="vhost_rx 64 B: the DUT sent no costs but"):
        lab.compare(RX)
    assert faults(lab, RX) == {}


def test_restored_guests_measure_side_by_side(tmp_path: Path) -> None:
    """Four can only meet when four run at once; which is done first changes nothing."""
    answers = growing()
    meeting = threading.Barrier(4)

    def answer(variant: str, request: CostRequest) -> list[float]:
        meeting.wait(WAIT_SECONDS)
        return answers(variant, request)

    lab = Lab(tmp_path, exact=True, jobs=4)
    lab.answers = answer
    seen = lab.compare(RX, TX)
    assert sorted(seen[RX].base.windows) == [1001, 1002]
    assert sorted(seen[TX].candidate.windows) == [7001, 7002]
    assert len(lab.guests) == 8
    assert lab.guests.alive == []


@pytest.mark.parametrize(("exact", "jobs", "most"), [(True, 2, 2), (True, 1, 1), (False, 8, 1)])
def test_no_more_run_at_once_than_may(tmp_path: Path, exact: bool, jobs: int, most: int) -> None:
    lab = Lab(tmp_path, exact=exact, jobs=jobs)
    lock = threading.Lock()
    running: Counter[int] = Counter()
    high = 0
    pause = threading.Event()

    def answer(*_: object) -> list[float]:
        nonlocal high
        with lock:
            running[0] += 1
            high = max(high, running[0])
        # Long enough for others to come, if others may.
        pause.wait(0.02)
        with lock:
            running[0] -= 1
        return windows(1000)

    lab.answers = answer
    lab.compare(RX, TX)
    assert high == most
    assert len(lab.turns) == 8


def test_fault_beside_others_that_measure(tmp_path: Path) -> None:
    lab = Lab(tmp_path, exact=True, jobs=3)
    lab.breaks("candidate", PANIC)
    requests = [CostRequest("vhost_rx", size) for size in range(64, 74)]
    assert lab.compare(*requests) == {}
    assert set(faults(lab, *requests)) == {("candidate", request) for request in requests}
    assert Counter(variant for variant, _ in lab.turns)["base"] == 20
    assert lab.guests.alive == []


def test_trouble_of_ours_ends_all_that_measure(tmp_path: Path) -> None:
    def answer(*_: object) -> list[float]:
        # Far longer than it takes to call the others off.
        threading.Event().wait(0.05)
        raise InfrastructureError("the guest ended")

    lab = Lab(tmp_path, exact=True, jobs=3)
    lab.answers = answer
    requests = [CostRequest("vhost_rx", size) for size in range(64, 94)]
    with pytest.raises(InfrastructureError, match="the guest ended"):
        lab.compare(*requests)
    assert len(lab.turns) < 4 * len(requests)
    assert lab.guests.alive == []


def remembering(directory: Path, *recalls: str) -> Lab:
    """Return a lab whose guests' answers grow, where it has to ask them."""
    lab = Lab(directory, exact=True, recalls=recalls)
    lab.answers = growing()
    return lab


def test_each_turn_is_recalled_as_one_of_its_own(tmp_path: Path) -> None:
    """Two turns that were one and the same measurement would say nothing of a spread."""
    seen = remembering(tmp_path, "base", "candidate").compare(RX, TX)
    assert seen[RX].base.windows == (1001, 1002)
    again = remembering(tmp_path, "base", "candidate")
    for request, recalled in again.compare(RX, TX).items():
        assert recalled.base.windows == seen[request].base.windows
        assert recalled.candidate.windows == seen[request].candidate.windows
    assert again.turns == []
    assert len(again.guests) == 0


def test_cost_that_was_measured_is_not_recalled(lab: Lab) -> None:
    seen = lab.compare(RX)[RX]
    assert (seen.base.recalled, seen.candidate.recalled) == (False, False)


def test_cost_says_whether_it_is_recalled(tmp_path: Path) -> None:
    remembering(tmp_path, "base").compare(RX)
    seen = remembering(tmp_path, "base").compare(RX, TX)
    assert (seen[RX].base.recalled, seen[RX].candidate.recalled) == (True, False)
    assert (seen[TX].base.recalled, seen[TX].candidate.recalled) == (False, False)


@pytest.mark.parametrize("lost", [0, 1])
def test_cost_of_which_one_turn_is_recalled_says_so(tmp_path: Path, lost: int) -> None:
    remembering(tmp_path, "base").compare(RX)
    turns = sorted((tmp_path / "store" / KIND).iterdir())
    assert len(turns) == 2
    shutil.rmtree(turns[lost])
    lab = remembering(tmp_path, "base")
    assert lab.compare(RX)[RX].base.recalled
    assert Counter(variant for variant, _ in lab.turns) == {"base": 1, "candidate": 2}


@pytest.mark.parametrize("error", [PANIC, REFUSED], ids=type)
def test_variant_that_breaks_is_measured_again_in_the_next_run(
    tmp_path: Path, error: KsuiteError
) -> None:
    for _ in range(2):
        lab = remembering(tmp_path, "base", "candidate")
        lab.breaks("base", error)
        assert lab.compare(RX) == {}
        assert faults(lab, RX) == {("base", RX): error}
        assert [variant for variant, _ in lab.turns].count("base") == 1


def test_garbage_that_is_recalled_is_no_cost_either(tmp_path: Path) -> None:
    for _ in range(2):
        lab = remembering(tmp_path, "base")
        lab.answers = lambda *_: []
        with pytest.raises(InfrastructureError, match="the DUT sent no costs but"):
            lab.compare(RX)


CANDIDATES = ("candidate", "candidate")


def stored(**levels: float) -> Baseline:
    """Return a baseline under the fingerprint of these tests."""
    old = baseline("distro", **levels)
    costs = {
        name: replace(one, cost=replace(one.cost, fingerprint=fingerprint(RX)))
        for name, one in old.costs.items()
    }
    return replace(old, costs=costs)


@pytest.mark.parametrize("exact", [True, False], ids=["exact", "live"])
def test_candidate_is_compared_with_a_baseline_and_the_base_left_alone(
    tmp_path: Path, exact: bool
) -> None:
    lab = Lab(tmp_path, exact=exact, turns=CANDIDATES, baseline=stored(rx=900.0))
    lab.answers = growing()
    [seen] = lab.compare(RX).values()
    assert lab.turns == [("candidate", RX)] * 2
    assert seen.base.median == 900
    assert seen.candidate.windows[0] == (2001 if exact else 1999)
    assert seen.verdict is Verdict.REGRESSION
    assert not lab.costs.alone(RX)


def test_cost_that_the_baseline_lacks_is_measured_alone(tmp_path: Path) -> None:
    lab = Lab(tmp_path, exact=True, turns=CANDIDATES, baseline=stored(rx=1000.0))
    assert set(lab.compare(RX, TX)) == {RX}
    assert (lab.costs.alone(RX), lab.costs.alone(TX)) == (False, True)
    assert lab.costs.cost(TX).windows == (1000, 1000)


def test_thresholds_are_honoured_against_a_baseline(tmp_path: Path) -> None:
    lab = Lab(tmp_path, exact=True, turns=CANDIDATES, baseline=stored(rx=990.0))
    assert lab.compare(RX)[RX].verdict is Verdict.REGRESSION
    assert lab.compare(RX, thresholds=Thresholds(default=2))[RX].verdict is Verdict.PASS


def test_other_fingerprint_is_not_compared(tmp_path: Path) -> None:
    lab = Lab(tmp_path, exact=True, turns=CANDIDATES, baseline=baseline(rx=1000.0))
    seen = lab.compare(RX)[RX]
    assert seen.verdict is Verdict.INCOMPARABLE
    assert seen.reason == "root: c0ffee in the baseline, host now"


def test_candidate_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    lab = Lab(tmp_path, exact=True, turns=CANDIDATES)
    assert lab.compare(RX) == {}
    assert lab.costs.alone(RX)
    assert lab.turns == [("candidate", RX)] * 2


@pytest.mark.parametrize("with_baseline", [True, False])
def test_candidate_alone_that_breaks_was_not_measured(tmp_path: Path, with_baseline: bool) -> None:
    old = stored(rx=1000.0) if with_baseline else None
    lab = Lab(tmp_path, exact=True, turns=CANDIDATES, baseline=old)
    lab.breaks("candidate", PANIC)
    assert lab.compare(RX) == {}
    assert lab.costs.fault("candidate", RX) is PANIC
    assert not lab.costs.alone(RX)


def test_base_that_breaks_leaves_nothing_measured_alone(exact: Lab) -> None:
    exact.breaks("base", PANIC)
    exact.compare(RX)
    assert not exact.costs.alone(RX)


def test_each_turn_can_have_a_boot_of_its_own(tmp_path: Path) -> None:
    """The base's and the candidate's in turn, and all that is measured in one."""
    lab = Lab(tmp_path, exact=False, turns=BOOTED_TURNS, boots=True)
    lab.dut.use("base")
    lab.answers = growing()
    seen = lab.compare(RX, TX)
    assert len(lab.guests) == 1 + len(BOOTED_TURNS)
    assert [guest.variant for guest in lab.guests.all[1:]] == list(BOOTED_TURNS)
    assert [variant for variant, _ in lab.turns[::2]] == list(BOOTED_TURNS)
    cost = seen[RX].base
    assert cost.guests == BOOTED_TURNS.count("base")
    assert cost.by_guest == tuple(tuple(windows(1001 + boot)) for boot in range(cost.guests))
    lab.dut.close()
    assert lab.guests.alive == []


def test_boot_that_is_given_up_leaves_no_modules_behind(tmp_path: Path) -> None:
    """What they break only as they are unloaded must be seen there, too."""
    lab = Lab(tmp_path, exact=False, turns=BOOTED_TURNS, boots=True)
    lab.compare(RX)
    assert all("unload" in guest.did[-1] for guest in lab.guests.all[:-1])


def test_windows_are_of_as_many_guests_as_there_were(tmp_path: Path) -> None:
    for exact, guests in ((True, 2), (False, 1)):
        place = tmp_path / str(exact)
        place.mkdir()
        assert Lab(place, exact=exact).compare(RX)[RX].base.guests == guests


def test_requests_are_sorted_and_named() -> None:
    sizes = [
        CostRequest("vhost_tx", 64),
        CostRequest("vhost_rx", 1500),
        CostRequest("vhost_rx", 64),
    ]
    assert [request.name for request in sorted(sizes)] == [
        *("vhost_rx 64 B", "vhost_rx 1500 B", "vhost_tx 64 B")
    ]
