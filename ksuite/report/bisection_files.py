# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that a bisection leaves behind: JSON, Markdown, a picture, and a log for git."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.measure.finding import Outcome
from ksuite.report import bisection, curve, git_bisect
from ksuite.report.whole_file import remove_file, write_json, write_text

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.measure.finding import Finding

JSON, MARKDOWN, PICTURE, LOG = "bisect.json", "bisect.md", "bisect.svg", "bisect.log"


def remove(directory: Path) -> None:
    """Remove what an earlier bisection left: it would be taken for what the next one finds.

    :raises InfrastructureError: it can't be removed.
    """
    for name in (JSON, MARKDOWN, PICTURE, LOG):
        remove_file(directory / name)


def write(finding: Finding, directory: Path) -> None:
    """Write what a bisection came to; without a cost there is no picture, of a series no log.

    :raises InfrastructureError: it can't be written.
    """
    write_json(bisection.as_plain(finding), directory / JSON)
    picture = curve.as_svg(finding)
    if picture:
        write_text(picture, directory / PICTURE)
    write_text(bisection.as_markdown(finding, PICTURE if picture else ""), directory / MARKDOWN)
    if finding.outcome is not Outcome.SERIES:
        first = finding.steps[0].revision if finding.outcome is Outcome.CULPRIT else ""
        ends = finding.good.revision, finding.bad.revision
        empty = finding.outcome in {Outcome.NONE, Outcome.DRIFT}
        remark = bisection.WORDS[finding.outcome] if empty else ""
        log = git_bisect.as_log(*ends, finding.told, finding.subjects, first, remark)
        write_text(log, directory / LOG)
