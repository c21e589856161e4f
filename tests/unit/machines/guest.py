# SPDX-License-Identifier: GPL-2.0-or-later
"""Plays a guest: console on stderr, agent on stdin and stdout. Started in the place of vng.

``python -u guest.py BOOT MONITOR`` where BOOT is the name of a function in BOOTS. Once the agent is
up, the controller can call the functions of the module ``ksuite.dut.played``, which are below.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import ModuleType

WARN = """\
[   12.345678] ------------[ cut here ]------------
[   12.345679] WARNING: CPU: 0 PID: 512 at drivers/vhost/net.c:712 handle_tx+0x5a/0x90 [vhost_net]
[   12.345680] Call Trace:
[   12.345681]  vhost_worker+0x6c/0xa0 [vhost]
[   12.345682] ---[ end trace 0000000000000000 ]---
"""
NMI = """\
[   33.000001] NMI: Unknown; RIP: 0010:handle_rx+0x40/0x90 [vhost_net]
[   33.000002] Kernel panic - not syncing: NMI: Not continuing
[   33.000003] ---[ end Kernel panic - not syncing: NMI: Not continuing ]---
"""


def console(text: str) -> None:
    os.write(2, text.encode())


def echo(value: object) -> object:
    return value


def refuse() -> None:
    raise PermissionError(1, "Operation not permitted")


def fail() -> None:
    raise KeyError("a bug of ours")


def hang() -> None:
    time.sleep(600)


def warn_and_answer() -> str:
    console(WARN)
    return "done"


def answer_and_warn() -> str:
    threading.Timer(0.2, console, [WARN]).start()
    return "done"


def panic() -> None:
    console(NMI)
    os._exit(0)


def leave(status: int) -> None:
    os._exit(status)


def flood(mebibytes: int) -> str:
    for _ in range(mebibytes):
        console(("x" * 1023 + "\n") * 1024)
    return "done"


def answer_and_flood() -> str:
    threading.Thread(target=flood, args=[1 << 20], daemon=True).start()
    return "done"


def babble() -> None:
    """Write garbage where the agent's messages go: execnet has moved its stream from fd 1."""
    for fd in range(3, 10):
        with suppress(OSError):
            os.write(fd, b"\xff" * 4096)
    time.sleep(600)


PLAYED = (
    *(echo, refuse, fail, hang, warn_and_answer, answer_and_warn, panic, leave),
    *(flood, answer_and_flood, babble),
)


def _up() -> None:
    console("[    0.000000] Linux version 6.1.0-played\n")
    module = ModuleType("ksuite.dut.played")
    vars(module).update({function.__name__: function for function in PLAYED})
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(Path(__file__).parents[3]))
    exec(eval(sys.stdin.readline()))  # noqa: S102, S307 (what the agent's boot line does)


def _up_with_monitor() -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[2])
    listener.listen()
    threading.Thread(target=_answer_monitor, args=[listener], daemon=True).start()
    _up()


def _answer_monitor(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    connection.sendall(b"QEMU 7.2.0 monitor - type 'help' for more information\r\n(qemu) ")
    if connection.recv(64).startswith(b"nmi"):
        console(NMI)


def _silent() -> None:
    time.sleep(600)


def _stuck() -> None:
    console("[    0.100000] the last words\n")
    time.sleep(600)


def _dead() -> None:
    console("vng: no such kernel\n")
    sys.exit(3)


def _resets() -> None:
    console("[    0.100000] the last words\n")


def _panics() -> None:
    console(NMI)


def _babbles() -> None:
    os.write(1, b"login: ")
    time.sleep(600)


BOOTS = {
    "up": _up,
    "up with monitor": _up_with_monitor,
    "silent": _silent,
    "stuck": _stuck,
    "dead": _dead,
    "resets": _resets,
    "panics": _panics,
    "babbles": _babbles,
}

if __name__ == "__main__":
    BOOTS[sys.argv[1]]()
