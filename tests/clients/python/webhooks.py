"""standardwebhooks verifies the messages of docmill, by the new and by the old secret."""

import base64
import json
import os
import queue
import re
import secrets
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

OLD, NEW, OTHER = ("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(3))
messages = queue.Queue()


class Receiver(BaseHTTPRequestHandler):
    """Refuses the first message, so that it comes again."""

    refused = threading.Event()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        status = 204 if self.refused.is_set() else 503
        self.refused.set()
        messages.put((status, dict(self.headers), body))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass


def fails(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
settings = ['serve.webhook_secrets=["env:NEW", "env:OLD"]', "serve.webhook_private=true", "simulator.latency_ms=5"]
command = [os.environ["DOCMILL"], "serve", "hooks", "--bind", "0"] + [part for setting in settings for part in ("--set", setting)]
environment = {**os.environ, "NEW": NEW, "OLD": OLD}
server = subprocess.Popen(command, cwd=os.environ["WORK"], env=environment, stdout=subprocess.PIPE, text=True)
try:
    base = re.search(r"http://\S+", server.stdout.readline()).group(0)
    address = f"http://127.0.0.1:{receiver.server_port}/hook"

    def submit(n):
        run = {"job": "text-single", "texts": [f"Text {n} about pumps."], "webhook": address}
        request = urllib.request.Request(f"{base}/api/runs", json.dumps(run).encode(), {"content-type": "application/json"})
        return json.load(urllib.request.urlopen(request))["id"]

    runs = {submit(n) for n in range(3)}
    ids = {}
    refused = None
    while len(ids) < 3:
        status, headers, body = messages.get(timeout=90)
        for secret in (NEW, OLD):
            verified = Webhook(secret).verify(body, headers)
        assert fails(OTHER, body, headers)
        assert fails(NEW, body.replace(b"complete", b"finished"), headers)
        assert verified["type"] == "run.complete" and verified["data"]["id"] in runs, verified
        assert len(body) < 2000 and b"pumps" not in body, body
        if status == 503:
            refused = headers["webhook-id"]
        else:
            ids[headers["webhook-id"]] = verified["data"]["id"]
    # Each event has its own id, and a message that comes again keeps it.
    assert set(ids.values()) == runs, ids
    assert refused in ids, (refused, ids)
finally:
    server.kill()
    server.wait()
