# SPDX-License-Identifier: GPL-2.0-or-later
r"""Git trees that hold vhost, TC and Open vSwitch as the distro has them, with a history of ours.

::

    first -- harmless -- not compiled -- broken -- mended -- ... -- CULPRIT -- ... -- last
                \\                                        /
                 -- harmless -- harmless -- ... --------  merges

What each commit does is known, so it is known what a bisection must find. They are made by
``git fast-import``: a thousand commits take a second.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

DIRECTORIES = ("drivers/vhost", "net/sched", "net/openvswitch")
COUNT = 200
BROKEN = 5
"""How many revisions don't compile."""
MIRRED = "net/sched/act_mirred.c"
SLOWED = "\ttcf_action_update_bstats(&m->common, skb);\n"
"""What every packet passes once; see `ksuite.campaigns.selftest`."""
LOADED = "\tint err = register_netdevice_notifier(&mirred_device_notifier);\n"
"""Where act_mirred begins as it is loaded."""
HARMLESS = (
    "net/sched/act_gact.c",
    "net/sched/cls_flower.c",
    "net/sched/act_mirred.c",
    "net/openvswitch/actions.c",
    "drivers/vhost/vhost.c",
    "drivers/vhost/net.c",
)
NOT_COMPILED = ("drivers/vhost/test.c", "drivers/vhost/vringh.c", "net/sched/README")
ASIDE = "/* Said on a branch. */\n"
"""In act_mirred, below what a branch has to say and above all else: its merge tells something."""
MESSAGE = "Mirred requires attributes to be passed"
"""What nobody is told who passes them: other code, and the same cost."""


class Kind(StrEnum):
    """What a history has in it."""

    CULPRIT = "culprit"
    """+1 % of what a packet costs, in one commit."""
    SMALL = "small"
    """+0.3 %: 19 instructions of 6,048."""
    NONE = "none"
    TWO = "two"
    DRIFT = "drift"
    FUNCTION = "function"
    """Every fourth packet is not counted."""


NOPS = {Kind.CULPRIT: (60,), Kind.SMALL: (19,), Kind.TWO: (40, 60), Kind.DRIFT: (2,) * 40}
"""The instructions a packet that commits of each kind add."""

Files = dict[str, str]
Edit = Callable[[Files], str]
"""Changes files, and returns a subject."""


@dataclass
class Repository:
    """A tree with its history.

    :param culprits: what each commit adds, in instructions a packet, by its subject.
    """

    path: Path
    commits: int = 0
    culprits: dict[str, int] = field(default_factory=dict)

    def subject_of(self, revision: str) -> str:
        """Return a commit's subject."""
        return self.git("show", "-s", "--format=%s", revision)

    def git(self, *words: str) -> str:
        """Return what git says."""
        done = subprocess.run(
            ["git", *words], cwd=self.path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


def make(
    place: Path, source: Path, kind: Kind, seed: int, count: int = COUNT, *, panics: bool = True
) -> Repository:
    """Return a new repository with a history of at least so many commits behind its first.

    :param source: the distro's.
    """
    chance = random.Random(f"{kind} {seed}")  # noqa: S311 (no secret)
    repository = Repository(place)
    place.mkdir(parents=True)
    repository.git("init", "--quiet", "--initial-branch=main")
    stream = _Stream(_files(source))
    for edit, again in _script(chance, kind, count, repository, panics=panics):
        stream.commit(edit)
        if again is not None:
            stream.commit(again)
        if chance.random() < 0.05 and not stream.branches:
            stream.fork()
        elif stream.branches and chance.random() < 0.3:
            stream.commit(_aside(chance), branch=True)
        if stream.branches and chance.random() < 0.15:
            stream.merge()
    if stream.branches:
        stream.merge()
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=place, input=stream.text, check=True, timeout=120
    )
    repository.git("reset", "--hard", "--quiet", "main")
    repository.commits = stream.count - 1
    return repository


def _files(source: Path) -> Files:
    return {
        str(path.relative_to(source)): path.read_text(encoding="utf-8", errors="surrogateescape")
        for directory in DIRECTORIES
        for path in sorted((source / directory).rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


class _Stream:
    """What ``git fast-import`` is given."""

    def __init__(self, files: Files) -> None:
        self.text = b""
        self.count = 0
        self.branches: list[tuple[int, Files]] = []
        self._files = files
        self._write("the source as the distro has it", files, [])
        self._tip = self.count
        self.text += b"reset refs/heads/first\nfrom :1\n\n"

    def commit(self, edit: Edit, *, branch: bool = False) -> None:
        """Add a commit to the main line, or to the branch that is open."""
        before, files = self.branches[-1] if branch else (self._tip, self._files)
        changed = dict(files)
        subject = edit(changed)
        self._write(subject, _difference(files, changed), [before])
        if branch:
            self.branches[-1] = self.count, changed
        else:
            self._tip, self._files = self.count, changed

    def fork(self) -> None:
        """Open a branch from here."""
        self.branches.append((self._tip, dict(self._files)))

    def merge(self) -> None:
        """Take in what the branch has, in a file and in lines that the main line leaves alone."""
        tip, files = self.branches.pop()
        if tip == self._tip:
            return
        head, mark, _ = files[MIRRED].rpartition(ASIDE)
        rest = self._files[MIRRED].rpartition(ASIDE)[2]
        taken = {"drivers/vhost/vhost.h": files["drivers/vhost/vhost.h"]}
        taken[MIRRED] = f"{head}{mark}{rest}"
        self._write(
            "Merge a branch", _difference(self._files, self._files | taken), [self._tip, tip]
        )
        self._files |= taken
        self._tip = self.count

    def _write(self, subject: str, changed: Files, parents: list[int]) -> None:
        self.count += 1
        when = f"ksuite <ksuite@example.org> {1_700_000_000 + self.count} +0000"
        said = f"{subject}\n".encode()
        lines = [f"commit refs/heads/main\nmark :{self.count}\ncommitter {when}\n".encode()]
        lines.append(b"data %d\n%s" % (len(said), said))
        lines += [
            f"{'merge' if number else 'from'} :{parent}\n".encode()
            for number, parent in enumerate(parents)
        ]
        for name, text in changed.items():
            data = text.encode(errors="surrogateescape")
            lines.append(f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n")
        self.text += b"".join(lines) + b"\n"


def _difference(before: Files, after: Files) -> Files:
    return {name: text for name, text in after.items() if before.get(name) != text}


def _script(
    chance: random.Random, kind: Kind, count: int, repository: Repository, *, panics: bool
) -> list[tuple[Edit, Edit | None]]:
    """Return the commits of the main line in order, some with what mends them right behind."""
    steps: list[tuple[Edit, Edit | None]] = [
        (_slower(nops, number, repository), None) for number, nops in enumerate(NOPS.get(kind, ()))
    ]
    if kind is Kind.FUNCTION:
        steps.append((_uncounted(repository), None))
    steps += [(_breaks(number), _mends(number)) for number in range(BROKEN)]
    if panics:
        steps.append((_panics, _calms))
    while len(steps) + BROKEN + panics < count:
        steps.append((_harmless(chance), None))
    chance.shuffle(steps)
    return steps


def _harmless(chance: random.Random) -> Edit:
    kind = chance.random()
    if kind < 0.4:
        return _comment(chance, chance.choice(NOT_COMPILED))
    if kind < 0.85:
        return _comment(chance, chance.choice(HARMLESS))
    return _message(chance)


def _comment(chance: random.Random, file: str) -> Edit:
    number = chance.randrange(10**6)

    def edit(files: Files) -> str:
        files[file] = f"{files.get(file, '')}/* Remark {number}. */\n"
        return f"{file}: remark {number}"

    return edit


def _aside(chance: random.Random) -> Edit:
    """Return what is done on a branch."""
    if chance.random() < 0.5:
        return _comment(chance, "drivers/vhost/vhost.h")
    number = chance.randrange(10**6)

    def edit(files: Files) -> str:
        files[MIRRED] = (
            f"/* Remark {number}. */\n{'' if ASIDE in files[MIRRED] else ASIDE}{files[MIRRED]}"
        )
        return f"{MIRRED}: remark {number} on a branch"

    return edit


def _message(chance: random.Random) -> Edit:
    number = chance.randrange(10**6)

    def edit(files: Files) -> str:
        text = files[MIRRED]
        at = text.index(MESSAGE)
        end = text.index('"', at)
        files[MIRRED] = f"{text[:at]}{MESSAGE} ({number}){text[end:]}"
        return f"act_mirred: say it in other words ({number})"

    return edit


def _slower(nops: int, number: int, repository: Repository) -> Edit:
    subject = f"act_mirred: be thorough ({number})"
    repository.culprits[subject] = nops

    def edit(files: Files) -> str:
        added = f'\tasm volatile(".rept {nops}; nop; .endr");\n'
        files[MIRRED] = files[MIRRED].replace(SLOWED, f"{added}{SLOWED}")
        return subject

    return edit


def _uncounted(repository: Repository) -> Edit:
    subject = "act_mirred: count what matters"
    repository.culprits[subject] = 0

    def edit(files: Files) -> str:
        text = files[MIRRED].replace(SLOWED, f"\tif (skb->len % 4)\n\t{SLOWED}")
        files[MIRRED] = text
        return subject

    return edit


def _breaks(number: int) -> Edit:
    def edit(files: Files) -> str:
        files[MIRRED] += f"#error not finished yet {number}\n"
        return f"act_mirred: begin part {number}"

    return edit


def _mends(number: int) -> Edit:
    def edit(files: Files) -> str:
        files[MIRRED] = files[MIRRED].replace(f"#error not finished yet {number}\n", "")
        return f"act_mirred: finish part {number}"

    return edit


def _panics(files: Files) -> str:
    files[MIRRED] = files[MIRRED].replace(LOADED, f'{LOADED}\tpanic("lost");\n')
    return "act_mirred: be careful"


def _calms(files: Files) -> str:
    files[MIRRED] = files[MIRRED].replace('\tpanic("lost");\n', "")
    return "act_mirred: be less careful"
