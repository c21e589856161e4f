# SPDX-License-Identifier: GPL-2.0-or-later
"""Which form of a series is made for which kernel, by what its meta.toml says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ksuite.errors import NothingToCompare, UserError
from ksuite.kernels.series import Series, read_series

if TYPE_CHECKING:
    from ksuite.kernels.source import KernelSource


def series_for(series: Series, source: KernelSource) -> Series:
    """Return a series in the form that is made for a kernel.

    A quilt directory may have others below it, which are the same series for other kernels.

    :raises UserError: another form can't be read, or a range of kernels makes no sense.
    :raises NothingToCompare: none of its forms is for this kernel.
    """
    upstream = source.upstream
    if _fits(series, upstream):
        return series
    below = [str(meta.parent) for meta in sorted(Path(series.origin).glob("*/meta.toml"))]
    forms = [series, *map(read_series, below)]
    found = next((form for form in forms if _fits(form, upstream)), None)
    if found is None:
        ranges = " or ".join(form.meta.kernels for form in forms if form.meta)
        raise NothingToCompare(
            f"{series.origin} is for kernels {ranges}, and this one is {upstream}"
        )
    return found


def _fits(series: Series, upstream: str) -> bool:
    if series.meta is None:
        return True
    try:
        return SpecifierSet(series.meta.kernels).contains(upstream)
    except InvalidSpecifier as error:
        raise UserError(f"{series.origin}: meta.toml: kernels: {error}") from error
