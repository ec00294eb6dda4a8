"""The password in a real browser, whose forms say less of where they come from than scripts do."""

from __future__ import annotations

from typing import Any

from page_client import PATIENCE, running

from reage.editor import Editor


def test_a_password_opens_the_page(browser: Any, editor: Editor) -> None:
    with running(editor, password="secret") as address:
        page = browser.new_page(locale="en-US")
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.fill("[name=password]", "guess")
        page.keyboard.press("Enter")
        page.wait_for_selector("#wrong:not([hidden])")
        page.fill("[name=password]", "secret")
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-ready]")
        page.close()
