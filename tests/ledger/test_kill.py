"""A handful of kills; `manage.py chaos --kills 50` is the long run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MANAGE = Path(__file__).parents[2] / "manage.py"


@pytest.mark.crash
def test_what_was_acknowledged_is_there_once_after_postgresql_a_client_and_a_worker_were_killed() -> None:
    command = [
        sys.executable,
        str(MANAGE),
        "chaos",
        "--kills",
        "5",
        "--seconds",
        "4",
        "--seed",
        "20221109",
        "--json",
    ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["kills"] == {"postgres": 2, "client": 2, "worker": 1}
    assert figures["acknowledged"] > 100
    assert figures["refused"] > 0
    wrong = ("lost", "doubled", "refused_but_there", "unacknowledged")
    assert {name: figures[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert figures["errors"] == figures["audit_findings"] == []
