# SPDX-License-Identifier: GPL-2.0-or-later
"""``ksuite.toml``: how the modules of a repository are built and judged."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ksuite.campaigns.suites import check_scenario
from ksuite.errors import KsuiteError, UserError
from ksuite.kernels.external import How
from ksuite.kernels.sources import must_be_known
from ksuite.measure.thresholds import Thresholds, thresholds_in

NAME = "ksuite.toml"
DEBUG = "+debug"
"""Behind a kernel's name: the same source, built with what finds bugs."""
TEXT, TEXTS, TRUTH = "a text", "a list of texts", "true or false"
KEYS: dict[str, dict[str, str]] = {
    "module": {"name": TEXT, "kbuild": TEXT, "dkms": TEXT, "load": TEXTS, "make": TEXTS},
    "parameters": {},
    "kernels": {"run": TEXTS},
    "scenarios": {"run": TEXTS},
    "tests": {"run": TEXTS, "on_dut": TEXTS, "need": TEXTS, "packages": TEXT},
    "thresholds": {},
    "baseline": {"directory": TEXT},
    "flakes": {"fail": TRUTH},
}
"""What each section may say; `parameters` has the modules' names for keys."""
MOST_NAME = 64


@dataclass(frozen=True)
class GateFile:
    """What a repository says of its modules.

    :param path: of the file.
    :param name: of the project.
    :param how: its modules are built.
    :param parameters: what each module is loaded with, by its name.
    :param kernels: to run on, as ``--kernel`` takes them.
    :param scenarios: of ksuite's, to run with the modules in place.
    :param tests: the project's own, relative to the file.
    :param on_dut: files whose functions run on the DUT, relative to the file.
    :param needs: modules of the kernel's that must be loaded for its tests.
    :param packages: a file that names Debian packages for the DUT's image.
    :param baselines: where its stored baselines are.
    :param flakes_fail: a check that fails, and passes when it is run again, fails the run.
    """

    path: Path
    name: str
    how: How
    parameters: Mapping[str, str] = field(default_factory=dict)
    kernels: tuple[str, ...] = ("distro",)
    scenarios: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    on_dut: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    packages: Path | None = None
    baselines: Path | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    flakes_fail: bool = False

    @property
    def top(self) -> Path:
        """The directory that it is about."""
        return self.path.parent


def read_gate_file(path: Path) -> GateFile:
    """Read a gate's file; a directory stands for the one in it.

    :raises UserError: it can't be read, or says what it can't; the text names the section and key.
    """
    try:
        path = path / NAME if path.is_dir() else path
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}: `ksuite gate init` writes one") from error
    # A list may be nested deeper than the parser follows.
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path!s:.200} can't be read: {error!s:.200}") from error
    _must_be_sound(path, data)
    module = data["module"]
    gate = GateFile(
        path=path.absolute(),
        name=module["name"],
        how=How(
            kbuild=module.get("kbuild", "."),
            dkms=module.get("dkms", ""),
            modules=tuple(module.get("load", ())),
            make=tuple(module.get("make", ())),
        ),
        parameters=data.get("parameters", {}),
        kernels=tuple(data.get("kernels", {}).get("run", ())) or ("distro",),
        scenarios=tuple(data.get("scenarios", {}).get("run", ())),
        thresholds=thresholds_in(path, data.get("thresholds", {})),
        **_tests(path, data.get("tests", {})),
        baselines=_place(path, "directory", data.get("baseline", {})),
        flakes_fail=data.get("flakes", {}).get("fail", False),
    )
    _must_be_possible(gate)
    return gate


def _tests(path: Path, section: dict[str, Any]) -> dict[str, Any]:
    return {
        "tests": tuple(section.get("run", ())),
        "on_dut": tuple(section.get("on_dut", ())),
        "needs": tuple(section.get("need", ())),
        "packages": _place(path, "packages", section),
    }


def _place(path: Path, key: str, said: dict[str, Any]) -> Path | None:
    return path.absolute().parent / said[key] if key in said else None


def _must_be_sound(path: Path, data: dict[str, Any]) -> None:
    """Refuse what is no section, key or value of such a file."""
    for name, section in data.items():
        if name not in KEYS:
            raise UserError(f"{path}: there is no section [{name:.60}]{_nearest(name, KEYS)}")
        if not isinstance(section, dict):
            raise UserError(f"{path}: {name} must be a section: [{name}]")
        # The thresholds' reader knows what may be in them.
        if name != "thresholds":
            for key, value in section.items():
                _must_be_value(path, name, key, value)
    module = data.get("module")
    if module is None:
        raise UserError(f"{path}: the section [module] is missing")
    if not module.get("name"):
        raise UserError(f"{path}: [module] has no name")
    if "kbuild" in module and "dkms" in module:
        raise UserError(f"{path}: [module] has both kbuild and dkms: it is built in one way")


def _must_be_value(path: Path, section: str, key: str, value: Any) -> None:
    known = KEYS[section]
    if section == "parameters":
        known = {key: TEXT}
    if key not in known:
        raise UserError(f"{path}: [{section}] has an unknown key {key!r:.60}{_nearest(key, known)}")
    if not _is(known[key], value):
        shown = repr(value)
        raise UserError(f"{path}: [{section}] {key} = {shown:.60}: it must be {known[key]}")


def _is(kind: str, value: Any) -> bool:
    if kind == TEXT:
        return isinstance(value, str) and "\0" not in value
    if kind == TRUTH:
        return isinstance(value, bool)
    return isinstance(value, list) and all(_is(TEXT, one) for one in value)


def _nearest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}"


def _must_be_possible(gate: GateFile) -> None:
    """Refuse what is of the right type and makes no sense."""
    try:
        if len(gate.name) > MOST_NAME or not gate.name.isprintable():
            raise UserError(f"[module] name = {gate.name!r:.60} is no name")
        for kernel in gate.kernels:
            must_be_gates(kernel)
        for scenario in gate.scenarios:
            check_scenario(scenario)
        for name in (gate.how.kbuild, gate.how.dkms, *gate.tests, *gate.on_dut):
            _must_be_below(gate, name)
        for place in filter(None, (gate.packages, gate.baselines)):
            _followed(place, place.name)
    except KsuiteError as error:
        raise UserError(f"{gate.path}: {error}") from error


def must_be_gates(kernel: str) -> None:
    """Refuse a name that stands for no kernel; it may end in ``+debug``.

    :raises UserError: it lists the known ones.
    """
    must_be_known(kernel.removesuffix(DEBUG))


def _must_be_below(gate: GateFile, name: str) -> None:
    place = _followed(gate.top / name, name)
    if not place.is_relative_to(gate.top.resolve()):
        raise UserError(f"{name:.60} is outside of the repository")
    if not place.exists():
        raise UserError(f"there is no {name:.60}")


def _followed(path: Path, name: str) -> Path:
    try:
        place = path.resolve()
        place.exists()
    # For a link that leads to itself it is no OSError.
    except (OSError, RuntimeError) as error:
        raise UserError(f"{name:.60} is no place: {error!s:.100}") from error
    return place
