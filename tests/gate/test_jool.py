# SPDX-License-Identifier: GPL-2.0-or-later
"""The gate on somebody else's module: Jool (SIIT and NAT64), as Debian has it.

Its source is fetched from Debian, and unpacked beside our ``ksuite.toml``; nothing is installed.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from ksuite.measure.verdict import Verdict
from tests.gate.gates import Gate

HERE = Path(__file__).parent
PACKAGE = "jool-dkms"
INTO_6 = f"{PACKAGE}/src/mod/common/rfc7915/4to6.c"
COSTS = {"siit_46 128 B", "siit_64 128 B"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository: Debian's source of Jool, and what the gate has to know."""
    place = tmp_path_factory.mktemp(PACKAGE)
    # apt's own user downloads it.
    place.chmod(0o777)
    subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=place, check=True)
    (package,) = place.glob("*.deb")
    subprocess.run(["dpkg", "-x", package.name, "root"], cwd=place, check=True)
    (sources,) = (place / "root" / "usr" / "src").iterdir()
    repository = place / "jool"
    subprocess.run(["cp", "-r", HERE / "jool", repository], check=True)
    sources.rename(repository / PACKAGE)
    return repository


@pytest.fixture
def gate(source: Path, tmp_path: Path) -> Gate:
    """Return a gate on a copy of the repository."""
    return Gate.of(source, tmp_path)


def test_jool_passes(gate: Gate) -> None:
    assert gate.run() == 0
    result = gate.result()
    assert result.verdict is Verdict.PASS
    assert {named.name for named in result.measured} == COSTS
    tests = {one.test for one in result.outcomes}
    assert {"test_four_becomes_six[tcp]", "test_six_becomes_four[udp]"} <= tests
    assert "test_unloads_and_loads_again" in tests


@pytest.mark.parametrize("kernel", ["debian:6.12", "debian:7.2"])
def test_a_kernel_that_is_too_new_is_a_verdict(gate: Gate, kernel: str) -> None:
    assert gate.run("--kernel", kernel) == 1
    result = gate.result(kernel)
    assert result.verdict is Verdict.FAIL
    assert "does not compile" in result.error
    assert re.search(r"^\S+\.[ch]:\d+:\d+: error: ", result.error, re.MULTILINE)
    assert not result.outcomes


def test_a_hop_that_is_not_counted_is_a_failure(gate: Gate) -> None:
    gate.edit(INTO_6, "hdr6->hop_limit = hdr4->ttl - 1;", "hdr6->hop_limit = hdr4->ttl;")
    assert gate.run("--part", "tests") == 1
    failed = set(gate.failed())
    assert "test_four_becomes_six[udp]" in failed
    assert "test_six_becomes_four[udp]" not in failed
