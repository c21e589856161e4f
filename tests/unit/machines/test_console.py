# SPDX-License-Identifier: GPL-2.0-or-later
"""What the console keeps of a guest's output, and what it takes for a kernel fault."""

from __future__ import annotations

import tracemalloc

import pytest

from ksuite.machines.console import HEAD_BYTES, TAIL_BYTES, Console, Splat, printable, recognise

MIB = 1 << 20
FAULTS = {
    "warn": "WARNING: CPU: 0 PID: 512 at drivers/vhost/net.c:712 handle_tx+0x5a/0x90 [vhost_net]",
    "warn since 6.17": "WARNING: drivers/vhost/net.c:712 at handle_tx+0x5a/0x90, CPU#0: vhost-5/51",
    "bug at": "kernel BUG at mm/slub.c:440!",
    "bug bad page": "BUG: Bad page state in process vhost-511  pfn:104d3a",
    "bug kfence": "BUG: KFENCE: use-after-free read in handle_rx+0x1f/0x80 [vhost_net]",
    "kasan": "BUG: KASAN: slab-use-after-free in vhost_poll_stop+0x16/0x50 [vhost]",
    "oops null": "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "oops fault": "BUG: unable to handle page fault for address: ffffc90000a41000",
    "oops": "Oops: 0002 [#1] PREEMPT SMP NOPTI",
    "oops gp": "general protection fault, probably for non-canonical address 0xdead000000000100",
    "oops opcode": "invalid opcode: 0000 [#1] PREEMPT SMP NOPTI",
    "oops divide": "divide error: 0000 [#1] PREEMPT SMP NOPTI",
    "panic": "Kernel panic - not syncing: Fatal exception in interrupt",
    "lockdep circular": "WARNING: possible circular locking dependency detected",
    "lockdep state": "WARNING: inconsistent lock state",
    "lockdep rcu": "WARNING: suspicious RCU usage",
    "lockdep unlock": "WARNING: bad unlock balance detected!",
    "lockdep freed": "WARNING: held lock freed!",
    "lockdep user space": "WARNING: lock held when returning to user space!",
    "lockdep irq": "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected",
    "lockdep context": "[ BUG: Invalid wait context ]",
    "lockdep sleep": "BUG: sleeping function called from invalid context at mm/slab.h:494",
    "lockdep atomic": "BUG: scheduling while atomic: vhost-511/512/0x00000002",
    "hang soft": "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [vhost-511:512]",
    "hang hard": "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1",
    "hang stall": "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "hang stalls": "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
    "hang expedited": "rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 1-... } 21",
    "hang task": "INFO: task vhost-511:512 blocked for more than 120 seconds.",
    "hang workqueue": "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 34s!",
}
INNOCENT = {
    "debug": "DEBUG: 12 packets",
    "debug with time": "[    3.141592] vhost_net: DEBUG: 12 packets",
    "python": "python3[211]: BUG: this should not happen",
    "python to kmsg": "[    3.141592] python3[211]: BUG: this should not happen",
    "systemd": "[    2.5] systemd[1]: WARNING: possible typo in /etc/systemd/system.conf, ignored",
    "logger": "2026-01-01 00:00:01 ksuite WARNING: nothing is listening at port 80",
    "oops in a name": "python3: Oops: no such file",
    "traceback": "AssertionError: Kernel panic - not syncing was expected",
    "user's fault": "[    9.0] traps: python3[77] general protection fault ip:4f sp:7ffd error:0",
    "spectre": "[    0.1] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on",
    "command line": "[    0.0] Kernel command line: oops=panic panic=-1 unknown_nmi_panic",
    "kernel warning": "[    0.4] Warning: unable to open an initial console.",
    "taint": "[    1.0] vhost_net: loading out-of-tree module taints kernel.",
    "stall settings": "[    0.1] rcu: \tRCU CPU stall warnings timeout set to 21 (rcu_cpu_stall)",
    "empty": "",
}


def test_fault_of_a_kernel_that_has_no_time_yet_is_recognised() -> None:
    console = Console()
    console.feed(b"Linux version 6.1\nKernel panic - not syncing: no memory\nCall Trace:\n")
    assert console.splat == Splat("panic", "Kernel panic - not syncing: no memory")
    console.feed(b"---[ end Kernel panic - not syncing: no memory ]---\n")
    assert console.splat_ended


def test_what_a_process_says_is_none() -> None:
    console = Console()
    console.feed(b"[    0.1] Run /init as init process\nKernel panic - not syncing: no\n")
    assert console.splat is None


@pytest.mark.parametrize("stamp", ["[   12.345678] ", "[   12.345678][  T512] "], ids=len)
@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_recognised(name: str, stamp: str) -> None:
    splat = recognise(stamp + FAULTS[name] + "\r")
    assert splat is not None
    assert splat.kind == name.split(maxsplit=1)[0]
    assert len(splat.summary) > 10
    assert FAULTS[name].endswith(splat.summary)


@pytest.mark.parametrize("name", INNOCENT)
def test_innocent_line_is_no_fault(name: str) -> None:
    assert recognise(INNOCENT[name]) is None


def test_fault_after_half_a_line_of_user_space() -> None:
    """Processes and printk share the console: a fault needn't start at a line's start."""
    line = "udevd: starting ver[   12.345678] BUG: kernel NULL pointer dereference, address: 0"
    assert recognise(line) == Splat("oops", "BUG: kernel NULL pointer dereference, address: 0")


def test_summary_is_short_and_printable() -> None:
    splat = recognise("[    1.0] kernel BUG at \x1b[31m" + "x" * 5000)
    assert splat is not None
    assert len(splat.summary) <= 300
    assert "\x1b" not in splat.summary


def test_first_fault_counts() -> None:
    console = Console()
    console.feed(f"[    1.0] {FAULTS['warn']}\n[    1.1] {FAULTS['panic']}\n".encode())
    assert console.splat == Splat("warn", FAULTS["warn"])


@pytest.mark.parametrize("size", [1, 7, 64])
def test_line_split_over_feeds(size: int) -> None:
    console = Console()
    data = f"booting\n[   12.345678] {FAULTS['panic']}\r\n".encode()
    for start in range(0, len(data), size):
        assert console.splat is None
        console.feed(data[start : start + size])
    assert console.splat == Splat("panic", FAULTS["panic"])


@pytest.mark.parametrize("end", ["---[ end trace 0000000000000000 ]---", "---[ end Kernel panic"])
def test_end_of_splat(end: str) -> None:
    console = Console()
    console.feed(f"[    0.5] {end} of something that was no fault\n".encode())
    console.feed(f"[    1.0] {FAULTS['warn']}\n[    1.1] Call Trace:\n".encode())
    assert not console.splat_ended
    console.feed(f"[    1.2] {end}\n".encode())
    assert console.splat_ended


def test_flood_is_kept_in_bounds() -> None:
    console = Console()
    console.feed(b"the first line\n")
    chunk = (b"[    1.0] " + b"flooding, " * 200 + b"\n") * 32
    total = len(b"the first line\n")
    tracemalloc.start()
    while total < 100 * MIB:
        console.feed(chunk)
        total += len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    console.feed(b"the last line\n")
    text = console.text
    assert peak < 4 * MIB
    assert text.startswith("the first line\n")
    assert text.endswith("the last line\n")
    assert len(text) <= HEAD_BYTES + TAIL_BYTES + 100
    gap = text.index("\n[... ")
    left_out = int(text[gap:].split()[1])
    kept = len(text) - len(f"\n[... {left_out} bytes left out ...]\n")
    assert left_out + kept == total + len(b"the last line\n")
    assert console.splat is None


def test_nothing_left_out_of_a_short_console() -> None:
    console = Console()
    data = b"x" * (HEAD_BYTES - 1) + b"\n" + b"y" * 1000
    console.feed(data)
    assert console.text == data.decode()


def test_huge_line_without_newline() -> None:
    console = Console()
    tracemalloc.start()
    for _ in range(16 * 1024):
        console.feed(b"A" * 1024)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    console.feed(f"\n[    1.0] {FAULTS['panic']}\n".encode())
    assert peak < 4 * MIB
    assert console.splat == Splat("panic", FAULTS["panic"])


def test_excerpt_shows_the_splat_and_what_surrounds_it() -> None:
    console = Console()
    before = [f"[    0.{n:03}] before {n}" for n in range(100)]
    after = [f"[    2.{n:03}] after {n}" for n in range(100)]
    lines = [*before, f"[    1.0] {FAULTS['warn']}", *after]
    console.feed("\r\n".join([*lines, ""]).encode())
    excerpt = console.excerpt().splitlines()
    assert excerpt[:5] == before[-5:]
    assert FAULTS["warn"] in excerpt[5]
    assert excerpt[6:] == after[: len(excerpt) - 6]
    assert len(excerpt) > 50


def test_excerpt_shows_as_much_before_the_splat_as_is_asked_for() -> None:
    console = Console()
    before = [f"line {number}" for number in range(40)]
    console.feed("\n".join([*before, f"[    1.0] {FAULTS['panic']}", ""]).encode())
    assert console.excerpt(30).splitlines()[:30] == before[-30:]


def test_excerpt_without_a_splat_is_the_end() -> None:
    console = Console()
    console.feed(b"".join(b"line %d\n" % n for n in range(1000)))
    excerpt = console.excerpt().splitlines()
    assert excerpt[-1] == "line 999"
    assert 20 < len(excerpt) < 100


def test_terminal_can_not_be_driven() -> None:
    console = Console()
    console.feed(b"\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\x9b1m\x00\x7f\xc2\x9b\xff tab\there\n")
    console.feed("[    1.0] kernel BUG at \x1b[5m\u202egnp.c\n".encode())
    for text in (console.text, console.excerpt()):
        assert not set(text) & {"\x1b", "\x07", "\x00", "\x7f", "\x9b", "\u202e", "\r"}
        assert "red" in text
        assert "tab\there\n" in text


def test_printable_keeps_words() -> None:
    assert printable("Grüße, 世界\n\tund mehr") == "Grüße, 世界\n\tund mehr"
