# SPDX-License-Identifier: GPL-2.0-or-later
"""Series that modules can't hold: two whole kernels are built, booted, and compared."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.kernels.full import build_directories, built_kernels
from ksuite.kernels.store import Store
from tests.broken.test_broken import outside_pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
HARMLESS = HERE.parent / "broken" / "input" / "built-in.patch"
SOURCE = "/usr/src/linux-source-6.1.tar.xz"
SKBUFF = """\
--- a/include/linux/skbuff.h
+++ b/include/linux/skbuff.h
@@ -1,3 +1,3 @@
 /* SPDX-License-Identifier: GPL-2.0-or-later */
 /*
- *	Definitions for the 'struct sk_buff' memory handlers.
+ *	Definitions for the handlers of 'struct sk_buff' in memory.
"""
NOPS = 50
"""What slower-1-percent.patch adds to each packet."""
TWO_GUESTS = 0.5
"""In instructions a packet: what functions that nobody changed may come to together. Two kernels
are booted in a guest each, whose memory is laid out otherwise; 0.27 was seen, of 6,000."""


def check(patch: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ksuite", "check", patch, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=3000,
        env=outside_pytest() | environment,
    )


def judged(patch: Path, into: Path, *options: str) -> tuple[int, dict[str, Any]]:
    done = check(patch, "--json", str(into), *options)
    assert into.exists(), done.stdout + done.stderr
    result: dict[str, Any] = json.loads(into.read_text(encoding="utf-8"))
    return done.returncode, result


def test_built_in_code_that_is_slower_is_a_regression(tmp_path: Path) -> None:
    patch = HERE / "slower-1-percent.patch"
    code, result = judged(patch, tmp_path / "r.json", "--scenario", "tc_redirect")
    assert (code, result["verdict"]) == (1, "REGRESSION")
    assert "net/core/dev.c is built into the kernel" in result["subject"]["built"]
    ran = [result["subject"]["modules"][variant][0] for variant in ("base", "candidate")]
    assert all(re.fullmatch("vmlinux [0-9a-f]{40}", one) for one in ran)
    assert ran[0] != ran[1]
    for cost in result["costs"]:
        added = cost["candidate"]["median"] - cost["base"]["median"]
        assert added == pytest.approx(NOPS, abs=TWO_GUESTS), cost["name"]
        changed = cost["attribution"]["functions"][0]
        assert changed["function"].startswith("__netif_receive_skb_core")
        assert changed["candidate"] - changed["base"] == pytest.approx(NOPS, abs=0.001)


def test_built_in_code_that_is_broken_fails(tmp_path: Path) -> None:
    """Rules that drop let packets go on."""
    patch = HERE / "drops-nothing.patch"
    chosen = ("--scenario", "tc_function", "--candidate-only")
    code, result = judged(patch, tmp_path / "r.json", *chosen)
    assert (code, result["verdict"]) == (1, "FAIL")
    by_verdict: dict[str, set[str]] = defaultdict(set)
    for test in result["tests"]:
        by_verdict[test["verdict"]].add(test["test"])
    assert by_verdict["FAIL"] >= {
        "test_action[drop]",
        "test_frames_arrive_unchanged[ingress-mirror-drop]",
    }
    assert "test_frames_arrive_unchanged[ingress-redirect-stolen]" in by_verdict["PASS"]


def test_comment_makes_the_same_kernel(tmp_path: Path) -> None:
    options = ("--scenario", "tc_redirect", "--build", "full")
    code, result = judged(HARMLESS, tmp_path / "r.json", *options)
    assert (code, result["verdict"]) == (0, "PASS")
    assert result["subject"]["identical"]
    assert {cost["candidate"]["median"] - cost["base"]["median"] for cost in result["costs"]} == {0}


def test_series_plants_nothing_for_the_next_build(tmp_path: Path) -> None:
    options = ("--scenario", "tc_function", "--candidate-only")
    judged(HERE / "plants-files.patch", tmp_path / "r.json", *options)
    store = Store.default()
    logs = "\n".join((entry / "make.log").read_text() for entry in built_kernels(store))
    (said,) = set(re.findall("^planted: (.*)$", logs, re.MULTILINE))
    assert said.split() == [".", "/mnt/out/net/core"], "it was built, and could write its objects"
    left = [path for place in build_directories(store) for path in place.rglob("planted")]
    assert left == []


def test_header_that_only_modules_read_is_built_as_modules(tmp_path: Path) -> None:
    """Of a kernel that was built here: it is known what reads it."""
    patch = HERE / "header-of-modules.patch"
    options = ("--kernel", SOURCE, "--scenario", "vhost_tx", "--build", "module")
    code, result = judged(patch, tmp_path / "r.json", *options)
    assert (code, result["verdict"]) == (0, "PASS")
    subject = result["subject"]
    assert subject["built"] == "modules vhost, vhost_iotlb, vhost_net"
    ran = [dict(map(str.split, subject["modules"][one])) for one in ("base", "candidate")]
    assert all(re.fullmatch("[0-9a-f]{40}", one) for each in ran for one in each.values())
    # vhost_net reads the header, and uses nothing that moved.
    assert {name for name in ran[0] if ran[0][name] != ran[1][name]} == {"vhost", "vhost_iotlb"}


def test_header_that_built_in_code_reads_is_not(tmp_path: Path) -> None:
    own = tmp_path / "own.patch"
    own.write_text(SKBUFF, encoding="utf-8")
    options = ("--kernel", SOURCE, "--scenario", "tc_redirect", "--build", "module")
    done = check(own, *options)
    printed = done.stdout + done.stderr
    assert done.returncode == 4, printed
    assert re.search(
        r"include/linux/skbuff\.h is read by \S+, which is not part of a module", printed
    )


def test_built_in_code_that_does_not_compile() -> None:
    done = check(HERE / "does-not-compile.patch", "--scenario", "tc_redirect")
    printed = done.stdout + done.stderr
    assert done.returncode == 1
    assert re.search(r"net/core/dev\.c:\d+:\d+: error: too few arguments", printed), printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("does-not-boot", "kernel BUG at net/core/dev.c"),
        (
            "does-not-reach-its-console",
            "Kernel panic - not syncing: given up before there is a console",
        ),
    ],
)
def test_built_in_code_that_does_not_boot(patch: str, said: str) -> None:
    done = check(HERE / f"{patch}.patch", "--scenario", "tc_redirect")
    printed = done.stdout + done.stderr
    assert done.returncode == 1, printed
    assert "with the series the kernel does not come up" in printed
    assert said in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "CONFIG_VHOST_NETT=m",
            "own.config:1: CONFIG_VHOST_NETT=m: this kernel has no such option",
        ),
        ("CONFIG_OPENVSWITCH_GRE=y", "CONFIG_OPENVSWITCH_GRE=y became m: it depends on"),
    ],
)
def test_fragment_that_asks_for_too_much(tmp_path: Path, line: str, said: str) -> None:
    own = tmp_path / "own.config"
    own.write_text(f"{line}\n")
    done = check(HARMLESS, "--build", "full", "--config", str(own))
    printed = done.stdout + done.stderr
    assert done.returncode == 2, printed
    assert said in printed
    assert "Traceback" not in printed


@pytest.fixture
def small_store(tmp_path: Path) -> Iterator[Path]:
    """Yield a store of 20 MiB that has the distro's source: room for a configuration, no more."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "small", tmp_path], check=True)
    try:
        (tmp_path / "tree").symlink_to(Store.default().root / "tree")
        yield tmp_path
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_disk_that_is_full_before_the_kernel_is_built(small_store: Path) -> None:
    """Nothing that make left half written is there for the next time, which begins anew."""
    for _ in range(2):
        done = check(HARMLESS, "--build", "full", KSUITE_STORE=str(small_store))
        printed = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 3, printed
        assert f"disk full in the store at {small_store}: nothing was kept" in printed
        assert "set KSUITE_STORE to a directory with room" in printed
        assert "Traceback" not in printed
        assert list((small_store / "built").glob("[0-9a-f]*")) == []
        assert list(small_store.glob("area/*/out")) == []
        assert list((small_store / ".tmp").iterdir()) == []
