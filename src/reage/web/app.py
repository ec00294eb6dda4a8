"""The application: routes, errors, the page itself, what begins and ends with the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

import reage
from reage.editor import Editor
from reage.errors import FaceError, ImageError, LatentError, ModelError, ReageError
from reage.memory import return_memory
from reage.models.registry import model_card
from reage.web import closeups, downloads, jobroutes, making, mixing, photos, posters
from reage.web.answers import ERRORS
from reage.web.gate import ACCESS_COOKIE, SESSION_COOKIE, Door, Gate, address_of
from reage.web.jobs import OwnJobsFull, QueueFull
from reage.web.places import sweep_folders
from reage.web.requests import OwnSession, StudioOf
from reage.web.sessions import ServerFull
from reage.web.settings import ServerSettings
from reage.web.studio import Studio

__all__ = ["create_app"]

STATIC = Path(__file__).parent / "static"
API = "/api/v1"
Tab = Annotated[str, Query(max_length=64)]
SWEEP_EVERY = 30.0  # seconds
ABOUT = """Show the faces of photos and videos at other ages. Uploads are the raw bytes of the file
(`curl --data-binary @photo.jpg -H "content-type: application/octet-stream"`). What is opened
belongs to the session in the cookie `reage_session` and is forgotten with it. What comes out is
synthetic: one plausible look, not a prediction."""


def create_app(editor: Editor, settings: ServerSettings | None = None) -> FastAPI:
    """Make the ASGI application of one editor."""
    settings = settings or ServerSettings()
    studio = Studio(editor, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweep_folders()
        await asyncio.get_running_loop().run_in_executor(studio.workers.quick, studio.warm_up)
        sweeping = asyncio.create_task(_sweep(studio))
        yield
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
        studio.close()

    # FastAPI's own pages of documentation load scripts from another host.
    app = FastAPI(
        title="reage",
        version=reage.__version__,
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
    )
    app.state.studio = studio
    app.state.door = Door(settings)
    app.add_middleware(Gate, door=app.state.door)
    app.add_exception_handler(ReageError, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_parameters)
    api = APIRouter(prefix=API, responses=ERRORS)
    for part in (photos, downloads, closeups, posters, mixing, making, jobroutes):
        api.include_router(part.router)
    api.include_router(_server_routes())
    app.include_router(api)
    app.include_router(_pages())
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def _sweep(studio: Studio) -> None:
    while True:
        await asyncio.sleep(SWEEP_EVERY)
        studio.sessions.sweep()
        return_memory()


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    """One line and a status for everything that the user can mend."""
    status = 400
    if isinstance(error, OwnJobsFull):
        status = 429
    elif isinstance(error, QueueFull | ServerFull):
        status = 503
    elif isinstance(error, FaceError | ImageError | LatentError):
        status = 422
    headers = {"retry-after": "10"} if status in (429, 503) else None
    return JSONResponse({"detail": str(error)}, status, headers)


async def _refuse_parameters(request: Request, error: Exception) -> JSONResponse:
    """One line for what FastAPI refuses, as for all else."""
    assert isinstance(error, RequestValidationError)
    lines = []
    for one in error.errors()[:3]:
        where = ".".join(str(part) for part in one["loc"][1:])
        said = one["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {said}" if where else said)
    return JSONResponse({"detail": "; ".join(lines)}, 422)


def _server_routes() -> APIRouter:
    router = APIRouter(tags=["server"])

    @router.get("/health")
    async def health(studio: StudioOf) -> dict:
        """Whether the server works, and how busy it is."""
        waiting = sum(not job.is_over for job in list(studio.jobs.jobs.values()))
        return {
            "status": "ok",
            "version": reage.__version__,
            "model": studio.editor.name,
            "sessions": len(studio.sessions.all),
            "jobs": waiting,
        }

    @router.get("/about")
    async def about(studio: StudioOf) -> dict:
        """The model's card, its licence, and what this server allows."""
        config, settings = studio.editor.config, studio.settings
        return {
            "version": reage.__version__,
            "model": studio.editor.name,
            "licence": "?" if config is None else config.licence,
            "resolution": None if config is None else config.generator.resolution,
            "card": _card(settings.model),
            "languages": sorted(path.stem for path in (STATIC / "texts").glob("*.js")),
            "local": settings.is_local,
            "idle_minutes": settings.idle_minutes,
            "max_photo": settings.max_photo,
            "max_file": settings.max_file,
        }

    @router.delete("/session", status_code=204)
    async def end_session(request: Request, response: Response, studio: StudioOf) -> None:
        """Forget everything of this session now."""
        session = studio.sessions.find(request.cookies.get(SESSION_COOKIE))
        if session is not None:
            studio.sessions.close(session)
        response.delete_cookie(SESSION_COOKIE)

    @router.post("/session/enter", status_code=204)
    async def enter(session: OwnSession, tab: Tab) -> None:
        """A tab shows the page: the session stays while one does."""
        session.enter(tab)

    @router.post("/session/leave", status_code=204)
    async def leave(request: Request, studio: StudioOf, tab: Tab = "") -> None:
        """The last tab was closed: forget the session soon, unless one comes back (a reload)."""
        session = studio.sessions.find(request.cookies.get(SESSION_COOKIE))
        if session is None:
            return
        session.tabs.pop(tab, None)
        if not session.tabs:
            session.used -= max(studio.settings.idle_minutes * 60 - 90, 0)

    return router


def _card(model: str) -> str:
    try:
        return model_card(model)
    except ModelError:  # a checkpoint of somebody else's
        return f"# {Path(model).name}\nThis model has no card: ask whoever made it for its licence."


def _pages() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @router.get("/sw.js")
    async def service_worker() -> FileResponse:
        return FileResponse(STATIC / "sw.js", headers={"cache-control": "no-cache"})

    @router.get("/login")
    async def login_page(request: Request) -> HTMLResponse:
        page = (STATIC / "login.html").read_text(encoding="utf-8")
        wait = request.app.state.door.tries.wait(address_of(request.scope))
        if wait:  # the line below the field has a place for each
            page = page.replace('id="wait" hidden', 'id="wait"').replace("{wait}", str(wait))
        elif "wrong" in request.query_params:
            page = page.replace('id="wrong" hidden', 'id="wrong"')
        return HTMLResponse(page)

    @router.post("/login")
    async def login(request: Request) -> Response:
        # The form's one field, read by hand: a parser of forms would be a dependency for it.
        from urllib.parse import parse_qs

        fields = parse_qs((await request.body()).decode("utf-8", "replace"))
        given, who = fields.get("password", [""])[0], address_of(request.scope)
        token = request.app.state.door.try_password(given, who)
        if token is None:
            return RedirectResponse("/login?wrong", 303)
        answer = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(ACCESS_COOKIE, token, httponly=True, samesite="strict", secure=secure)
        return answer

    return router
