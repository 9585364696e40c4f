"""Where the browser is, if there is one."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Return the path of a Chromium named by `LOMBARD_CHROMIUM` or found on PATH."""
    return os.environ.get("LOMBARD_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
