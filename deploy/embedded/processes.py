"""Small questions about processes, with and without /proc."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class EmbeddedError(RuntimeError):
    """An embedded service cannot be provided; the message says what to do."""


def command_line(pid: int) -> str:
    """The command line of a running process, or the empty string when there is none."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    ps = shutil.which("ps")
    if ps is None:
        return ""
    answer = subprocess.run(
        [ps, "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()


def is_running(pid: int) -> bool:
    """Whether the process exists and is more than a zombie; a zombie has no command line."""
    return bool(command_line(pid))


def signal_quietly(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def wait_until(condition: Callable[[], bool], *, seconds: float, pause_seconds: float = 0.05) -> bool:
    """Ask until the answer is yes or the time is over; the last answer is returned."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()) and time.monotonic() < deadline:
        time.sleep(pause_seconds)
    return answer
