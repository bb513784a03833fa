"""The pages of /debug: a question read from the query, asked of the subject, and its answer in the form wanted.

Who may ask is the guard's matter: these are as closed as the verbs.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from sidecar.admin.subject import Subject
from sidecar.admin.views import as_json, problem
from sidecar.debug.terms import KINDS, BusyError, NoSuchWorkerError, TermsError, read


class DebugViews:
    """The looks into the processes of one subject."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    def routes(self) -> list[web.RouteDef]:
        """Every path with its view."""
        return [web.get("/debug/{kind}", self.look)]

    async def look(self, request: web.Request) -> web.Response:
        """200 with what each process tells; 400 for a question that makes no sense, 404 where there is nothing of that
        name, 409 while such a look is under way."""
        kind = request.match_info["kind"]
        if kind not in KINDS:
            return problem(404, f"there is no /debug/{kind}; there is {', '.join(KINDS)}", known=list(KINDS))
        try:
            question = read(kind, request.query)
            told = await self._subject.inspect(question.terms, question.worker)
        except TermsError as error:
            return problem(400, str(error))
        except NoSuchWorkerError as error:
            return problem(404, str(error), known=list(error.known))
        except BusyError as error:
            return problem(409, str(error))
        if question.form == "json":
            return as_json({"processes": told})
        if question.form == "text":
            from sidecar.debug.text import outline

            return web.Response(text=outline(told))
        # Not before somebody asks: no start has to wait for it.
        from sidecar.debug import flame

        if question.form == "folded":
            return web.Response(text=flame.folded(told))
        # Drawing thousands of stacks takes a while.
        picture = await asyncio.to_thread(flame.drawn, told)
        return web.Response(text=picture, content_type="image/svg+xml")
