"""The agent's pages, rendered as HTML on the server, and their static files. Scripts fetch the same HTML again after a change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from watcher import __version__
from watcher.agent.page.details import faults_shown, log_shown, settings_shown
from watcher.agent.page.log_choice import log_choice_of
from watcher.agent.page.model import overall, summary, watcher_view
from watcher.agent.page.route import activity, position_at, way_of_changes
from watcher.agent.page.row_choice import RowChoice, choice_of, headings
from watcher.agent.page.single import find_message, message_view
from watcher.agent.page.spark import SPARK_MINUTES, SPARK_STEPS, spark_top
from watcher.agent.page.strip import strip
from watcher.agent.page.words import age_in_words, capitalize_first, count_in_words, rate_in_words
from watcher.agent.view.fleet_view import FleetView, view_of
from watcher.fleet.status import WITH_OLD_SETTINGS
from watcher.fleet.survey import Survey
from watcher.log import iso
from watcher.operations import OPERATIONS
from watcher.terminal.durations import seconds_in_words
from watcher.terminal.message_text import printable

PAGE_DIR = Path(__file__).parent
LOG_LINES = 100
LOG_LEVELS = {
    "debug": "all",
    "info": "info and above",
    "warning": "warning and above",
    "error": "error and above",
    "critical": "critical",
}
"""The levels to choose from, in words."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

CHARTS = (
    ("operations", "Events", "per second"),
    ("lagSeconds", "Lag", ""),
    ("headroomSeconds", "Headroom", ""),
    ("batchSize", "Batch size", "messages"),
    ("commitSeconds", "Commit time", "milliseconds"),
    ("rssBytes", "Memory (RSS)", "MB"),
)
"""The charts of a watcher: key, title and unit. `charts.js` draws each from the history of its key."""


def fleet(request: Request) -> Response:
    """Answer `GET /?state=STATE&q=TEXT&sort=COLUMN` with a row for each watcher, or for those that are asked for."""
    view, choice = view_of(request), choice_of(request.query_params)
    survey, doubt = view.survey, view.doubt
    return _answer(view.pages.get(survey, (choice, doubt), lambda: _fleet(view, survey, choice, doubt)))


def _fleet(view: FleetView, survey: Survey, choice: RowChoice, doubt: str) -> bytes:
    courses = [view.history.rates(row.name, SPARK_STEPS) for row in survey.rows]
    top = spark_top(courses)
    watchers = [watcher_view(row, survey.at, rates, top) for row, rates in zip(survey.rows, courses, strict=True)]
    return _page(
        "fleet.html",
        view,
        at=survey.at,
        choice=choice,
        strip=strip(watchers, choice),
        headings=headings(choice),
        spark_minutes=SPARK_MINUTES,
        spark_top=top,
        fleet_size=len(watchers),
        watchers=choice.of(watchers),
        level=overall(survey, watchers),
        summary=summary(survey, watchers),
        conf_dir=view.deployment.conf_dir,
        doubt=doubt or survey.unwritable,
    )


def watcher(request: Request) -> Response:
    """Answer `GET /watchers/{name}?level=LEVEL&search=TEXT&status=1` with the page of one watcher, and these lines of its log."""
    view, name = view_of(request), request.path_params["name"]
    row = view.row(name)
    if row is None:
        return message_page(404, "No such watcher", f"There is no watcher '{name}' in conf.d.")
    at = view.survey.at
    uptime = row.uptime(at)
    log_choice = log_choice_of(request.query_params, has_status=False)
    html = _page(
        "watcher.html",
        view,
        at=at,
        watcher=watcher_view(row, at),
        doubt=view.doubt or view.survey.unwritable,
        uptime=uptime.total_seconds() if uptime else None,
        way=way_of_changes(view.settings[name]) if name in view.settings else None,
        position_at=position_at(row),
        activity=activity(row, at),
        charts=CHARTS,
        faults=faults_shown(view.loaded, name),
        with_old_settings=WITH_OLD_SETTINGS,
        operations=OPERATIONS,
        settings=settings_shown(view.loaded, name),
        log_choice=log_choice,
        log_levels=LOG_LEVELS,
        log=log_shown(view.deployment, name, LOG_LINES, log_choice)[::-1],
    )
    return _answer(html)


async def message(request: Request) -> Response:
    """Answer `GET /watchers/{name}/messages/{topic}-{partition}-{offset}` with the page of one message."""
    found = await find_message(request)
    html = await run_in_threadpool(lambda: _html("single.html", message=message_view(found), **request.path_params))
    return HTMLResponse(html, headers=SECURITY_HEADERS)


def sign_in() -> Response:
    """A form that asks for the token. A browser gets it instead of a page that needs the token."""
    return HTMLResponse(_html("sign_in.html"), 401, SECURITY_HEADERS)


def message_page(status: int, heading: str, text: str) -> Response:
    """A page with a single message."""
    return HTMLResponse(_html("message.html", heading=heading, text=text), status, SECURITY_HEADERS)


class _StaticFiles(StaticFiles):
    """Static files. Browsers may cache them but must revalidate, since they change with the version."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update({**SECURITY_HEADERS, "Cache-Control": "no-cache"})
        return response


_compressed = [Middleware(GZipMiddleware, compresslevel=6)]  # 9, the default, takes twice as long for a hundredth less

routes: list[BaseRoute] = [
    Route("/", fleet, middleware=_compressed),
    Route("/watchers/{name}", watcher, middleware=_compressed),
    Route("/watchers/{name}/messages/{place}", message, middleware=_compressed),
    Mount("/static", _StaticFiles(directory=PAGE_DIR / "static"), middleware=_compressed),
]


def _page(template: str, view: FleetView, **values: Any) -> bytes:
    return _html(template, controls=bool(view.agent.token), **values)


def _answer(html: bytes) -> Response:
    """A page about watchers. It may send its forms to the agent, which the form for the token never may: it would be in the URL."""
    policy = SECURITY_HEADERS["Content-Security-Policy"].replace("form-action 'none'", "form-action 'self'")
    return HTMLResponse(html, headers={**SECURITY_HEADERS, "Content-Security-Policy": policy})


def _html(template: str, **values: Any) -> bytes:
    return _environment.get_template(template).render(version=__version__, **values).encode()


_environment = Environment(
    loader=FileSystemLoader(PAGE_DIR / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "ago": age_in_words,
    "capitalize_first": capitalize_first,
    "count": count_in_words,
    "duration": seconds_in_words,
    "iso": iso,
    "printable": printable,
    "rate": rate_in_words,
}
