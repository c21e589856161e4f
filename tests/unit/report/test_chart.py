# SPDX-License-Identifier: GPL-2.0-or-later
"""Costs side by side: what goes where, and that a file can put nothing but text into a picture."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from ksuite.errors import NothingToCompare, UserError
from ksuite.measure.result import NamedComparison
from ksuite.report import json_file
from ksuite.report.chart import Chart, as_svg, as_table, read_chart
from tests.unit.measure.samples import comparison, result

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"
NAMES = (
    "pvp_tc_10000_flows 64 B",
    "pvp_tc_100_flows 64 B",
    "pvp_tc_hop_1_in 64 B",
    "pvp_tc 1500 B",
    "pvp_tc 64 B",
    "pvp_bridge 64 B",
)


def written(tmp_path: Path, *names: str, series: str = "") -> Path:
    """Return a result whose costs are 1,000, 1,100, ... in the order of their names."""
    costs = tuple(NamedComparison(name, comparison(0.1 * i)) for i, name in enumerate(names))
    told = result(costs=costs)
    if series:
        assert told.subject
        told = replace(told, subject=replace(told.subject, series=series))
    path = tmp_path / "result.json"
    json_file.write(told, path)
    return path


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.encode())  # noqa: S314 (what we have just made)


def bars(svg: str) -> list[float]:
    """Return how long the bars are, in order; the first rectangle is the ground."""
    return [float(bar.attrib["width"]) for bar in parsed(svg).iter(f"{SVG}rect")][1:]


def texts(svg: str) -> list[str]:
    return [text.text or "" for text in parsed(svg).iter(f"{SVG}text")]


def test_names_say_where_a_cost_goes(tmp_path: Path) -> None:
    chart = read_chart(written(tmp_path, *NAMES))
    assert chart.panels == ["pvp"]
    assert chart.names("pvp") == ["bridge", "tc"]
    found = {group: [bar.name for bar in some] for group, some in chart.groups("pvp").items()}
    assert list(found) == [
        "64 B",
        "1500 B",
        "64 B, 100 flows",
        "64 B, 10,000 flows",
        "64 B, hop 1 in",
    ]
    assert sorted(found["64 B"]) == ["bridge", "tc"]
    assert found["1500 B"] == ["tc"]


def test_each_suite_is_a_panel(tmp_path: Path) -> None:
    chart = read_chart(written(tmp_path, "vhost_tx 64 B", "tc_drop 64 B"))
    assert chart.panels == ["tc", "vhost"]
    assert {"tc", "vhost"} <= set(texts(as_svg(chart)))


def test_table_has_a_row_a_group_and_a_column_a_name(tmp_path: Path) -> None:
    table = as_table(read_chart(written(tmp_path, *NAMES)))
    rows = [line.split() for line in table.splitlines() if " B" in line]
    assert rows[0] == ["64", "B", "1,500.0", "1,400.0"]
    assert rows[1] == ["1500", "B", "-", "1,300.0"]
    assert "instructions/packet on the instructions clock" in table
    assert "limit rx bursts" in table


def test_picture_is_drawn_to_scale_with_every_value_told(tmp_path: Path) -> None:
    svg = as_svg(read_chart(written(tmp_path, "pvp_tc 64 B", "pvp_bridge 64 B", "pvp_ovs 64 B")))
    bridge, ovs, tc = bars(svg)
    assert bridge / tc == pytest.approx(1.1, rel=1e-3)
    assert ovs / tc == pytest.approx(1.2, rel=1e-3)
    told = texts(svg)
    assert {"64 B", "tc", "bridge", "ovs", "1,000", "1,100", "1,200"} <= set(told)
    assert any("instructions/packet on the instructions clock" in text for text in told)


def test_picture_keeps_inside_its_frame(tmp_path: Path) -> None:
    svg = as_svg(read_chart(written(tmp_path, *NAMES)))
    root = parsed(svg)
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    for rect in root.iter(f"{SVG}rect"):
        left, top = float(rect.get("x", "0")), float(rect.get("y", "0"))
        assert left + float(rect.attrib["width"]) <= width
        assert top + float(rect.attrib["height"]) <= height


def test_text_from_a_file_stays_text(tmp_path: Path) -> None:
    evil = '</text><script>alert("1")</script>&\x1b[31m\ud800'
    path = written(tmp_path, f"pvp_{evil} 64 B", "pvp_tc 64 B", series=evil)
    chart = read_chart(path)
    svg = as_svg(chart)
    root = parsed(svg)
    assert {element.tag for element in root.iter()} <= {
        f"{SVG}{name}" for name in ("svg", "title", "rect", "text")
    }
    assert any("<script>" in text for text in texts(svg))
    assert "\x1b" not in svg + as_table(chart)


def test_long_text_is_cut(tmp_path: Path) -> None:
    chart = read_chart(written(tmp_path, "pvp_tc 64 B", series="x" * 1000))
    assert max(map(len, texts(as_svg(chart)))) < 100


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"x"', "null", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "costs": 7}',
     '{"schema": 1, "costs": [7]}', "[" * 100_000],
)  # fmt: skip
def test_file_that_is_no_result(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"result\.json"):
        read_chart(path)


@pytest.mark.parametrize(
    "windows", [[], [0], [-1], [math.nan], [math.inf], [10**400], ["7"], [None], None, {}]
)
def test_windows_that_are_no_costs(tmp_path: Path, windows: Any) -> None:
    path = written(tmp_path, "pvp_tc 64 B")
    data = json.loads(path.read_text())
    data["costs"][0]["candidate"]["windows"] = windows
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"result\.json"):
        read_chart(path)


def test_clocks_that_do_not_go_together(tmp_path: Path) -> None:
    path = written(tmp_path, "pvp_tc 64 B", "pvp_tc 1500 B")
    data = json.loads(path.read_text())
    data["costs"][0]["candidate"]["fingerprint"]["clock"] = "wall"
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match="several clocks"):
        read_chart(path)


def test_costs_of_packets_and_of_rules_have_panels_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path, "tc_drop 64 B", "tc_insert 1000 rules")
    data = json.loads(path.read_text())
    data["costs"][1]["candidate"]["fingerprint"]["parameters"] = [["rules", 1000]]
    path.write_text(json.dumps(data))
    chart = read_chart(path)
    assert chart.panels == ["tc, instructions/packet", "tc, instructions/rule"]
    assert chart.note == "instructions on the instructions clock: less is better"


def test_result_without_costs(tmp_path: Path) -> None:
    with pytest.raises(NothingToCompare, match="holds no costs"):
        read_chart(written(tmp_path))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.json"):
        read_chart(tmp_path / "nowhere.json")


def test_result_that_was_refused_has_no_subject(tmp_path: Path) -> None:
    path = written(tmp_path, "pvp_tc 64 B")
    data = json.loads(path.read_text()) | {"subject": None}
    path.write_text(json.dumps(data))
    assert isinstance(read_chart(path), Chart)
