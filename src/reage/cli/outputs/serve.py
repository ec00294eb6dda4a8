"""`reage serve`: the page in the browser, and the REST API."""

from __future__ import annotations

import os
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
    """
    settings_type, create_app, uvicorn = _imports()
    megabyte = 1 << 20
    settings = settings_type(
        host=host,
        port=port,
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
    editor = open_editor(options)
    editor.required_ager()
    _ = editor.latents  # what is missing is said before the page is there
    with _listening(host, port) as listening:
        address = f"http://{_url_host(host)}:{listening.getsockname()[1]}/"
        click.echo(f"reage is at {address}  (Ctrl-C ends it)")
        if options["show"] or (options["show"] is None and settings.is_local and _has_screen()):
            click.launch(address)
        config = uvicorn.Config(
            create_app(editor, settings),
            log_level="warning",
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=3,
            limit_concurrency=500,
        )
        uvicorn.Server(config).run(sockets=[listening])


def _imports() -> tuple[Any, Any, Any]:
    try:
        import uvicorn

        from reage.web.app import create_app
        from reage.web.settings import ServerSettings
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("reage"):
            raise
        raise UsageError(f"the page needs {error.name}: {how_to_install('web')}") from error
    return ServerSettings, create_app, uvicorn


def _listening(host: str, port: int):
    """Open the port before loading the model."""
    import socket

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
