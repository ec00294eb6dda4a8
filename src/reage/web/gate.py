"""Who may ask, how much, and what every answer says to the browser."""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address, ip_network

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reage.web.settings import ServerSettings

__all__ = ["ACCESS_COOKIE", "SESSION_COOKIE", "Door", "Gate", "WrongTries", "address_of"]

SESSION_COOKIE = "reage_session"
ACCESS_COOKIE = "reage_access"
OPEN_PATHS = ("/login", "/static/", "/api/v1/health")  # without a password
FREE_TRIES = 3  # wrong passwords of an address until it has to wait: 1 s, 2, 4, ...
MOST_WAIT = 60.0  # seconds
FORGIVEN_AFTER = 900.0  # seconds without a wrong password
MOST_ADDRESSES = 10_000  # whose wrong passwords are remembered
MAX_BODY = 1 << 20  # of anything that is no upload, bytes
# Nothing comes from another host, and no page of another host can show or script this one.
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' "
    "blob:; style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}


class Gate:
    """ASGI middleware: what the door refuses never reaches the application."""

    def __init__(self, app: ASGIApp, door: Door):
        self.app, self.door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self.door.refused(scope, headers)
        if refused is not None:
            await refused(scope, receive, _with_headers(send))
            return
        if not headers.get("content-type", "").startswith("application/octet-stream"):
            receive = _bounded(receive)
        await self.app(scope, receive, _with_headers(send))


class Door:
    """Checks host, origin, password, rate and size of requests."""

    def __init__(self, settings: ServerSettings):
        self.settings = settings
        self.tokens: set[str] = set()  # of browsers that gave the password
        self.tries = WrongTries()
        self.times: dict[tuple[str, str], deque[float]] = {}  # by (who, what), of a minute

    def refused(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that may not go on."""
        path, method = scope["path"], scope["method"]
        host = headers.get("host", "").rsplit(":", 1)[0].strip("[]")
        # A name of another host that leads here (DNS rebinding) would let its page read photos.
        if self.settings.is_local and host not in ("127.0.0.1", "localhost", "::1", "testserver"):
            return _error(421, f"this server answers to 127.0.0.1 and localhost, not to {host}")
        site = headers.get("sec-fetch-site", "same-origin")
        if method not in ("GET", "HEAD") and site not in ("same-origin", "none"):
            return _error(403, "another site's page may not use this server")
        who = self._who(scope, headers)
        if not self._within(who, "all", self.settings.requests_a_minute):
            return _error(429, "too many requests; wait a minute", {"retry-after": "60"})
        is_upload = headers.get("content-type", "").startswith("application/octet-stream")
        length = headers.get("content-length", "0")
        most = self.settings.max_file if is_upload else MAX_BODY
        if length.isdecimal() and int(length) > most:
            return _error(413, f"the body has {int(length) >> 20} MB; {most >> 20} MB are allowed")
        if is_upload and not self._within(who, "uploads", self.settings.uploads_a_minute):
            return _error(429, "too many uploads; wait a minute", {"retry-after": "60"})
        if self.settings.password is None or path.startswith(OPEN_PATHS):
            return None
        return self._refused_password(scope, headers)

    def try_password(self, given: str, who: str) -> str | None:
        """A cookie's value for the right password; None for a wrong one."""
        if not self._is_password(given, who):
            return None
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        return token

    def _refused_password(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to who does not show the password; None: it is shown."""
        if cookie(headers, ACCESS_COOKIE) in self.tokens:
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            who = address_of(scope)
            wait = self.tries.wait(who)
            if wait:
                return _error(429, f"too many wrong passwords; try again in {wait} s",
                              {"retry-after": str(wait)})  # fmt: skip
            if self._is_password(given, who):
                return None
        if scope["path"].startswith("/api/"):
            return _error(401, "give the server's password as: Authorization: Bearer PASSWORD",
                          {"www-authenticate": "Bearer"})  # fmt: skip
        return RedirectResponse("/login", 303)

    def _is_password(self, given: str, who: str) -> bool:
        """Whether it is right; whoever has to wait is not heard."""
        if self.tries.wait(who):
            return False
        wanted = (self.settings.password or "").encode()
        if hmac.compare_digest(given.encode(), wanted):
            self.tries.forget(who)
            return True
        self.tries.add(who)
        return False

    def _who(self, scope: Scope, headers: Headers) -> str:
        # Everybody on this computer has one address: there the session says who it is.
        if self.settings.is_local:
            return cookie(headers, SESSION_COOKIE) or address_of(scope)
        return address_of(scope)

    def _within(self, who: str, what: str, most: int) -> bool:
        """Count a request; whether fewer than `most` came in the 60 seconds before it."""
        now = time.monotonic()
        if len(self.times) > 10_000:
            self.times = {k: v for k, v in self.times.items() if v and now - v[-1] < 60}
        times = self.times.get((who, what), deque())
        while times and now - times[0] >= 60:
            times.popleft()
        free = len(times) < most
        if free:
            times.append(now)
            self.times[who, what] = times
        return free


class WrongTries:
    """Wrong passwords by address: each after the first few makes its address wait longer.

    Others are not affected. What is remembered is bounded: the longest unheard is forgotten.
    """

    def __init__(self) -> None:
        self.wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, the last when

    def wait(self, who: str) -> int:
        """Seconds that an address has to wait before it is heard again, rounded up."""
        count, last = self.wrong.get(who, (0, 0.0))
        further = count - FREE_TRIES
        delay = min(2.0 ** min(further, 10), MOST_WAIT) if further >= 0 else 0.0
        return max(0, math.ceil(last + delay - time.monotonic()))

    def add(self, who: str) -> None:
        """Count a wrong password."""
        now = time.monotonic()
        count, last = self.wrong.pop(who, (0, now))
        self.wrong[who] = (1 if now - last > FORGIVEN_AFTER else count + 1, now)
        while len(self.wrong) > MOST_ADDRESSES:
            self.wrong.popitem(last=False)

    def forget(self, who: str) -> None:
        """Forgive an address that gave the right password."""
        self.wrong.pop(who, None)


def address_of(scope: Scope) -> str:
    """Who asks: an address, of IPv6 its network, since one household has all of that."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ip_address(host)
    except ValueError:  # a Unix socket, a test
        return host
    return host if address.version == 4 else str(ip_network((address, 64), strict=False))


def cookie(headers: Headers, name: str) -> str | None:
    """One cookie of a request."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if found is None else found.value


def _error(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending


def _bounded(receive: Receive) -> Callable[[], Awaitable[Message]]:
    seen = 0

    async def receiving() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:  # as if the rest never came: what is parsed is cut and refused
            return {"type": "http.disconnect"}
        return message

    return receiving
