# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads JSON files that anybody may have written, and takes nothing for what it is not."""

from __future__ import annotations

import json
import math
from functools import partial
from itertools import repeat
from stat import S_ISREG
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn

from ksuite.errors import UserError
from ksuite.machines.machine import Clock
from ksuite.measure.cost import MOST, Cost, Fingerprint
from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
MOST_BYTES = 64 << 20
_SHOWN = 60
LEAST = 1e-3


def read_object(path: Path, what: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    :param what: it is, as the error says it.
    :raises UserError: it can't be read, or holds anything else.
    """
    try:
        about = path.stat()
        if not S_ISREG(about.st_mode):
            raise UserError(f"the {what} {path} is no file")
        if about.st_size > MOST_BYTES:
            raise UserError(f"the {what} {path} is larger than any")
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise UserError(f"the {what} {path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"the {what} {path} is no sound JSON: {str(error)[:200]}") from error
    if not isinstance(data, dict):
        raise UserError(f"{path} is no {what}: it holds no JSON object")
    return data


def structured(data: Any, kind: type[T], path: Path, what: str) -> T:
    """Return what was read as a dataclass.

    :raises UserError: something is missing, or of another type, or no possible value.
    """
    try:
        return _CONVERTER.structure(data, kind)
    # What cattrs raises is a group of all that it has found.
    except Exception as error:
        found = transform_error(error, path="")
        raise UserError(f"{path} is no {what}: {'; '.join(found[:3])[:300]}") from error


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    def checked(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{value!r:.{_SHOWN}} is no {kind.__name__}")
        return value

    return checked


def _number(value: Any, _: Any) -> float:
    if type(value) not in {int, float} or not math.isfinite(value):
        raise ValueError(f"{value!r:.{_SHOWN}} is no number")
    return float(value)


def _number_or_text(value: Any, _: Any) -> int | str:
    if type(value) is int:
        return value
    checked: str = _exactly(str)(value, None)
    return checked


def _is_sequence(kind: Any) -> bool:
    return get_origin(kind) in {tuple, list}


def _listed(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    """Return what makes such a sequence of a list, and of nothing else."""
    sequence, kinds = get_origin(kind), get_args(kind)
    any_length = sequence is list or kinds[-1] is ...

    def structured_list(value: Any, _: Any) -> Any:
        if type(value) is not list or not (any_length or len(value) == len(kinds)):
            raise ValueError(f"{value!r:.{_SHOWN}} is no such list")
        each = repeat(kinds[0]) if any_length else kinds
        return sequence(converter.structure(*pair) for pair in zip(value, each, strict=False))

    return structured_list


def _cost(value: Any, _: Any) -> Cost:
    cost = _PLAIN.structure(value, Cost)
    if not cost.windows or not all(LEAST < one < MOST for one in cost.windows):
        raise ValueError("a cost has windows, and no packet takes no time, or for ever")
    if cost.guests < 1 or len(cost.windows) % cost.guests:
        raise ValueError(f"{len(cost.windows)} windows can't be of {cost.guests} guests")
    return cost


def _converter() -> Converter:
    converter = Converter()
    converter.register_structure_hook_factory(_is_sequence, partial(_listed, converter))
    for kind in (int, bool, str):
        converter.register_structure_hook(kind, _exactly(kind))
    # They are kinds of str, too.
    for choice in (Clock, Verdict):
        converter.register_structure_hook(choice, lambda value, kind: kind(value))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(int | str, _number_or_text)
    # A field that this ksuite doesn't know may make two costs incomparable.
    known = make_dict_structure_fn(Fingerprint, converter, _cattrs_forbid_extra_keys=True)
    converter.register_structure_hook(Fingerprint, known)
    return converter


_PLAIN = _converter()
_CONVERTER = _converter()
_CONVERTER.register_structure_hook(Cost, _cost)
