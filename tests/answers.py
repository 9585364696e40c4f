"""A server on loopback that gives the answers it was given, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Asked:
    method: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]


@dataclass
class Answer:
    """A body (text as it is, anything else as JSON), or no reply at all: the line goes dead."""

    body: Any = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_lost: bool = False


@dataclass
class Answers:
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    routes: dict[str, Callable[[Asked], Answer]] = field(default_factory=dict)

    def give(self, path: str, answer: Any, method: str = "GET") -> None:
        """Answer a path from now on with a body, an Answer, or what a function makes of the question."""
        kept = answer if callable(answer) else None
        fixed = answer if isinstance(answer, Answer) else Answer(answer)
        self.routes[f"{method} {path}"] = kept or (lambda _asked: fixed)

    def of(self, path: str, method: str = "GET") -> list[Asked]:
        return [one for one in self.asked if (one.method, one.path) == (method, path)]


@contextmanager
def serve() -> Iterator[Answers]:
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked = Asked(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query) + parse_qsl(body)),
                dict(self.headers),
            )
            answers.asked.append(asked)
            route = answers.routes.get(f"{self.command} {parts.path}")
            answer = route(asked) if route else Answer({"code": -1, "msg": f"no {parts.path}"}, 404)
            if answer.is_lost:
                self.close_connection = True
                return
            text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            content = text.encode()
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(content))} | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = handle_one

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    answers.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
