# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent's loop on the DUT: receives function names, calls them, sends plain data back."""

from __future__ import annotations

import gc
import importlib
import platform
import traceback
from typing import Any


class CannotObserveError(Exception):
    """The DUT can't be looked at as a scenario must: it says nothing of the kernel."""


PREFIX = "ksuite.dut."


def serve(channel: Any) -> None:
    """Answer calls until the controller closes the channel.

    A message is a list of calls ``(module, function, args, kwargs)``, made until one fails; so is
    its answer, of ``("ok", result)`` or ``("error", kind, text, traceback)`` where kind is ``os``
    for what the kernel refused, ``blind`` for what can't be observed, and ``bug`` for everything
    else.
    """
    gc.disable()
    channel.send(("ok", platform.release()))
    for calls in channel:
        channel.send(_answers(calls))
        gc.collect()


def _answers(calls: list[tuple[str, str, Any, Any]]) -> list[tuple[Any, ...]]:
    answers = []
    for call in calls:
        answers.append(_answer(*call))
        if answers[-1][0] != "ok":
            break
    return answers


def _answer(module: str, name: str, args: Any, kwargs: Any) -> tuple[Any, ...]:
    if not module.startswith(PREFIX):
        return ("error", "bug", f"{module} is not part of {PREFIX}", "")
    try:
        function = getattr(importlib.import_module(module), name)
        return ("ok", function(*args, **kwargs))
    except Exception as error:  # noqa: BLE001 (every failure is reported to the controller)
        kind = "bug"
        if isinstance(error, OSError):
            kind = "os"
        elif isinstance(error, CannotObserveError):
            kind = "blind"
        return ("error", kind, f"{type(error).__name__}: {error}", traceback.format_exc())
