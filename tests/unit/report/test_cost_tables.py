# SPDX-License-Identifier: GPL-2.0-or-later
"""Costs as tables: only measured, stored, and compared with what is stored."""

from __future__ import annotations

import re
from dataclasses import replace

from ksuite.measure.result import NamedComparison, NamedCost
from ksuite.report import cost_tables
from ksuite.report.cost_tables import as_text
from tests.unit.measure.samples import IMAGE, baseline, comparison, cost

HOSTILE = "\x1b[2J\x9b31m\r[bold]"


def test_costs_compared_with_a_baseline_are_told_as_such() -> None:
    named = NamedComparison("vhost_tx 64 B", comparison(0.1), baseline="distro")
    text = " ".join(as_text(cost_tables.compared([named])).split())
    assert re.search(r"cost baseline spread candidate", text)
    assert "the stored baseline distro stands for the base" in text
    without = as_text(cost_tables.compared([replace(named, baseline="")]))
    assert re.search(r"cost +base +spread", without)
    assert "baseline" not in without


def test_boots_are_told_where_there_were_several() -> None:
    one = comparison(0.0)
    several = replace(one, base=replace(one.base, guests=3))
    for seen, told in ((one, "median of 3 windows"), (several, "median of 3 windows of 3 boots")):
        text = as_text(cost_tables.compared([NamedComparison("a", seen)]))
        assert told in text
        assert ("boots" in text) == ("boots" in told)


def test_costs_that_were_only_measured() -> None:
    measured = [
        NamedCost("vhost_tx 64 B", cost(1234.5, fingerprint=IMAGE)),
        NamedCost("vhost_rx 64 B", cost(1000.0, 0.001, fingerprint=IMAGE)),
    ]
    text = as_text(cost_tables.measured(measured))
    assert re.search(r"vhost_tx 64 B +1,234\.5 +exact +instructions/packet", text)
    assert re.search(r"vhost_rx 64 B +1,000\.0 +0\.100% +instructions/packet", text)


def test_stored_costs() -> None:
    text = as_text(cost_tables.stored(baseline(tx=1000.25)))
    windows = r"1,000\.250 1,000\.250 1,000\.250"
    assert re.search(rf"vhost_tx 64 B +1,000\.2 +exact +instructions/packet +1 +{windows}", text)


def test_conditions_are_what_the_costs_have_in_common() -> None:
    old = baseline(tx=1000.0, rx=2000.0)
    text = as_text(cost_tables.conditions(old))
    for line in (
        r"made +2026-01-01T00:00:00\+00:00",
        r"kernel_release +6\.1\.0-1-amd64",
        r"root +c0ffee",
        r"modules +vhost aa",
    ):
        assert re.search(line, text), text
    assert text.count("series ") == 1
    assert "scenario" not in text


def test_conditions_that_differ_are_all_told() -> None:
    old = baseline(tx=1000.0, rx=2000.0)
    rx = old.costs["vhost_rx 64 B"]
    other = replace(rx, provenance=replace(rx.provenance, series="another"))
    text = as_text(cost_tables.conditions(replace(old, costs={**old.costs, "b": other})))
    assert re.search(r"series +limit rx bursts\n.*series +another", text)


def test_baselines_are_listed() -> None:
    text = as_text(cost_tables.listed([baseline("one", tx=1.0), baseline("two", tx=1.0, rx=1.0)]))
    assert re.search(r"one +2026-01-01T00:00 +6\.1\.0-1-amd64 +instructions +1", text)
    assert re.search(r"two +.* 2", text)


def test_reasons_are_told_where_there_are_any() -> None:
    plain = NamedComparison("a", comparison(0.1))
    because = NamedComparison("b", replace(comparison(0.1), reason="worth it"))
    assert [str(text) for text in cost_tables.reasons([plain, because])] == ["b: worth it"]


def test_no_name_drives_the_terminal() -> None:
    old = baseline("x", tx=1.0)
    [stored] = old.costs.values()
    stored = replace(stored, provenance=replace(stored.provenance, series=HOSTILE))
    hostile = replace(old, name=HOSTILE, made=HOSTILE, costs={HOSTILE: stored})
    named = NamedComparison(HOSTILE, replace(comparison(0.1), reason=HOSTILE), baseline=HOSTILE)
    for what in (
        cost_tables.compared([named]),
        cost_tables.reasons([named])[0],
        cost_tables.measured([NamedCost(HOSTILE, cost(1.0))]),
        cost_tables.stored(hostile),
        cost_tables.conditions(hostile),
        cost_tables.listed([hostile]),
    ):
        text = as_text(what, width=200)
        assert "[bold]" in text
        assert not set(text) & set("\x1b\x9b\r")
