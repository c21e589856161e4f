# SPDX-License-Identifier: GPL-2.0-or-later
"""How a page looks: on a wide screen, on a phone, in the dark and on paper."""

from __future__ import annotations

COLOURS = """
:root {
  color-scheme: light dark;
  --ground: #fff; --raised: #f6f7f8; --ink: #1c2126; --soft: #5a646e; --line: #dfe3e7;
  --bad: #b42318; --good: #17703a; --unsure: #8a5800; --ours: #86389a; --left: #5a646e;
  --base: #6b7680; --band: #e3e8ee; --on-tone: #fff;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --raised: #1c2024; --ink: #e4e7ea; --soft: #9ba6b0; --line: #31373d;
    --bad: #ff8f85; --good: #6ed493; --unsure: #eeb65a; --ours: #dd9fee; --left: #9ba6b0;
    --base: #95a0aa; --band: #2a3138; --on-tone: #14171a;
  }
}
"""

TEXT = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 0 1.25rem 3rem; max-width: 72rem;
  background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: anywhere; font-variant-numeric: tabular-nums;
}
h1, h2, h3 { line-height: 1.25; text-wrap: balance; }
h1 { margin: .25rem 0 .75rem; font-size: 1.6rem; font-weight: 650; letter-spacing: -.01em; }
h2 { margin: 2.75rem 0 .75rem; font-size: 1.2rem; font-weight: 650; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; font-weight: 650; }
p { margin: .5rem 0; max-width: 46rem; text-wrap: pretty; }
b { font-weight: 600; }
small { font-size: .8125rem; color: var(--soft); }
.soft { color: var(--soft); font-size: .9rem; }
.tight { margin: .75rem 0 .25rem; }
.beside { display: inline-block; margin-left: .5rem; font-weight: 400; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { font-size: .875em; }
code, th, td, b, h1 span { unicode-bidi: isolate; }
pre {
  margin: .25rem 0 .75rem; padding: .7rem .9rem; max-height: 32rem; overflow: auto;
  background: var(--raised); border-radius: 6px;
  font-size: .8rem; line-height: 1.45; white-space: pre-wrap;
}
pre.command { border: 1px solid var(--line); background: none; max-width: 60rem; }
pre.command code { font-size: 1em; }
pre.command code::before { content: "$ "; color: var(--soft); user-select: none; }
.cut { color: var(--soft); font-style: italic; }
a { color: inherit; text-decoration-color: var(--base); text-underline-offset: .2em; }
ul { margin: .5rem 0; padding-left: 1.25rem; }
:focus-visible { outline: 2px solid var(--base); outline-offset: 2px; }
"""

HEADER = """
header { margin-top: 1.5rem; padding: 1.25rem 0 1rem; border-top: 6px solid var(--tone); }
header.good { --tone: var(--good); } header.bad { --tone: var(--bad); }
header.unsure { --tone: var(--unsure); } header.ours { --tone: var(--ours); }
header.left { --tone: var(--left); }
.about { margin: 0; color: var(--soft); font-size: .875rem; }
.first { font-size: 1.1rem; margin: 0 0 .75rem; }
.verdict { font-size: .8125rem; font-weight: 650; letter-spacing: .02em; white-space: nowrap; }
.verdict.good { color: var(--good); } .verdict.bad { color: var(--bad); }
.verdict.unsure { color: var(--unsure); } .verdict.ours { color: var(--ours); }
.verdict.left { color: var(--left); font-weight: 500; }
h1 .verdict.verdict {
  display: inline-block; margin-right: .4rem; padding: .15em .6em; border-radius: 6px;
  background: var(--tone); color: var(--on-tone); font-size: .8em; letter-spacing: .03em;
  vertical-align: .1em; print-color-adjust: exact; -webkit-print-color-adjust: exact;
}
.counts {
  display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: 1rem 0 0; padding: 0;
  list-style: none; font-size: .9rem;
}
nav {
  display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: .6rem 0;
  border: solid var(--line); border-width: 1px 0; font-size: .9rem;
}
footer {
  margin-top: 3rem; padding-top: .75rem; border-top: 1px solid var(--line);
  color: var(--soft); font-size: .8125rem;
}
"""

PARTS = """
details { border-bottom: 1px solid var(--line); padding: .15rem 0; }
summary { padding: .45rem 0; cursor: pointer; }
summary .verdict { margin-right: .6rem; }
summary small { margin-left: .5rem; }
.scroll {
  position: relative; overflow-x: auto; max-width: 100%;
  /* A shadow says that there is more; the cover over it goes where the table ends. */
  background:
    linear-gradient(to left, var(--ground) 1rem, transparent) right / 2rem 100% no-repeat local,
    linear-gradient(to left, var(--line), transparent) right / .8rem 100% no-repeat scroll;
}
table { border-collapse: collapse; width: 100%; font-size: .9rem; line-height: 1.35; }
caption {
  position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap;
}
th, td {
  padding: .4rem .9rem .4rem 0; text-align: left; vertical-align: baseline;
  border-bottom: 1px solid var(--line); font-weight: 400; white-space: nowrap;
}
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-size: .8125rem; }
tbody th, .words { white-space: normal; min-width: 8.5rem; }
.figure { text-align: right; }
td small, td .one, th small:not(.beside) { display: block; }
.costs td { vertical-align: middle; } .costs tbody th { vertical-align: middle; min-width: 9rem; }
details > .scroll:last-child tbody:last-child tr:last-child > * { border-bottom: 0; }
td.picture { padding-top: .2rem; padding-bottom: .2rem; }
.has-why th, .has-why td { border-bottom: 0; }
.why td { padding: 0 0 .5rem; white-space: normal; }
.reason {
  position: sticky; left: 0; width: fit-content; max-width: min(46rem, calc(100vw - 2.5rem));
  color: var(--soft); font-size: .85rem;
}
.sum th, .sum td { color: var(--soft); }
.group th, .group td { padding-top: 1rem; font-weight: 600; }
.checks th.inner { padding-left: 1.25rem; }
dl { margin: 0; }
dl div { display: grid; grid-template-columns: 11rem 1fr; gap: 0 1rem; padding: .2rem 0; }
dt { color: var(--soft); }
dd { margin: 0; }
.packages { columns: 16rem; padding: 0; list-style: none; font-size: .85rem; }
"""

PICTURES = """
svg { display: block; max-width: 100%; height: auto; }
svg.patterns { position: absolute; }
svg.strip, svg.share { max-width: none; }
svg text { fill: var(--soft); font-size: 9.5px; }
svg .said { fill: var(--unsure); font-size: 11px; }
.ground { fill: var(--ground); }
.band { fill: var(--band); }
.axis { stroke: var(--line); }
.zero { stroke: var(--base); stroke-dasharray: 2 2; }
.step { stroke-width: 2; stroke-opacity: .45; stroke: var(--ink); }
.step.bad { stroke: var(--bad); } .step.good { stroke: var(--good); }
.step.unsure { stroke: var(--unsure); }
.outline { stroke: var(--unsure); stroke-opacity: .5; }
.hatching { stroke: var(--unsure); stroke-opacity: .45; }
.hollow { fill: var(--ground); stroke: var(--base); stroke-width: 1.5; }
.whisker { fill: none; stroke-width: 1.5; stroke: var(--ink); }
.whisker.base { stroke: var(--base); }
.whisker.bad { stroke: var(--bad); } .whisker.good { stroke: var(--good); }
.whisker.unsure { stroke: var(--unsure); }
.mark.plain { fill: var(--ink); } .mark.unsure { fill: var(--unsure); }
.mark.bad, .bar.bad { fill: var(--bad); } .mark.good, .bar.good { fill: var(--good); }
.bases { stroke: var(--base); stroke-width: 1.5; fill: none; }
.joined { stroke: var(--ink); stroke-opacity: .55; stroke-width: 1.5; fill: none; }
svg * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.charts {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr));
  gap: 1.5rem 2rem; margin: 1rem 0;
}
figure { margin: 0; min-width: 0; break-inside: avoid; }
figcaption { margin-bottom: .25rem; line-height: 1.35; }
figcaption span { display: block; } figcaption .verdict { display: inline; margin-left: .3rem; }
figcaption .named { font-size: .95rem; }
figure svg { width: 100%; }
.legend span { display: inline-block; margin-right: 1rem; white-space: nowrap; }
.key {
  display: inline-block; width: .7em; height: .7em; margin-right: .4em; border-radius: 50%;
  print-color-adjust: exact; -webkit-print-color-adjust: exact;
}
.key.hollow { border: 2px solid var(--base); } .key.plain { background: var(--ink); }
.key.slower { background: var(--bad); clip-path: polygon(0 0, 100% 50%, 0 100%); }
.key.faster { background: var(--good); clip-path: polygon(100% 0, 0 50%, 100% 100%); }
.key.slower, .key.faster, .key.within, .key.hatched { border-radius: 0; }
.key.within { background: var(--band); width: 1.2em; }
.key.hatched {
  width: 1.2em; border: 1px solid var(--unsure);
  background: repeating-linear-gradient(135deg, var(--unsure) 0 1px, transparent 1px 4px);
}
"""

NARROW = """
@media (max-width: 40rem) {
  body { padding: 0 1rem 2rem; }
  header { margin-top: 0; padding-top: 1rem; }
  h1 { font-size: 1.3rem; }
  h1 .verdict.verdict { display: table; margin: 0 0 .5rem; }
  h2 { margin-top: 2.25rem; }
  th .beside { margin-left: 0; margin-right: .5rem; }
  dl div { display: block; padding: .3rem 0; }
  dt { font-size: .8125rem; }
  .legend span { white-space: normal; }
  .costs th:first-child {
    position: sticky; left: 0; z-index: 1; max-width: 9.5rem; background: var(--ground);
  }
}
"""

PAPER = """
@media print {
  @page { margin: 15mm; }
  html { font-size: 8.5pt; }
  body { max-width: none; padding: 0; overflow-wrap: break-word; }
  header { margin-top: 0; }
  nav { display: none; }
  details::details-content { display: block; content-visibility: visible; block-size: auto; }
  summary { list-style: none; }
  pre { max-height: none; overflow: visible; border: 1px solid var(--line); }
  .scroll { overflow: visible; background: none; }
  th, td { padding-right: .5rem; white-space: normal; }
  svg.strip { width: 120px; }
  .figure, .verdict { white-space: nowrap; }
  tr, summary { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
  thead { display: table-header-group; }
  .charts { grid-template-columns: 1fr 1fr; }
}
"""

STYLE = f"{COLOURS}{TEXT}{HEADER}{PARTS}{PICTURES}{NARROW}{PAPER}"
"""All of it; none of its fonts is fetched."""
