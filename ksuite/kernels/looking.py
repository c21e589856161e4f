# SPDX-License-Identifier: GPL-2.0-or-later
"""What the operating system has against a kernel that somebody named, told with that name."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN_CHARACTERS = 200


@contextmanager
def looking_at(name: str) -> Iterator[None]:
    """Have the body look for a kernel; a file that it can't read is an error of ours.

    :param name: what the user calls it.
    :raises UserError: the file is the user's.
    :raises InfrastructureError: it is another.
    """
    shown = name if len(name) <= SHOWN_CHARACTERS else f"{name[:SHOWN_CHARACTERS]}..."
    try:
        yield
    except UnicodeError as error:
        raise UserError(f"{shown}: a file of it that must be text is none: {error}") from error
    except OSError as error:
        file = "" if error.filename in {None, name} else f": {error.filename}"
        kind = UserError if _is_users(error, name) else InfrastructureError
        raise kind(f"{shown} can't be used: {error.strerror or error}{file}") from error
    except ValueError as error:
        raise InfrastructureError(f"{shown} can't be used: {error}") from error


def _is_users(error: OSError, name: str) -> bool:
    """Say whether an error is about a file of what the user named."""
    if error.errno == errno.ENAMETOOLONG:
        return True
    if not isinstance(error.filename, str | os.PathLike):
        return False
    file = os.path.realpath(error.filename)
    places = {name, name.rpartition("@")[0], *name.split(",", 1)} - {""}
    return any(f"{file}/".startswith(f"{os.path.realpath(place)}/") for place in places)
