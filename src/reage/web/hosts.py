"""By which names a server may be asked, and from whose pages."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from reage.web.settings import ServerSettings

__all__ = ["host_refused", "origin_refused"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def host_refused(settings: ServerSettings, scope: Scope, headers: Headers) -> str | None:
    """Say why the Host header is not one of this server; None: it is.

    A foreign name that leads here (DNS rebinding) would let its page read photos. Names are
    loopback's, those of `settings`, and the address at which the request came in.
    """
    given = headers.getlist("host")
    host = _hostname(given[0]) if len(given) == 1 else None
    if host is None:
        return "the request names no host, or none that is understood"
    allowed = (*LOOPBACK, settings.host.lower(), *map(_hostname, settings.allow_hosts))
    if host in allowed or _is_own(host, scope):
        return None
    return f"this server does not answer to {host}; start it with --allow-host {host}"


def origin_refused(settings: ServerSettings, scope: Scope, headers: Headers) -> str | None:
    """Say why another site's page asks; None: a page of this server, or no page.

    Browsers send no Sec-Fetch-Site over plain HTTP in a local network, so Origin is checked too.
    Opening the page itself by a link is allowed.
    """
    if scope["method"] in SAFE_METHODS and not scope["path"].startswith("/api/"):
        return None
    refused = "another site's page may not use this server"
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return refused
    origin = headers.get("origin")
    if origin is None:
        return None
    scheme, _, place = origin.lower().partition("://")
    if scheme not in ("http", "https"):  # "null" of a sandboxed page
        return refused
    own = (headers.get("host", ""), *settings.allow_hosts)
    return None if _without_usual_port(place) in map(_without_usual_port, own) else refused


def _hostname(place: str) -> str | None:
    """`name`, `1.2.3.4` or `::1` of HOST[:PORT]; None: it is not one."""
    if not place.isascii() or set(place) & set("/?#@\\ \t,"):
        return None
    try:
        parts = urlsplit(f"//{place}")
        _ = parts.port  # ValueError where it is none
    except ValueError:
        return None
    return parts.hostname


def _is_own(host: str, scope: Scope) -> bool:
    """Whether it is the address of the socket that took the request."""
    own = (scope.get("server") or ("", 0))[0]
    try:
        return _address(host) == _address(own)
    except ValueError:  # a name: only those that are listed
        return False


def _address(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _without_usual_port(place: str) -> str:
    return place.lower().removesuffix(":80").removesuffix(":443")
