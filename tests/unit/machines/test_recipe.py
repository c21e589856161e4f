# SPDX-License-Identifier: GPL-2.0-or-later
"""What a DUT's images are made of: our own file, and a user's packages."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.errors import UserError
from ksuite.kernels.source import distro_source
from ksuite.machines.image import PYTHON_VERSION
from ksuite.machines.recipe import Recipe, read_recipe

if TYPE_CHECKING:
    from pathlib import Path

ROOT = {"suite", "debian", "python", "root_leaves_out", "extra"}
KERNEL = {"modules", "kernel_leaves_out"}
"""What each image is made of; the modules that init loads are in neither."""


def test_our_own_file_reads() -> None:
    recipe = read_recipe()
    assert {"python3", "kmod", "iproute2", "busybox-static"} <= set(recipe.debian)
    assert recipe.extra == ()
    for field in fields(Recipe):
        value = getattr(recipe, field.name)
        assert isinstance(value, str if field.name == "suite" else tuple)
        assert value or field.name == "extra"


def test_python_packages_are_of_one_version_each() -> None:
    """Else the same recipe would not make the same image."""
    recipe = read_recipe()
    assert {name.partition("==")[0] for name in recipe.python} == {"execnet", "numpy", "pyroute2"}
    assert all(name.partition("==")[2] for name in recipe.python)


def test_kernel_has_what_the_recipe_takes_of_it() -> None:
    top = distro_source().modules / "kernel"
    recipe = read_recipe()
    assert [name for name in recipe.modules if not (top / name).is_dir()] == []


def test_suite_is_the_one_whose_python_is_written_down() -> None:
    assert (read_recipe().suite, PYTHON_VERSION) == ("bookworm", "3.11")


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        ("", ()),
        ("\n\n  \n# nothing\n", ()),
        ("iperf3\n", ("iperf3",)),
        ("iperf3", ("iperf3",)),
        ("  netperf  # as always\n#iperf3\n\nbpftrace#close\r\n", ("bpftrace", "netperf")),
        ("z3\niperf3\nz3\n", ("iperf3", "z3")),
        ("g++\nlibstdc++6\n0ad\nlinux-perf-6.1\n", ("0ad", "g++", "libstdc++6", "linux-perf-6.1")),
    ],
)
def test_extra_packages(tmp_path: Path, text: str, extra: tuple[str, ...]) -> None:
    path = tmp_path / "packages"
    path.write_text(text)
    assert read_recipe(path) == replace(read_recipe(), extra=extra)


@pytest.mark.parametrize(
    "name",
    [
        *("x", "Iperf3", "iperf3 netperf", "iperf3,netperf", "iperf3=3.12", "iperf3:amd64"),
        *("--variant=buildd", "-y", "+x", "../x", "?essential", "~n.", "$(reboot)", "iperf³"),
    ],
)
def test_no_name_of_a_package(tmp_path: Path, name: str) -> None:
    path = tmp_path / "packages"
    path.write_text(f"iperf3\n{name}\n", encoding="utf-8")
    with pytest.raises(UserError, match="is no name of a Debian package") as raised:
        read_recipe(path)
    assert repr(name) in str(raised.value)
    assert str(path) in str(raised.value)


def test_long_nonsense_is_told_in_short(tmp_path: Path) -> None:
    path = tmp_path / "packages"
    path.write_text("X" * 10_000)
    with pytest.raises(UserError) as raised:
        read_recipe(path)
    assert len(str(raised.value)) < len(str(path)) + 200


def test_list_that_can_not_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin"
    latin.write_bytes(b"iperf3 # sch\xf6n\n")
    for path in (tmp_path / "none", tmp_path, latin):
        with pytest.raises(UserError, match=r"package list .* can't be read"):
            read_recipe(path)


@pytest.mark.parametrize("name", [field.name for field in fields(Recipe)])
def test_images_are_made_anew_when_what_they_hold_changes(name: str) -> None:
    recipe = read_recipe()
    old = getattr(recipe, name)
    changes: dict[str, Any] = {name: "trixie" if name == "suite" else (*old, "more")}
    other = replace(recipe, **changes)
    assert (other.root_key != recipe.root_key) == (name in ROOT)
    assert (other.kernel_key != recipe.kernel_key) == (name in KERNEL)


def test_keys_do_not_depend_on_how_a_list_is_written(tmp_path: Path) -> None:
    keys = set()
    for text in ("netperf\niperf3\n", "iperf3 # one\n\nnetperf\nnetperf\n"):
        (tmp_path / "packages").write_text(text)
        keys.add(read_recipe(tmp_path / "packages").root_key)
    assert len(keys) == 1
    (tmp_path / "packages").write_text("# none\n")
    assert read_recipe(tmp_path / "packages").root_key == read_recipe().root_key


def test_package_that_moves_from_one_list_to_another_is_another_recipe() -> None:
    recipe = read_recipe()
    moved = replace(recipe, debian=recipe.debian[:-1], extra=recipe.debian[-1:])
    assert moved.root_key != recipe.root_key
