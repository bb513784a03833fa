"""The page of one drill: a single HTML file that needs nothing else, no script and no network.

Owns the order and the words of the page; what is drawn is plot.py's, what is true is report.py's. Every text that comes
from rules, scenarios or requests is escaped where it becomes markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from sidecar import __version__
from sidecar.drill.advice import Advice
from sidecar.drill.causes import CLASSES
from sidecar.drill.figures import faults
from sidecar.drill.plot import Shade, plotted
from sidecar.drill.record import Record
from sidecar.drill.report import Report, span_text, wait_text
from sidecar.drill.timeline import panels

_TONES = {"unavoidable": "note", "price": "warn", "avoidable": "bad"}
_TITLES = {"unavoidable": "Unavoidable", "price": "Price of a rule", "avoidable": "Avoidable"}
_WORDS = {
    "unavoidable": "no rule could have saved them",
    "price": "a rule stood in the way by its own setting",
    "avoidable": "no rule explains them: a fault of Sidecar's, please report it",
}


def page(report: Report, command: str, advice: Sequence[Advice] = ()) -> str:
    """The whole file. `command` repeats the drill; `advice` is what would have done better, tried."""
    record = report.record
    name = escape(record.scenario.name)
    sections = [
        _verdict(report),
        _tiles(report),
        _timeline(report),
        _clients(report),
        _advice(advice),
        '<div class="columns">' + _backend(record) + _phases(report) + "</div>",
        _parts(report),
        _notes(record, command),
    ]
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{name} - drill - Sidecar</title>",
            f"<style>\n{_file('page.css')}</style>\n</head>\n<body>",
            f"<header><h1>{_file('mark.svg').strip()} Drill: {name}</h1>",
            f"<p>{escape(record.scenario.about)}</p></header>",
            "<main>",
            *sections,
            "</main>\n</body>\n</html>\n",
        ]
    )


def _file(name: str) -> str:
    return files("sidecar.drill").joinpath(name).read_text("utf-8")


def _verdict(report: Report) -> str:
    tone = "bad" if not report.met or report.verdict.count("avoidable") else "good"
    if tone == "good" and report.verdict.count("price"):
        tone = "warn"
    lines = []
    for one in report.expectations:
        word = ("good", "met") if one.met else ("bad", "not met")
        told = f"{escape(one.name)} is {escape(one.found)}, expected at most {escape(one.limit)}"
        lines.append(f'<li class="{word[0]}"><b>{word[1]}</b><span>{told}</span></li>')
    return f'<section class="verdict {tone}"><p>{escape(report.sentence)}</p><ul>{"".join(lines)}</ul></section>'


def _tiles(report: Report) -> str:
    every, failed = len(report.record.requests), report.verdict.errors
    tiles = [
        ("Requests", f"{every:,}", f"{every - failed:,} answered", ""),
        ("Saved by rules", f"{report.saved:,}", "answered after another attempt", "good" if report.saved else ""),
    ]
    for kind in CLASSES:
        count = report.verdict.count(kind)
        under = f"{100 * count / max(1, every):.2g} % of all" if count else "none"
        tiles.append((_TITLES[kind], f"{count:,}", under, _TONES[kind] if count and kind != "unavoidable" else ""))
    tiles += [
        ("Attempts a request", f"{report.amplification:.2f}", "as the backend saw them", ""),
        ("p99 of those answered", wait_text(report.wait(0.99)), f"p50 {wait_text(report.wait(0.5))}", ""),
    ]
    tiles += [_recovered(report)] if report.recoveries else []
    shown = "".join(
        f'<div class="{tone}"><dt>{title}</dt><dd>{escape(value)}<small>{escape(under)}</small></dd></div>'
        for title, value, under, tone in tiles
    )
    return f'<section class="tiles" aria-label="Figures"><dl>{shown}</dl></section>'


def _recovered(report: Report) -> tuple[str, str, str, str]:
    slowest = max(report.recoveries, key=lambda one: float("inf") if one.seconds is None else one.seconds)
    under = f"after {slowest.name} was over"
    if slowest.seconds is None:
        return ("Time to recover", "never", under, "bad")
    return ("Time to recover", wait_text(slowest.seconds) if slowest.seconds else "0 s", under, "")


def _timeline(report: Report) -> str:
    shades = [
        Shade(at, min(until, report.time.seconds), f"{word}, {span_text(at)} to {span_text(until)}")
        for word, at, until in faults(report.record)
    ]
    words = dict.fromkeys(word for word, _, _ in faults(report.record))
    legend = "".join(f"<li>{escape(word)}</li>" for word in words)
    drawn = plotted(panels(report), report.time.seconds, shades)
    return f'<section><h2>Timeline</h2><ul class="faults">{legend}</ul>{drawn}</section>'


def _clients(report: Report) -> str:
    rows = []
    for group in report.verdict.groups:
        cause = group.cause
        setting = ""
        if cause.setting is not None:
            setting = (
                f'<span class="key">{escape(cause.setting.key)}: {escape(cause.setting.value)}</span> '
                f'<span class="from">{escape(cause.setting.origin)}</span><br>'
            )
        told = escape(cause.sentence)
        rows.append(
            [
                ("", cause.kind, _TONES[cause.kind]),
                ("Requests", f"{group.count:,}", "num"),
                ("", setting + told, ""),
                ("When", f"{group.first:.1f} s to {group.last:.1f} s", "num"),
            ]
        )
    every, failed = len(report.record.requests), report.verdict.errors
    shares = f"<p>{every - failed:,} of {every:,} got what they asked for.</p>"
    if not rows:
        return f"<section><h2>What clients saw</h2>{shares}</section>"
    legend = "".join(
        f'<span class="muted">{kind}: {escape(_WORDS[kind])}. </span>' for kind in CLASSES if report.verdict.count(kind)
    )
    table = _table(("Class", ">Errors", "Cause", ">When"), rows)
    return f"<section><h2>What clients saw</h2>{shares}<p>{legend}</p>{table}</section>"


def _backend(record: Record) -> str:
    rows = [
        [
            ("", f'<span class="key">{escape(one.name)}</span>', ""),
            ("Requests", f"{one.requests:,}", "num"),
            ("Aborted", f"{one.aborted:,}", "num"),
            ("Connections", f"{one.connections:,}", "num"),
            ("Refused", f"{one.refused:,}", "num"),
            ("At once", f"{one.most:,}", "num"),
        ]
        for one in record.endpoints
    ]
    head = ("Endpoint", ">Requests", ">Aborted", ">Connections", ">Refused", ">At once")
    return f"<section><h2>What the backend saw</h2>{_table(head, rows)}</section>"


def _phases(report: Report) -> str:
    rows = [
        [
            ("", f'{escape(one.name)} <span class="from">from {span_text(one.begun)}</span>', ""),
            ("Requests", f"{one.requests:,}", "num"),
            ("Failed", f"{one.failed:,}", "num"),
            ("p50", wait_text(one.p50), "num"),
            ("p99", wait_text(one.p99), "num"),
        ]
        for one in report.phases
    ]
    table = _table(("Phase", ">Requests", ">Failed", ">p50", ">p99"), rows)
    return f"<section><h2>Before, during, after</h2>{table}</section>"


def _parts(report: Report) -> str:
    rows = [
        [
            ("", f'{escape(one.policy)} <span class="from">{escape(one.owner)}</span>', ""),
            ("", escape(one.did), ""),
            ("Saved", f"{one.saved:,}" if one.saved else "-", "num"),
            ("Cost", f"{one.cost:,}" if one.cost else "-", "num"),
            (
                "",
                f'<span class="key">{escape(one.setting.key.split(".", 2)[-1])}: {escape(one.setting.value)}</span> '
                f'<span class="from">{escape(one.setting.origin)}</span>',
                "",
            ),
        ]
        for one in report.parts
    ]
    return (
        f"<section><h2>What each policy did</h2>{_table(('Policy', 'Did', '>Saved', '>Cost', 'Value'), rows)}</section>"
    )


def _advice(advice: Sequence[Advice]) -> str:
    if not advice:
        return ""
    items = "".join(
        f"<li><p>{escape(one.sentence)}</p><pre>{escape(chr(10).join(f'--set {word}' for word in one.sets))}</pre></li>"
        for one in advice
    )
    return f'<section class="advice"><h2>What would have done better</h2><ul>{items}</ul></section>'


def _notes(record: Record, command: str) -> str:
    notes = "".join(f"<li>{escape(one)}</li>" for one in record.notes)
    time = "real time" if record.real else "virtual time"
    load = record.scenario.load
    told = (
        f"Sidecar {__version__}, {time}, seed {record.seed}, {span_text(record.scenario.duration)} at {load.rate:g}/s."
    )
    return (
        f'<section><h2>To repeat it</h2><pre class="command">{escape(command)}</pre>'
        f'<ul class="notes muted"><li>{escape(told)}</li>{notes}</ul></section>'
    )


def _table(head: Iterable[str], rows: Iterable[Sequence[tuple[str, str, str]]]) -> str:
    """A table whose cells are markup already; on a phone each row is a card, with the labels of its figures."""
    titles = "".join(
        f'<th scope="col" class="num">{one[1:]}</th>' if one.startswith(">") else f'<th scope="col">{one}</th>'
        for one in head
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}"
            f"{f' data-label={chr(34)}{label}{chr(34)}' if label else ''}>{cell}</td>"
            for label, cell, kind in row
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table class="cards"><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'
