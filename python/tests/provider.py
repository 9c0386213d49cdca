"""A model server that counts what it is asked. It shares no code with docmill."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Provider:
    """Speaks Chat Completions. The answer is the number in the document."""

    def __init__(self, latency_s: float = 0.2) -> None:
        self.latency_s = latency_s
        self.slow: dict[int, float] = {}
        """Seconds for some documents."""
        self.asked: Counter[int] = Counter()
        """Requests for each document."""
        self.changed = threading.Condition()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(handler) -> None:
                body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
                found = re.findall(r"number (\d+) and", body)
                number = int(found[-1])
                with self.changed:
                    self.asked[number] += 1
                    self.changed.notify_all()
                time.sleep(self.slow.get(number, self.latency_s))
                message = {"role": "assistant", "content": json.dumps({"number": number})}
                reply = {
                    "id": "1",
                    "object": "chat.completion",
                    "model": "numbers",
                    "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55},
                }
                content = json.dumps(reply).encode()
                handler.send_response(200)
                handler.send_header("Content-Type", "application/json")
                handler.send_header("Content-Length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content)

            def log_message(handler, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(server, *_: object) -> None:
                pass  # a client was killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def paid(self) -> int:
        return self.asked.total()

    def wait_for(self, requests: int) -> None:
        """Waits until it was asked so often."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.paid >= requests, timeout=120), self.paid

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
