# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces, made and entered through pyroute2."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyroute2 import config, netns

if TYPE_CHECKING:
    from collections.abc import Iterator


PATIENCE_SECONDS = 1_000_000
"""For pyroute2's helper processes: an idle guest's clock leaps while the host reads for it."""

config.default_communicate_timeout = PATIENCE_SECONDS
config.default_create_socket_timeout = PATIENCE_SECONDS


@contextmanager
def namespace(name: str) -> Iterator[str]:
    """Create a network namespace, and remove it at the end."""
    netns.create(name)
    try:
        yield name
    finally:
        netns.remove(name)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Have this thread make sockets and links in a namespace, then return to its own."""
    netns.pushns(name)
    try:
        yield
    finally:
        netns.popns()
