"""The page of a training run: its pictures along time, its curves, what was found, its settings, what to type next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from imgcycle.report.chart import Curve, chart
from imgcycle.report.page import PagePicture, choice, divided_view, page_end, page_head

_STATES = {"running": "Training", "finished": "Finished", "stopped": "Stopped"}


@dataclass(frozen=True)
class TimedPicture:
    """One picture and what became of it at each moment of a run.

    `after` holds a row for each kind of result (its name, a picture or None for each moment of the page), `fixed` what
    is the same at all moments, by name.
    """

    title: str
    before: PagePicture
    after: tuple[tuple[str, tuple[PagePicture | None, ...]], ...]
    fixed: tuple[tuple[str, PagePicture], ...] = ()


@dataclass(frozen=True)
class Finding:
    """A finding at a step, and advice."""

    step: int
    text: str
    advice: str = ""


@dataclass(frozen=True)
class RunView:
    """All that the page of a run says; texts are plain.

    `moments` are the steps of the pictures, in order. `pictures` and `curves` come in groups with a heading each,
    `settings` as rows of name and value, `commands` as what for and what to type.
    """

    title: str
    state: Literal["running", "finished", "stopped"]
    step: int
    steps: int
    lines: tuple[str, ...] = ()
    moments: tuple[int, ...] = ()
    pictures: tuple[tuple[str, tuple[TimedPicture, ...]], ...] = ()
    curves: tuple[tuple[str, tuple[Curve, ...]], ...] = ()
    findings: tuple[Finding, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    commands: tuple[tuple[str, str], ...] = ()


def run_page(view: RunView) -> str:
    """The whole page, HTML."""
    sections = (_pictures(view), _findings(view), _curves(view), _commands(view), _settings(view))
    head = page_head(f"{view.title} · {_progress(view)}", ("page", "divider", "run"), ("divider", "run"))
    return f"{head}{_header(view)}<main>\n{''.join(sections)}</main>\n{page_end(view.lines)}"


def _progress(view: RunView) -> str:
    return f"step {view.step:,} of {view.steps:,}"


def _header(view: RunView) -> str:
    share = 100 * view.step / max(1, view.steps)
    return f"""<header data-state="{view.state}">
<h1>{escape(view.title)}</h1>
<p><b>{_STATES[view.state]}</b> · {_progress(view)} · {share:.0f} %</p>
<div class="bar" role="progressbar" aria-label="Steps done" aria-valuemin="0" aria-valuemax="{view.steps}" \
aria-valuenow="{view.step}"><span style="width: {share:.2f}%"></span></div>
{_following(view)}</header>
"""


def _following(view: RunView) -> str:
    if view.state != "running":
        return ""
    box = '<input type="checkbox" id="follow" checked autocomplete="off">'
    return f'<p class="hint"><label>{box} Keep up with the run, every half minute</label></p>\n'


def _pictures(view: RunView) -> str:
    if not view.moments:
        return '<section><h2>Samples</h2><p class="faint">The first samples are yet to come.</p></section>\n'
    newest = len(view.moments) - 1
    said = escape(json.dumps(view.moments))
    count = 0
    groups = []
    for heading, pictures in view.pictures:
        figures = []
        for picture in pictures:
            count += 1
            figures.append(_timed(picture, view.moments, count))
        groups.append(f'<h3>{escape(heading)}</h3>\n<div class="pictures">\n{"".join(figures)}</div>\n')
    return f"""<section class="samples" data-moments="{said}">
<h2>Samples along time</h2>
<div class="time">
<button type="button" id="play" aria-pressed="false">Play</button>
<label for="time">Step</label>
<input type="range" id="time" min="0" max="{newest}" step="1" value="{newest}" autocomplete="off" \
aria-valuetext="step {view.moments[-1]:,}">
<output for="time">{view.moments[-1]:,}</output>
</div>
<p class="hint faint">Drag across a picture to compare it with its source<span class="keys">; comma and full stop go \
back and forth in time, n and p from picture to picture</span>.</p>
{"".join(groups)}</section>
"""


def _timed(picture: TimedPicture, moments: Sequence[int], number: int) -> str:
    name = escape(picture.title)
    kinds = [escape(kind) for kind, _ in (*picture.after, *picture.fixed)]
    images = []
    newest = len(moments) - 1
    for kind, (word, row) in enumerate(picture.after):
        for moment, made in enumerate(row):
            if made is not None:
                alt = f"{name}, {escape(word.lower())} at step {moments[moment]:,}"
                hidden = kind > 0 or moment != newest
                images.append(made.tag("after", alt, hidden, f' data-kind="{kind}" data-moment="{moment}"'))
    for kind, (word, made) in enumerate(picture.fixed, len(picture.after)):
        more = f' data-kind="{kind}"'
        images.append(made.tag("after", f"{name}, {escape(word.lower())}", hidden=True, more=more))
    before = picture.before.tag("before", f"{name}, before")
    chosen = choice("Shown", kinds, f"kind-{number}", "kinds")
    return f"""<figure class="timed" style="--ratio: {picture.before.width / picture.before.height:.4f}">
{divided_view(before, "".join(images), name, kinds[0])}\
<figcaption><span>{name}</span>{chosen}</figcaption>
</figure>
"""


def _findings(view: RunView) -> str:
    if not view.findings:
        return '<section><h2>Diagnosis</h2><p class="faint">Nothing looks wrong so far.</p></section>\n'
    items = "".join(
        f"<li><b>Step {found.step:,}</b>: {escape(found.text)}."
        + (f' <span class="faint">What helps: {escape(found.advice)}.</span>' if found.advice else "")
        + "</li>\n"
        for found in view.findings
    )
    return f'<section><h2>Diagnosis</h2>\n<ul class="findings">\n{items}</ul></section>\n'


def _curves(view: RunView) -> str:
    groups = []
    for heading, curves in view.curves:
        drawn = "".join(chart(curve, view.step) for curve in curves)
        if drawn:
            groups.append(f'<h3>{escape(heading)}</h3>\n<div class="charts">\n{drawn}</div>\n')
    return f'<section class="curves"><h2>Curves</h2>\n{"".join(groups)}</section>\n' if groups else ""


def _commands(view: RunView) -> str:
    rows = "".join(f"<dt>{escape(what)}</dt><dd><code>{escape(typed)}</code></dd>\n" for what, typed in view.commands)
    return f'<section><h2>What to type</h2>\n<dl class="commands">\n{rows}</dl></section>\n' if rows else ""


def _settings(view: RunView) -> str:
    if not view.settings:
        return ""
    changed = _table(view.changed) if view.changed else '<p class="faint">All as the method has them.</p>'
    return f"""<section><h2>Settings</h2>
{changed}<details><summary>All settings</summary>
{_table(view.settings)}</details></section>
"""


def _table(rows: Sequence[tuple[str, str]]) -> str:
    lines = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>\n' for name, value in rows)
    return f"<table>\n{lines}</table>\n"
