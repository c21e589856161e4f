# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces, made and entered through pyroute2."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyroute2 import netns

if TYPE_CHECKING:
    from collections.abc import Iterator


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
