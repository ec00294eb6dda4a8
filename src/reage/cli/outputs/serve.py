"""`reage serve`: the page in the browser, and the REST API."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from reage.cli.shared.options import (
    direction_option,
    hair_option,
    model_options,
    open_editor,
)
from reage.errors import UsageError
from reage.extras import how_to_install


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Address to listen on; 0.0.0.0: all interfaces.")  # fmt: skip
@click.option("--port", default=7860, show_default=True, type=click.IntRange(0, 65535))
@click.option("--allow-host", "allow_hosts", multiple=True, metavar="NAME[:PORT]",
              help="Further name by which browsers may ask; several: repeat it.")  # fmt: skip
@click.option("--tls-cert", type=click.Path(path_type=Path), metavar="FILE",
              help="Certificate chain (PEM), for HTTPS.")  # fmt: skip
@click.option("--tls-key", type=click.Path(path_type=Path), metavar="FILE",
              help="Its private key (PEM).")  # fmt: skip
@click.option("--password", envvar="REAGE_PASSWORD", metavar="WORD",
              help="Password of the page; better set REAGE_PASSWORD.")  # fmt: skip
@click.option("--no-auth", is_flag=True,
              help="Allow access from the network without a password.")  # fmt: skip
@click.option("--memory", default=1024, show_default=True, type=click.IntRange(64),
              help="Memory limit for the photos of all users, MB.")  # fmt: skip
@click.option("--max-photo", default=40, show_default=True, type=click.IntRange(1),
              help="Size limit of an uploaded photo, MB.")  # fmt: skip
@click.option("--max-file", default=500, show_default=True, type=click.IntRange(1),
              help="Size limit of an uploaded video or ZIP, MB.")  # fmt: skip
@click.option("--idle", default=60.0, show_default=True, type=click.FloatRange(1),
              help="Minutes until an idle session expires.")  # fmt: skip
@click.option("--open/--no-open", "show", default=None,
              help="Open the page in the browser.  [default: where there is a screen]")  # fmt: skip
@model_options
@direction_option
@hair_option
def serve(host: str, port: int, **options: Any) -> None:
    """Open a page in the browser: add a photo, drag the age.

    \b
    reage serve
    REAGE_PASSWORD=secret reage serve --host 0.0.0.0
    REAGE_PASSWORD=secret reage serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
    """
    settings_type, create_app, make_server = _imports()
    megabyte = 1 << 20
    settings = settings_type(
        host=host,
        port=port,
        allow_hosts=_names(options["allow_hosts"]),
        password=options["password"] or None,
        model=options["model"],
        max_photo=options["max_photo"] * megabyte,
        max_file=options["max_file"] * megabyte,
        memory=options["memory"] * megabyte,
        idle_minutes=options["idle"],
    )
    if not settings.is_local and settings.password is None and not options["no_auth"]:
        raise UsageError(
            f"--host {host} can be reached by others: set REAGE_PASSWORD, or say --no-auth"
        )
    tls = _tls(options["tls_cert"], options["tls_key"])
    editor = open_editor(options)
    editor.required_ager()
    _ = editor.latents  # what is missing is said before the page is there
    with _listening(host, port) as listening:
        scheme, port = "https" if tls else "http", listening.getsockname()[1]
        address = f"{scheme}://{_url_host(host)}:{port}/"
        click.echo(f"reage is at {address}  (Ctrl-C ends it)")
        if not settings.is_local:
            _tell_network(f"{scheme}://{_url_host(_network_address(host))}:{port}/")
        if options["show"] or (options["show"] is None and settings.is_local and _has_screen()):
            click.launch(address)
        make_server(create_app(editor, settings), **tls).run(sockets=[listening])


def _names(given: tuple[str, ...]) -> tuple[str, ...]:
    for name in given:
        if "/" in name or not name.strip() or not name.isascii():
            raise UsageError(f"--allow-host {name!r} is not a name; give one such as photos.lan")
    return given


def _tls(certificate: Path | None, key: Path | None) -> dict[str, Path]:
    """Options of the server; UsageError where the files cannot be used."""
    if certificate is None:
        if key is not None:
            raise UsageError("--tls-key needs --tls-cert")
        return {}
    try:
        # A key with a passphrase would be asked for at the terminal.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        where = f"{certificate}" + (f" and {key}" if key else "")
        reason = "not PEM, or not a pair" if isinstance(error, ssl.SSLError) else error.args[-1]
        raise UsageError(
            f"{where} cannot be used for HTTPS ({reason}); give a certificate and its key in PEM, "
            "without a passphrase"
        ) from error
    return {"ssl_certfile": certificate, **({"ssl_keyfile": key} if key else {})}


def _tell_network(address: str) -> None:
    """Print where others find the page, and a QR code for their phones."""
    click.echo(f"In your network: {address}")
    if not sys.stdout.isatty() or "utf" not in (sys.stdout.encoding or "").lower():
        return
    with suppress(ModuleNotFoundError):  # the address stands above
        import segno

        segno.make(address, micro=False).terminal(out=sys.stdout, border=2, compact=True)


def _network_address(host: str) -> str:
    """The address by which this computer is known in its network; asks nobody."""
    if host not in ("0.0.0.0", "::"):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # sends nothing: a datagram's socket chooses a route
        return probe.getsockname()[0]
    return socket.gethostname()


def _imports() -> tuple[Any, Any, Any]:
    try:
        from reage.web.app import create_app
        from reage.web.listening import make_server
        from reage.web.settings import ServerSettings
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("reage"):
            raise
        raise UsageError(f"the page needs {error.name}: {how_to_install('web')}") from error
    return ServerSettings, create_app, make_server


def _listening(host: str, port: int):
    """Open the port before loading the model."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)  # from here on who comes waits; the address is said before uvicorn
    except OSError as error:
        listening.close()
        raise UsageError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another --port"
        ) from error
    return listening


def _url_host(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _has_screen() -> bool:
    return os.name == "nt" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
