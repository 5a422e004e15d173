"""A real Chromium for tests of what opbench writes as HTML; they skip, and say why, where there is none."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def opened(path: Path, **options) -> Iterator:
    """The page and a list of all that went wrong on it: console messages, exceptions, requests to anywhere."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install opbench[page]")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with playwright.sync_playwright() as tool, tool.chromium.launch(executable_path=found, args=["--no-sandbox"]) as browser:
        page, faults = browser.new_page(**options), []
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("request", lambda request: faults.append(request.url) if request.url != path.resolve().as_uri() else None)
        page.goto(path.resolve().as_uri())
        yield page, faults
