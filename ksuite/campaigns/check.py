# SPDX-License-Identifier: GPL-2.0-or-later
"""Base against candidate: a series, built without and with it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from ksuite.campaigns.building import (
    ASKED_FOR,
    ASKED_FOR_BY_CONFIG,
    Builder,
    Variants,
    build_of,
    must_heed_config,
)
from ksuite.campaigns.loadable import only_loadable
from ksuite.campaigns.options import Build
from ksuite.campaigns.reproducing import command_of
from ksuite.campaigns.suites import Suite, exercised, suites_for
from ksuite.campaigns.trial import Trial
from ksuite.errors import DoesNotCompile, NothingToCompare, UserError
from ksuite.kernels.fragments import USUAL, read_configuration
from ksuite.kernels.kconfig import added_symbols
from ksuite.kernels.made_for import series_for
from ksuite.kernels.series import Series, read_series
from ksuite.kernels.sources import find_source
from ksuite.kernels.store import digest
from ksuite.machines.recipe import read_recipe
from ksuite.measure.result import BASE, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.options import CheckOptions
    from ksuite.kernels.source import KernelSource


FROM_IMAGE = "runs from our image: not with --root host or --clock wall"
UNPATCHED = "(none: the distro's source as it is)"


class Check(Trial):
    """A check of a series.

    :param suites: what will run; those that fit the series' files when empty.
    """

    def __init__(
        self,
        options: CheckOptions,
        suites: Sequence[Suite] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(options, progress)
        # What is no series needs no kernel fetched to say so.
        series = read_series(options.series or suites[0].series)
        ours = options.kernel != "distro" or build_of(options) is Build.FULL
        if ours and not options.restores:
            raise UserError(f"{options.kernel} {FROM_IMAGE}")
        configuration = read_configuration((*USUAL, *options.config))
        added = () if options.unpatched else added_symbols(series.patches)
        self._configuration = configuration.for_series(added)
        with ExitStack() as held:
            self.source: KernelSource = self._find_source(held)
            must_heed_config(options, self.source)
            self.series: Series = series_for(series, self.source)
            self.suites = tuple(suites) or suites_for(self.series.files)
            options.spec(self.suites)
            # Nobody else may change the files of a revision before they are built.
            self._held = held.pop_all()

    def _find_source(self, held: ExitStack) -> KernelSource:
        options = self.options
        try:
            return find_source(
                options.kernel, self._store, self._configuration, held, self.progress
            )
        except DoesNotCompile as error:
            if options.unpatched:
                # It is what is judged.
                raise
            msg = f"there is nothing to compare with: {options.kernel} without the series, {error}"
            raise NothingToCompare(msg) from error

    def must_fit(self, suites: Sequence[Suite]) -> None:
        """Refuse a series that none of these suites exercises, unless any will do.

        :raises NothingToCompare: a pass would say nothing about it.
        """
        if self.options.any_change or any(exercised(file, suites) for file in self.series.files):
            return
        fitting = suites_for(self.series.files)
        have, want = (", ".join(suite.name for suite in some) for some in (suites, fitting))
        raise NothingToCompare(f"the suite {have} does not exercise this series, but {want} does")

    def _build(self) -> Variants:
        builder = Builder(
            self.source,
            self.series,
            self._configuration,
            self._store,
            self.progress,
            unpatched=self.options.unpatched,
        )
        why = ASKED_FOR_BY_CONFIG if self.options.build is Build.AUTO else ASKED_FOR
        variants = builder.build(build_of(self.options), why)
        if not self.options.restores and variants.kernels[BASE] != self.source:
            raise UserError(f"a kernel that was built {FROM_IMAGE}: {variants.how}")
        if not self.options.restores:
            return variants
        return only_loadable(variants, read_recipe(), even_none=self.options.any_change)

    @property
    def subject(self) -> Subject:
        """What is judged, and on what."""
        return replace(
            self._about(),
            series=UNPATCHED if self.options.unpatched else self.series.title,
            series_digest=digest() if self.options.unpatched else self.series.digest,
            not_exercised=self._not_exercised(),
            command=command_of(self.options, self.suites),
        )

    def _not_exercised(self) -> tuple[str, ...]:
        return tuple(file for file in self.series.files if not exercised(file, self.suites))
