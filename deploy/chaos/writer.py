"""A process that posts without end: `python -m deploy.chaos.writer NAME MODE SEED FOLDER`.

Each step is written to the writer's notes after its answer came, as one line in one write. A step without an answer is
asked again, by this process or by the one that follows it. Ends after the step under way when `FOLDER/stop` is there.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

PAUSE_SECONDS: Final = 0.05

Answer = dict[str, list[Any] | dict[str, str]]


def main(name: str, mode: str, seed: int, folder: Path) -> None:
    import django

    django.setup()
    from django.db import InterfaceError, OperationalError, connection

    from deploy.chaos.books import wishes

    notes = folder / f"{name}.notes"
    step = last_step(notes) + 1
    ask = asker(mode)
    while True:
        requests = wishes(seed, name, mode, step)
        try:
            answer = ask(requests)
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(PAUSE_SECONDS)
            continue
        except Exception as error:
            connection.close()
            note(notes, {"step": step, "error": repr(error)})
            raise
        note(notes, {"step": step, **answer})
        step += 1
        # Only here: a step without an answer, this process's or its dead predecessor's, is asked until it has one.
        if (folder / "stop").exists():
            return


def last_step(notes: Path) -> int:
    """The last step that was answered, 0 for none."""
    if not notes.exists():
        return 0
    lines = [json.loads(line) for line in notes.read_text().splitlines()]
    return max((line["step"] for line in lines if "error" not in line), default=0)


def note(notes: Path, line: dict[str, Any]) -> None:
    descriptor = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, json.dumps(line).encode() + b"\n")
    os.close(descriptor)


def asker(mode: str) -> Callable[[list[Any]], Answer]:
    """How a writer of this mode posts; gives the ids of what was booked by key, and the keys that were refused."""
    from deploy.chaos.books import CODE
    from ledger.coalescing import Coalescer
    from ledger.core.errors import Refusal
    from ledger.models import Book
    from ledger.posting import Posted, Refused, post, post_batch, post_each

    book: list[Book] = []
    coalescer = Coalescer()

    def told(requests: list[Any], results: list[Posted | Refused]) -> Answer:
        pairs = list(zip(requests, results, strict=True))
        return {
            "posted": {r.key: str(result.journal_id) for r, result in pairs if isinstance(result, Posted)},
            "refused": [r.key for r, result in pairs if isinstance(result, Refused)],
        }

    def alone(send: Callable[[Any], Posted], request: Any) -> Posted | Refused:
        try:
            return send(request)
        except Refusal as refusal:
            return Refused(refusal)

    def ask(requests: list[Any]) -> Answer:
        if not book:
            book.append(Book.objects.get(code=CODE))
        (of,) = book
        match mode:
            case "each":
                return told(requests, post_each(of, requests, actor="chaos"))
            case "batch":
                try:
                    return told(requests, list(post_batch(of, requests, actor="chaos")))
                except Refusal:
                    return {"posted": {}, "refused": [request.key for request in requests]}
            case "coalesced":
                with ThreadPoolExecutor(len(requests)) as pool:
                    shared = pool.map(
                        lambda r: alone(lambda wish: coalescer.post(of, wish, actor="chaos"), r), requests
                    )
                    return told(requests, list(shared))
        return told(requests, [alone(lambda wish: post(of, wish, actor="chaos"), r) for r in requests])

    return ask


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
