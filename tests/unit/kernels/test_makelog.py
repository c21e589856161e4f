# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose fault it was that make failed, by what it said."""

from __future__ import annotations

import time

import pytest

from ksuite.kernels.makelog import SHOWN_LINES, MakeLog

SYNTAX = """\
net/Kconfig:7: syntax error
net/Kconfig:7: unknown statement "confg"
make[3]: *** [/mnt/source/scripts/kconfig/Makefile:77: allnoconfig] Error 1
make[2]: *** [/mnt/source/Makefile:622: allnoconfig] Error 2
make: *** [Makefile:219: __sub-make] Error 2
"""
SEPARATOR = """\
  CC      net/core/sock.o
/mnt/source/net/core/Makefile:9: *** missing separator.  Stop.
make[4]: *** [/mnt/source/scripts/Makefile.build:500: net/core] Error 2
make[4]: *** Waiting for unfinished jobs....
make: *** [Makefile:219: __sub-make] Error 2
"""
FORGOTTEN = """\
  CC      net/core/sock.o
make[5]: *** No rule to make target 'net/core/forgotten.o', needed by 'net/core/built-in.a'.  Stop.
make[4]: *** [/mnt/source/scripts/Makefile.build:500: net/core] Error 2
make: *** [Makefile:219: __sub-make] Error 2
"""
TWICE = """\
ld: net/core/sock.o: in function `twice':
sock.c:(.text+0x0): multiple definition of `twice'; net/core/dev.o:dev.c:(.text+0x0): first defined here
make[1]: *** [/mnt/source/Makefile:1250: vmlinux] Error 1
"""  # noqa: E501
SAYS_NOTHING = """\
  GEN     kernel/odd.h
cannot see the point of it
make[2]: *** [kernel/Makefile:160: kernel/odd.h] Error 1
"""
IN_SOURCE = """\
net/core/dev.c: In function 'f':
net/core/dev.c:9:3: error: expected ';' before '}' token
    9 |   pr_err("Killed: No space left on device")
      |                                            ^
    8 |   /* Cannot allocate memory
net/core/dev.c:3:2: error: #error net: No space left on device
net/core/dev.c:12:9: error: 'internal_Killed' undeclared (first use in this function)
make[4]: *** [/mnt/source/scripts/Makefile.build:250: net/core/Killed.o] Error 1
"""


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        (SYNTAX, 'net/Kconfig:7: syntax error\nnet/Kconfig:7: unknown statement "confg"'),
        (SEPARATOR, "/mnt/source/net/core/Makefile:9: *** missing separator.  Stop."),
        (FORGOTTEN, FORGOTTEN.splitlines()[1]),
        (TWICE, TWICE.splitlines()[1]),
        (SAYS_NOTHING, SAYS_NOTHING.rstrip()),
        (IN_SOURCE, "net/core/dev.c:9:3: error: expected ';' before '}' token"),
    ],
    ids=["Kconfig", "separator", "forgotten file", "defined twice", "a tool", "words in source"],
)
def test_what_make_stopped_for_is_the_sources_fault(log: str, shown: str) -> None:
    said = MakeLog(log)
    assert not said.host_at_fault
    assert said.fault_of_source(builds_without=True).startswith(shown)


def test_what_is_not_known_to_build_without_is_not_blamed_by_make_alone() -> None:
    assert not MakeLog(SAYS_NOTHING).fault_of_source(builds_without=False)
    assert MakeLog(SYNTAX).fault_of_source(builds_without=False)


def test_build_that_broke_off_is_nobodys_fault() -> None:
    assert not MakeLog("  CC      net/core/sock.o\n").fault_of_source(builds_without=True)
    assert not MakeLog("").fault_of_source(builds_without=True)


@pytest.mark.parametrize(
    "line",
    [
        "make[4]: *** [/mnt/source/scripts/Makefile.build:250: net/core/dev.o] Killed",
        "make[1]: *** [/mnt/source/Makefile:1250: vmlinux] Error 137",
        "make: *** [Makefile:219: __sub-make] Terminated",
        "gcc: fatal error: Killed signal terminated program cc1",
        "gcc: internal compiler error: Killed (program cc1)",
        "collect2: fatal error: ld terminated with signal 9 [Killed]",
        "net/core/dev.c:10:1: internal compiler error: Segmentation fault",
        "cc1: fatal error: error writing to /tmp/ccX.s: No space left on device",
        "{standard input}: Fatal error: can't write 9 bytes to a.o: 'No space left on device'",
        "ld: final link failed: No space left on device",
        "OSError: [Errno 28] No space left on device",
        "/bin/sh: 1: cannot create net/core/.dev.o.cmd: Disk quota exceeded",
        "cc1: out of memory allocating 65536 bytes after a total of 1 bytes",
        "virtual memory exhausted: Cannot allocate memory",
        "make: vfork: Resource temporarily unavailable",
    ],
)
def test_the_host_is_at_fault(line: str) -> None:
    said = MakeLog(f"net/a.c:1:1: error: x\n{line}\nmake: *** [Makefile:219: a] Error 2\n")
    assert said.host_at_fault
    assert said.disk_full == ("space left" in line or "quota" in line)
    assert not said.fault_of_source(builds_without=True)


def test_few_lines_are_shown() -> None:
    many = "".join(f"make[1]: *** No rule to make target 'a{n}'.  Stop.\n" for n in range(99))
    assert len(MakeLog(many).stopped.splitlines()) == SHOWN_LINES
    tool = "a line\n" * 99 + SAYS_NOTHING
    assert len(MakeLog(tool).stopped.splitlines()) == SHOWN_LINES


@pytest.mark.parametrize(
    "line",
    [
        "Kconfig" * 40_000,
        ": *** " * 80_000,
        " " * 300_000 + ": No space left on device",
    ],
)
def test_a_line_of_somebodys_takes_no_time(line: str) -> None:
    start = time.monotonic()
    said = MakeLog(line)
    assert not said.host_at_fault
    assert len(said.errors + said.stopped + said.last) < 5000
    assert time.monotonic() - start < 2
