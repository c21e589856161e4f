# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page says of the surroundings: all that somebody needs to see the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.measure.cost import shown
from ksuite.report.html_element import clip, element
from ksuite.report.html_history import began
from ksuite.report.html_parts import section, several, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ksuite.measure.cost import Fingerprint
    from ksuite.measure.result import CheckResult, Subject
    from ksuite.report.html_element import Markup

FACTS = {
    "kernel_config": "kernel's .config",
    "compiler": "compiler",
    "cpu_model": "CPU",
    "vcpus": "vCPUs",
    "memory_mib": "memory, MiB",
    "qemu": "QEMU's major version",
    "root": "root or image",
    "host": "host",
}
"""What of a fingerprint no other line tells, and what it is called."""
MOST = 400
"""Packages, files or modules that are listed."""
VALUE_SHOWN = 200


def environment(result: CheckResult) -> Markup:
    """Return the section of what was judged on what."""
    subject = result.subject
    facts = [("began", began(result.started)), ("took", f"{result.seconds:,.0f} s")]
    facts += [("ksuite", result.ksuite), *(_subject(subject) if subject else ())]
    facts += _fingerprints(result)
    rows = [
        element("div", element("dt", name), element("dd", clip(value, VALUE_SHOWN)))
        for name, value in facts
        if value
    ]
    return section(
        "environment",
        "Environment",
        element("dl", *rows),
        _modules(subject) if subject else None,
        _not_exercised(subject) if subject else None,
        _packages(subject) if subject else None,
    )


def _subject(subject: Subject) -> list[tuple[str, str]]:
    return [
        ("series", subject.series),
        ("its SHA-256", subject.series_digest),
        ("built", subject.built),
        ("object code", "the same on base and candidate" if subject.identical else ""),
        ("kernel", f"{subject.kernel} ({subject.kernel_version})"),
        ("machine", subject.machine),
        ("clock", subject.clock),
        ("guest's code", subject.guest_code),
    ]


def _fingerprints(result: CheckResult) -> list[tuple[str, str]]:
    """Return what costs were measured with, each value once."""
    prints: dict[Fingerprint, None] = {}
    for named in result.comparisons:
        prints[named.comparison.candidate.fingerprint] = None
    prints.update({one.cost.fingerprint: None for one in result.measured})
    return [(called, _values(prints, name)) for name, called in FACTS.items()]


def _values(prints: Iterable[Fingerprint], name: str) -> str:
    values = dict.fromkeys(shown(getattr(one, name)) for one in prints)
    return ", ".join(value for value in values if value)


def _modules(subject: Subject) -> Markup | None:
    rows = []
    for variant, modules in subject.modules.items():
        for module in modules[:MOST]:
            name, _, build = module.partition(" ")
            cells = (element("td", clip(name)), element("td", element("code", clip(build))))
            rows.append(element("tr", element("th", clip(variant), scope="row"), *cells))
    if not rows:
        return None
    title = element("h3", "Modules")
    return element("div", title, table(("of the", "module", "build id"), rows, "Modules"))


def _not_exercised(subject: Subject) -> Markup | None:
    if not subject.not_exercised:
        return None
    files = [element("li", element("code", clip(name))) for name in subject.not_exercised[:MOST]]
    title = element("h3", "Changed, and not exercised by any check")
    left = len(subject.not_exercised) - MOST
    more = element("li", several(left, "more file"), " in the JSON") if left > 0 else None
    return element("div", title, element("ul", *files, more))


def _packages(subject: Subject) -> Markup | None:
    if not subject.packages:
        return None
    every = list(subject.packages.items())
    words = [
        element("li", clip(name), " ", element("span", clip(version), class_="soft"))
        for name, version in every[:MOST]
    ]
    left = len(every) - MOST
    more = element("li", several(left, "more package"), " in the JSON") if left > 0 else None
    summary = element("summary", "Packages of the image", element("small", str(len(every))))
    return element("details", summary, element("ul", *words, more, class_="packages"))
