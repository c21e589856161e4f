# SPDX-License-Identifier: GPL-2.0-or-later
"""From when a change counts, and the files that say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.errors import UserError
from ksuite.measure.thresholds import Thresholds, read_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def make(text: str | bytes) -> Path:
        path = tmp_path / "thresholds.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return make


def floors(thresholds: Thresholds, name: str) -> tuple[float, float]:
    """Return the percentages for a restored guest and for a booted one."""
    exact, noisy = (thresholds.of(name, exact=exact).floor * 100 for exact in (True, False))
    return exact, noisy


def test_usual_ones() -> None:
    assert floors(Thresholds(), "vhost_rx 64 B") == pytest.approx((0.3, 0.5))


def test_own_goes_before_the_default_and_that_before_ours() -> None:
    chosen = Thresholds(default=2.0, own={"vhost_rx 64 B": 7.0})
    assert floors(chosen, "vhost_rx 64 B") == pytest.approx((7, 7))
    assert floors(chosen, "vhost_rx 1500 B") == pytest.approx((2, 2))
    alone = Thresholds(own={"vhost_rx 64 B": 7.0})
    assert floors(alone, "vhost_rx 1500 B") == pytest.approx((0.3, 0.5))


def test_zero_is_a_choice() -> None:
    """Any change at all counts; it doesn't mean that nothing was chosen."""
    assert floors(Thresholds(default=0.0), "vhost_rx 64 B") == (0, 0)
    assert floors(Thresholds(default=2.0, own={"vhost_rx 64 B": 0.0}), "vhost_rx 64 B") == (0, 0)


def test_reason_goes_with_what_would_be_usual() -> None:
    chosen = Thresholds(2.0, {"a": 7.0, "b": 5.0}, {"a": "a new check"})
    rule = chosen.of("a", exact=True)
    assert (rule.usual, rule.reason) == (0.02, "its own threshold of 7 %: a new check")
    assert chosen.of("b", exact=True).reason == chosen.of("c", exact=True).reason == ""


def test_noise_still_raises_it() -> None:
    """What is chosen is the floor; the rest of the rule stays."""
    usual, chosen = (
        Thresholds(default=percent).of("vhost_rx 64 B", exact=True) for percent in (None, 0.0)
    )
    assert (chosen.spreads, chosen.blind) == (usual.spreads, usual.blind)


@pytest.mark.parametrize(
    ("text", "thresholds"),
    [
        ("", Thresholds()),
        ("# as usual\n", Thresholds()),
        ("default_percent = 1", Thresholds(default=1.0)),
        ("default_percent = 0", Thresholds(default=0.0)),
        ("[percent]\n", Thresholds()),
        (
            'default_percent = 0.25\n[percent]\n"vhost_rx 64 B" = 0\n"vhost_tx 1500 B" = 99.9\n',
            Thresholds(0.25, {"vhost_rx 64 B": 0.0, "vhost_tx 1500 B": 99.9}),
        ),
        (
            """[percent]
            "vhost_rx 64 B" = 0
            [cost."vhost_tx 64 B"]
            percent = 1.5
            reason = " a new check "
            """,
            Thresholds(
                None,
                {"vhost_rx 64 B": 0.0, "vhost_tx 64 B": 1.5},
                {"vhost_tx 64 B": "a new check"},
            ),
        ),
    ],
)
def test_file(write: Callable[[str | bytes], Path], text: str, thresholds: Thresholds) -> None:
    assert read_thresholds(write(text)) == thresholds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("percent", "can't be read"),
        ("default_percent = 1\ndefault_percent = 2", "can't be read"),
        (b"# \xff", "can't be read"),
        ("percents = 1", "unknown: percents"),
        ('b = 1\na = 1\npercent = {"x" = 1}', "unknown: a, b"),
        ("percent = 1", "percent must be a table"),
        ('percent = ["vhost_rx 64 B"]', "percent must be a table"),
        ("[[percent]]", "percent must be a table"),
        ('default_percent = "1"', "default_percent = '1' is no percentage"),
        ("default_percent = true", "default_percent = True is no percentage"),
        ("default_percent = [1]", "is no percentage"),
        ("default_percent = 2026-01-01", "is no percentage"),
        ("default_percent = -0.1", "default_percent = -0.1 is no percentage"),
        (f"default_percent = 0x1{'0' * 5000}", "default_percent = 0x10000000"),
        (f"default_percent = {'1' * 5000}", "can't be read"),
        ("default_percent = 100", "default_percent = 100 is no percentage"),
        ("default_percent = nan", "default_percent = nan is no percentage"),
        ("default_percent = inf", "default_percent = inf is no percentage"),
        ('[percent]\n"vhost_rx 64 B" = "much"', "vhost_rx 64 B = 'much' is no percentage"),
        ('[percent]\n"vhost_rx 64 B" = false', "vhost_rx 64 B = False is no percentage"),
        ("cost = 1", "cost must be a table"),
        ('[cost]\n"vhost_rx 64 B" = 1', "cost must be a table of tables"),
        ('[cost."vhost_rx 64 B"]\npercent = 1', "vhost_rx 64 B needs a reason"),
        ('[cost."vhost_rx 64 B"]\npercent = 1\nreason = 3', "needs a reason"),
        ('[cost."vhost_rx 64 B"]\npercent = 1\nreason = " "', "needs a reason"),
        ('[cost."vhost_rx 64 B"]\nreason = "it is"', "vhost_rx 64 B = None is no percentage"),
        ('[cost."x"]\npercent = 100\nreason = "it is"', "x = 100 is no percentage"),
        ('[cost."x"]\npercent = 1\nreason = "it is"\nlimit = 2', "x: unknown: limit"),
        ('percent = {"x" = 1}\n[cost."x"]\npercent = 1\nreason = "it is"', "said twice: x"),
        # A name without quotes is a table in a table.
        ("[percent]\nvhost.rx = 1", "is no percentage"),
    ],
)
def test_file_that_makes_no_sense(
    write: Callable[[str | bytes], Path], text: str | bytes, says: str
) -> None:
    path = write(text)
    with pytest.raises(UserError) as raised:
        read_thresholds(path)
    assert says in str(raised.value)
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < len(str(path)) + 120


def test_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UserError, match=r"thresholds .* can't be read"):
            read_thresholds(path)


def test_long_nonsense_is_told_in_short(write: Callable[[str | bytes], Path]) -> None:
    with pytest.raises(UserError) as raised:
        read_thresholds(write(f"default_percent = '{'x' * 10_000}'"))
    assert len(str(raised.value)) < 400
