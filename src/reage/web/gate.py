"""Who may ask, how much, and what every answer says to the browser."""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections import Counter, OrderedDict, deque
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address, ip_network

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reage.web.bodies import Body, too_large
from reage.web.hosts import host_refused, origin_refused
from reage.web.settings import ServerSettings

__all__ = [
    "ACCESS_COOKIE",
    "SESSION_COOKIE",
    "Door",
    "Gate",
    "WrongTries",
    "address_of",
    "network_of",
]

VERSIONS = "1.0", "1.1", "2", "3"  # of HTTP
SESSION_COOKIE = "reage_session"
ACCESS_COOKIE = "reage_access"
OPEN_PATHS = ("/login", "/static/", "/api/v1/health")  # without a password
FREE_TRIES = 3  # wrong passwords of an address until it has to wait: 1 s, 2, 4, ...
MOST_WAIT = 60.0  # seconds
FORGIVEN_AFTER = 900.0  # seconds without a wrong password
MOST_ADDRESSES = 10_000  # whose wrong passwords are remembered; as many right ones
MAX_BODY = 1 << 20  # of anything that is no upload, bytes
MAX_LOGIN = 4096
# What takes a file, and the setting that bounds it: no header of the client's can widen it.
UPLOADS = {
    "/api/v1/photos": "max_photo",
    "/api/v1/projects": "max_photo",
    "/api/v1/edit": "max_photo",
    "/api/v1/ages": "max_photo",
    "/api/v1/videos": "max_file",
    "/api/v1/folders": "max_file",
}
# Nothing comes from another host, and no page of another host can show or script this one.
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' "
    "blob:; style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    # Not "no-referrer": browsers then say of the own login form, too, that it is nobody's.
    "referrer-policy": "same-origin",
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
        most = self.door.most_bytes(scope)
        chunked = "transfer-encoding" in headers
        body = Body(receive, most, headers.get("content-length"), chunked)
        send = body.sender(_with_headers(send))
        answer = self.door.refused(scope, headers) or self._hold(scope, headers, body)
        try:
            await (answer or self.app)(scope, body.receive, send)
        except HTTPException as error:  # of the body, where the application did not answer it
            await _error(error.status_code, error.detail)(scope, body.receive, send)
        except ClientDisconnect:  # nobody is there to be answered
            pass
        finally:
            body.on_over()

    def _hold(self, scope: Scope, headers: Headers, body: Body) -> Response | None:
        """Count an upload until its body is over; the answer where there are too many."""
        if not is_upload(scope):
            return None
        who = self.door.who(scope, headers)
        if not self.door.begin_upload(who):
            return _error(503, "too many uploads at once; try again in a moment",
                          {"retry-after": "10"})  # fmt: skip
        held = [who]
        body.on_over = lambda: self.door.end_upload(held.pop()) if held else None
        return None


class Door:
    """Checks host, origin, password, rate and size of requests."""

    def __init__(self, settings: ServerSettings):
        self.settings = settings
        self.tokens: dict[str, None] = {}  # of browsers that gave the password, the oldest first
        self.tries = WrongTries()
        self.times: dict[tuple[str, str], deque[float]] = {}  # by (who, what), of a minute
        self.uploading: Counter[str] = Counter()  # bodies that are coming in, by who sends them

    def refused(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that may not go on."""
        settings = self.settings
        if scope.get("http_version", "1.1") not in VERSIONS:  # h11 would take 9.9 for 1.1
            return _error(400, "this server speaks HTTP/1.1")
        refused = host_refused(settings, scope, headers)
        if refused is not None:
            return _error(421, refused)
        refused = origin_refused(settings, scope, headers)
        if refused is not None:
            return _error(403, refused)
        who = self.who(scope, headers)
        if not self._within(who, "all", settings.requests_a_minute):
            return _error(429, "too many requests; wait a minute", {"retry-after": "60"})
        if settings.password is not None and not scope["path"].startswith(OPEN_PATHS):
            answer = self._refused_password(scope, headers)
            if answer is not None:
                return answer
        length, most = headers.get("content-length", "0"), self.most_bytes(scope)
        if not length.isdecimal() or len(length) > 20 or int(length) > most:
            size = int(length) if length.isdecimal() and len(length) <= 20 else most
            return _error(413, too_large(size, most).detail)
        if is_upload(scope) and not self._within(who, "uploads", settings.uploads_a_minute):
            return _error(429, "too many uploads; wait a minute", {"retry-after": "60"})
        return None

    def most_bytes(self, scope: Scope) -> int:
        """How long a request's body may be: its route decides."""
        if scope["path"] == "/login":
            return MAX_LOGIN
        return getattr(self.settings, UPLOADS[scope["path"]]) if is_upload(scope) else MAX_BODY

    def begin_upload(self, who: str) -> bool:
        """Count an upload that begins; False where too many are under way."""
        settings = self.settings
        if self.uploading.total() >= settings.uploads_at_once:
            return False
        # On this computer all who come for the first time are one address.
        if not settings.is_local and self.uploading[who] >= settings.uploads_each:
            return False
        self.uploading[who] += 1
        return True

    def end_upload(self, who: str) -> None:
        """Count an upload that is over."""
        self.uploading[who] -= 1
        if not self.uploading[who]:
            del self.uploading[who]

    def try_password(self, given: str, who: str) -> str | None:
        """A cookie's value for the right password; None for a wrong one."""
        if not self._is_password(given.encode("utf-8", "replace"), who):
            return None
        token = secrets.token_urlsafe(24)
        self.tokens[token] = None
        if len(self.tokens) > MOST_ADDRESSES:
            del self.tokens[next(iter(self.tokens))]
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
            if self._is_password(given.encode("latin-1"), who):  # the bytes as they came
                return None
        if scope["path"].startswith("/api/"):
            return _error(401, "give the server's password as: Authorization: Bearer PASSWORD",
                          {"www-authenticate": "Bearer"})  # fmt: skip
        return RedirectResponse("/login", 303)

    def _is_password(self, given: bytes, who: str) -> bool:
        """Whether it is right; whoever has to wait is not heard."""
        if self.tries.wait(who):
            return False
        wanted = (self.settings.password or "").encode("utf-8", "surrogateescape")
        if hmac.compare_digest(given, wanted):
            self.tries.forget(who)
            return True
        self.tries.add(who)
        return False

    def who(self, scope: Scope, headers: Headers) -> str:
        """Whose requests are counted together."""
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


def is_upload(scope: Scope) -> bool:
    """Whether a request brings a file."""
    return scope["method"] == "POST" and scope["path"] in UPLOADS


def address_of(scope: Scope) -> str:
    """Who asks: an address, of IPv6 its network, since one household has all of that."""
    return network_of((scope.get("client") or ("", 0))[0])


def network_of(host: str) -> str:
    """An address of IPv4 or a name as it is, of IPv6 its network."""
    try:
        address = ip_address(host)
    except ValueError:  # a Unix socket, a test
        return host
    if address.version == 6 and address.ipv4_mapped:  # of a socket that takes both
        return str(address.ipv4_mapped)
    if address.version == 4 or address.is_loopback:
        return host
    return str(ip_network((address, 64), strict=False))


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
