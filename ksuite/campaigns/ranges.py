# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bisection searches: a range of a git tree, or the patches of a series."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.bisection import Graph
from ksuite.campaigns.building import ASKED_FOR, ASKED_FOR_BY_CONFIG, build_of, must_heed_config
from ksuite.campaigns.options import Build
from ksuite.campaigns.quest import Ground
from ksuite.campaigns.revisions import KernelRevisions, ModuleRevisions, Revisions
from ksuite.campaigns.running import that_run
from ksuite.errors import NeedsFullBuild, NothingToCompare, UserError
from ksuite.kernels.fragments import USUAL, read_configuration
from ksuite.kernels.given import is_in_place, must_be_clean
from ksuite.kernels.history import History, read_history
from ksuite.kernels.kconfig import added_symbols
from ksuite.kernels.made_for import series_for
from ksuite.kernels.outdated import must_be_current
from ksuite.kernels.patching import changed_files
from ksuite.kernels.plan import plan_once
from ksuite.kernels.relevance import that_count
from ksuite.kernels.series import Series, read_series
from ksuite.kernels.source import KernelSource, unpack
from ksuite.kernels.sources import find_source, pinned, taken_again
from ksuite.kernels.trees import PARTS, checked_out
from ksuite.machines.image import guest_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksuite.campaigns.options import CheckOptions
    from ksuite.kernels.plan import ModuleTarget
    from ksuite.kernels.series import Patch
    from ksuite.kernels.store import Store

SUBJECT_CHARACTERS = 120
SHORT_HASH, WHOLE_HASH = 12, 40


@dataclass(frozen=True)
class Range:
    """Revisions that can be built, from a good one to a bad one.

    :param about: it, in a few words.
    :param files: of the kernel that differ anywhere in it, and count.
    :param bases: revisions that must be as the good one, which is on a branch of its own.
    :param kernel: the name of the kernel whose modules it changes.
    :param ground: that kernel, and the patches that are put on top or bisected.
    :param patch: returns a revision as a patch for people.
    """

    about: str
    graph: Graph
    revisions: Revisions
    files: tuple[str, ...]
    bases: tuple[str, ...]
    kernel: str
    ground: Ground
    patch: Callable[[str], str]


@contextmanager
def range_of_tree(
    tree: Path,
    ends: tuple[str, str],
    options: CheckOptions,
    store: Store,
    progress: Callable[[str], None],
    also: Sequence[str] = (),
    runs: Callable[[KernelSource], frozenset[str]] | None = None,
) -> Iterator[Range]:
    """Yield what two revisions of a git tree have between them.

    A tree that holds only a part of a kernel is laid over the source of the kernel that the options
    name.

    :param ends: the good and the bad revision.
    :param options: its series is put on top of each revision, if there is any.
    :param also: commits to be built that may not be between them.
    :param runs: returns which modules of a kernel matter; all that it has, if there is none.
    :raises UserError: there is no such range.
    """
    series = read_series(options.series) if options.series else None
    patches = series.patches if series else ()
    configuration = read_configuration((*USUAL, *options.config))
    configuration = configuration.for_series(added_symbols(patches))
    with read_history(tree, *ends) as history, ExitStack() as held:
        files = history.files(history.good)
        whole = all(any(f"{file}/".startswith(f"{part}/") for file in files) for part in PARTS)
        if not whole and not options.kernel:
            raise UserError(
                f"{tree} holds no whole kernel: name the one that its files belong to, such as "
                "--kernel distro"
            )
        kernel = pinned(options.kernel or f"{tree}@{history.good}")
        options = replace(options, kernel=kernel)
        _must_be_possible(options, tree, whole=whole)
        source = find_source(kernel, store, configuration, held, progress)
        must_heed_config(options, source)
        progress("looking for what makes a difference")
        own = unpack(source, store)
        contents = _Contents.of(source, own.path, history, whole=whole)
        patched = {file for patch in patches for file in patch.files}
        counts = contents.that_count(history.touched(*also) | patched)
        if not counts:
            between = f"between {ends[0]} and {ends[1]}"
            raise NothingToCompare(f"nothing {between} gets into {source.release}")
        revisions: Revisions
        try:
            targets = _planned(source, contents.top, counts, options, store)
            if runs is not None:
                loaded = runs(source)
                targets, counts = that_run(
                    targets, counts, loaded, contents.top, source.dependencies
                )
            revisions = ModuleRevisions(
                source,
                own.path,
                targets,
                contents.telling(counts, patches),
                store,
                lambda: taken_again(kernel, own, store, progress),
            )
        except NeedsFullBuild as why:
            if options.build is Build.MODULE or not whole:
                raise
            _must_be_restored(options, str(why).partition("\n")[0])
            revisions = KernelRevisions(
                lambda name: checked_out(tree, name, store, progress),
                lambda name: f"{tree}@{name}",
                lambda _: patches,
                configuration,
                store,
                str(why).partition("\n")[0],
                history.good,
                progress,
            )
        # Who checks a revision, in another process, checks out to the same place.
        held.close()
        yield Range(
            about=f"{tree} {_short(ends[0])}..{_short(ends[1])}",
            graph=_graph(history, counts),
            revisions=revisions,
            files=tuple(sorted(counts)),
            bases=tuple(base for base in history.bases if base != history.good),
            kernel=kernel,
            ground=_ground(source, series),
            patch=lambda name: history.patch(name).decode(errors="replace"),
        )


def _must_be_possible(options: CheckOptions, tree: Path, *, whole: bool) -> None:
    """Refuse what can't be had of a kernel, before it is fetched or built.

    :param whole: the tree holds a whole kernel.
    :raises UserError: it says why.
    """
    full = build_of(options) is Build.FULL
    if full and not whole:
        raise UserError(
            f"{tree} holds no whole kernel, and none can be built from it: give no --build full, "
            f"and for {options.kernel} no --config"
        )
    if full or options.kernel != "distro":
        _must_be_restored(options, options.kernel)


def _must_be_restored(options: CheckOptions, why: str) -> None:
    """Refuse to boot guests of a kernel of ours, whose modules this host's root has not.

    :raises UserError: they would not be restored.
    """
    if not options.restores:
        raise UserError(
            f"{why}: on the wall clock guests are booted on this host's root, which has the "
            "modules of distro only: leave --clock wall out, or bisect modules of --kernel distro"
        )


def _ground(source: KernelSource, series: Series | None) -> Ground:
    kernel = f"{source.release} ({source.version})"
    if source.build_id:
        # One that was built has the same names from other source.
        kernel += f", build {source.build_id[:SHORT_HASH]}"
    return Ground(kernel, series.digest if series else "", guest_code())


def _short(revision: str) -> str:
    return revision[:SHORT_HASH] if len(revision) == WHOLE_HASH else revision


def _planned(
    source: KernelSource, top: Path, files: Iterable[str], options: CheckOptions, store: Store
) -> tuple[ModuleTarget, ...]:
    """Return the modules that files are built into.

    :raises NeedsFullBuild: modules won't do, or whole kernels were asked for.
    :raises UserError: the source was built in place, and has changed since.
    """
    if build_of(options) is Build.FULL:
        raise NeedsFullBuild(ASKED_FOR_BY_CONFIG if options.build is Build.AUTO else ASKED_FOR)
    targets = plan_once(source, top, files, store)
    if is_in_place(top):
        must_be_current(top, source.name, targets)
    return targets


@dataclass(frozen=True)
class _Contents:
    """What revisions have that a kernel's own source has not.

    :param top: that source.
    :param own: what the good revision has.
    """

    source: KernelSource
    top: Path
    history: History
    own: dict[str, bytes | None]

    @classmethod
    def of(
        cls,
        source: KernelSource,
        top: Path,
        history: History,
        *,
        whole: bool,
    ) -> _Contents:
        """Return it for the revisions of a history.

        :param whole: what they have not is gone, and not left to the kernel's source.
        """
        built_of_good = source.tree and source.tree.key == history.tree_of(history.good)
        own = {} if built_of_good else _own(top, history, whole=whole)
        return cls(source, top, history, own)

    def that_count(self, touched: frozenset[str]) -> frozenset[str]:
        """Return which files that differ anywhere may get into the kernel.

        :param touched: between revisions, or by patches.
        """
        return that_count(self.source, self.top, touched | self.own.keys())

    def telling(
        self, counts: frozenset[str], patches: Sequence[Patch]
    ) -> Callable[[str], dict[str, bytes | None]]:
        """Return what tells the content of a revision's files, of those that count.

        :param patches: put on top of each revision; they may touch other files, too.
        """
        asked = counts.union(*(patch.files for patch in patches))
        read = lru_cache(maxsize=None)(self.history.content)
        own = {file: content for file, content in self.own.items() if file in asked}

        def contents(name: str) -> dict[str, bytes | None]:
            state = self.history.state(name, asked)
            changed = own | {file: read(blob) if blob else None for file, blob in state.items()}
            if patches:
                changed |= changed_files(self.top, patches, onto=changed)
            return {file: content for file, content in changed.items() if file in counts}

        return contents


def _own(top: Path, history: History, *, whole: bool) -> dict[str, bytes | None]:
    """Return what the good revision has that a kernel's own source has not."""
    own: dict[str, bytes | None] = {}
    files = history.files(history.good)
    for file, blob in files.items():
        path = top / file
        if path.is_symlink():
            continue
        if not path.is_file() or _blob(path.read_bytes()) != blob:
            own[file] = history.content(blob)
    if whole:
        there = {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}
        own |= dict.fromkeys(there - files.keys())
    return own


def _blob(content: bytes) -> str:
    """Return git's name of a content (gitformat-loose-objects: its type, its size, itself)."""
    head = f"blob {len(content)}\0".encode()
    return sha1(head + content, usedforsecurity=False).hexdigest()


def _graph(history: History, counts: frozenset[str]) -> Graph:
    parents = {commit.id: commit.parents for commit in history.commits}
    subjects = {commit.id: commit.subject[:SUBJECT_CHARACTERS] for commit in history.commits}
    return Graph.of(
        [commit.id for commit in history.commits],
        history.good,
        parents,
        subjects,
        history.tells(counts),
    )


@contextmanager
def range_of_series(
    options: CheckOptions,
    store: Store,
    progress: Callable[[str], None],
    runs: Callable[[KernelSource], frozenset[str]] | None = None,
) -> Iterator[Range]:
    """Yield the patches of a series one by one: revision ``2`` has the first two of them.

    :param runs: returns which modules of a kernel matter; all that it has, if there is none.
    :raises UserError: it is no series.
    :raises KsuiteError: it can't be planned.
    """
    series = read_series(options.series)
    configuration = read_configuration((*USUAL, *options.config))
    configuration = configuration.for_series(added_symbols(series.patches))
    with ExitStack() as held:
        kernel = pinned(options.kernel or "distro")
        options = replace(options, kernel=kernel)
        # What contradicts itself needs no kernel fetched to say so.
        build_of(options)
        source = find_source(kernel, store, configuration, held, progress)
        must_heed_config(options, source)
        series = series_for(series, source)
        tree = unpack(source, store)

        def patches(name: str) -> tuple[Patch, ...]:
            return (*series.base_patches, *series.patches[: int(name)])

        every = patches(str(len(series.patches)))
        files = frozenset(file for patch in every for file in patch.files)
        revisions: Revisions
        try:
            targets = running = _planned(source, tree.path, files, options, store)
            if runs is not None:
                loaded = runs(source)
                running, _ = that_run(targets, files, loaded, tree.path, source.dependencies)
            revisions = ModuleRevisions(
                source,
                tree.path,
                targets,
                lambda name: changed_files(tree.path, patches(name)),
                store,
                lambda: taken_again(kernel, tree, store, progress),
                running,
            )
        except NeedsFullBuild as why:
            if options.build is Build.MODULE:
                raise
            told = str(why).partition("\n")[0]
            must_be_clean(tree.path, source.name, "" if told == ASKED_FOR else told)
            revisions = KernelRevisions(
                lambda _: taken_again(kernel, tree, store, progress),
                lambda _: kernel,
                patches,
                configuration,
                store,
                told,
                "0",
                progress,
            )
        held.close()
        yield Range(
            about=series.title,
            graph=_line(series),
            revisions=revisions,
            files=tuple(sorted(files)),
            bases=(),
            kernel=kernel,
            ground=_ground(source, series),
            patch=lambda name: series.patches[int(name) - 1].text.decode(errors="replace"),
        )


def _line(series: Series) -> Graph:
    names = [str(number) for number in range(1, len(series.patches) + 1)]
    parents = {name: (str(int(name) - 1),) for name in names}
    subjects = {
        name: patch.subject[:SUBJECT_CHARACTERS]
        for name, patch in zip(names, series.patches, strict=True)
    }
    return Graph.of(names, "0", parents, subjects, frozenset(names))
