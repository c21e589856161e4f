# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as one check of a patch, the body that patchwork's REST API takes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.measure.verdict import SEVERITY, Verdict
from ksuite.report.cases import cases, counted, failed, one_line, run_verdict, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.measure.result import CheckResult

OUTWARD = {
    Verdict.PASS: "success",
    Verdict.IMPROVED: "success",
    Verdict.FLAKY: "warning",
    Verdict.FAIL: "fail",
    Verdict.REGRESSION: "fail",
    Verdict.ERROR: "warning",
    Verdict.INCOMPARABLE: "warning",
    Verdict.SKIP: "warning",
}
"""Our own trouble is none of the patch's, and no success."""
MOST_DESCRIPTION = 255
MOST_CONTEXT = 100
MOST_URL = 200
_CONTEXT = re.compile("[-A-Za-z0-9_]+")
_URL = re.compile(r"https?://[!-~]+")


def render(results: Sequence[CheckResult], url: str = "", context: str = "") -> str:
    """Return the check: of several results, the worst.

    :param url: where all of it can be read.
    :param context: what tells this check from others of the patch; by default kernel and clock.
    :raises UserError: patchwork would refuse one of these.
    """
    if context and not (_CONTEXT.fullmatch(context) and len(context) <= MOST_CONTEXT):
        raise UserError(f"{context!r:.60} is no context: it is of letters, digits, - and _")
    if url and not (_URL.fullmatch(url) and len(url) <= MOST_URL):
        raise UserError(f"{url!r:.60} is no URL that patchwork takes")
    check = {
        "state": OUTWARD[worst(results)],
        "context": context or _context(results),
        "description": _description(results),
    }
    check |= {"target_url": url} if url else {}
    return f"{json.dumps(check, indent=1)}\n"


def _context(results: Sequence[CheckResult]) -> str:
    judged = {(one.subject.kernel, one.subject.clock) for one in results if one.subject}
    words = ["ksuite", *(judged.pop() if len(judged) == 1 else ())]
    return re.sub("[^-A-Za-z0-9_]+", "-", "-".join(words))[:MOST_CONTEXT]


def _description(results: Sequence[CheckResult]) -> str:
    """Return the worst run's verdict, what failed first there, and how the others fared."""
    shown = min(results, key=lambda one: SEVERITY.index(worst([one])))
    told = cases(shown)
    words = str(run_verdict(shown))
    if bad := failed(told):
        first = bad[0]
        words += f": {first.name}: {first.told or first.why}"
    of = f"one of {len(results)} runs: " if len(results) > 1 else ""
    counts = f" ({of}{one_line(counted(told), MOST_DESCRIPTION // 2)})"
    return f"{one_line(words, MOST_DESCRIPTION - len(counts))}{counts}"
