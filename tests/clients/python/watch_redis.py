"""The Redis recipe of `docmill help watch` works with a real server and its own client.

Messages in a list become rows in another list, in their order.
"""

import json
import os
import socket
import subprocess
import tempfile
import time

MESSAGES = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


port = free_port()
directory = tempfile.mkdtemp(dir=os.environ["WORK"])
server = subprocess.Popen(
    ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", directory], stdout=subprocess.DEVNULL
)


def redis(*words):
    return subprocess.run(["redis-cli", "-p", str(port), "--raw", *words], capture_output=True, text=True, check=True).stdout


try:
    deadline = time.monotonic() + 30
    while subprocess.run(["redis-cli", "-p", str(port), "PING"], capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, "redis-server does not answer"
        time.sleep(0.05)
    settings = f"--job text --tasks sentiment --text-column text --id-column id --output {directory}/out"
    provider = f"--set llm.provider=openai-compatible --set llm.base_url={os.environ['SIMULATOR']}/v1 --set llm.model={os.environ['MODEL']}"
    recipe = (
        f"while x=$(redis-cli -e -p {port} --raw BLPOP docs 0) && [ -n \"$x\" ]; do printf '%s\\n' \"$x\" | tail -n 1; done"
        f" | \"$DOCMILL\" watch - {settings} {provider}"
        f" | while IFS= read -r x && redis-cli -e -p {port} RPUSH results \"$x\" >/dev/null; do :; done"
    )
    pipe = subprocess.Popen(["sh", "-c", recipe], start_new_session=True, cwd=directory)
    for number in range(MESSAGES):
        redis("RPUSH", "docs", json.dumps({"id": f"m{number}", "text": f"Message {number}:\n the \\t pump is great."}))
    deadline = time.monotonic() + 90
    while int(redis("LLEN", "results")) < MESSAGES:
        assert time.monotonic() < deadline, f"{redis('LLEN', 'results')} of {MESSAGES} rows came"
        time.sleep(0.1)
    rows = [json.loads(line) for line in redis("LRANGE", "results", "0", "-1").splitlines()]
    assert [row["document"] for row in rows] == [f"stdin#m{number}" for number in range(MESSAGES)], rows
    assert all(row["status"] == "ok" for row in rows), rows
    # Without the server the pipe ends, and does not spin.
    server.terminate()
    pipe.wait(timeout=60)
finally:
    server.terminate()
    server.wait()
    if "pipe" in globals() and pipe.poll() is None:
        os.killpg(pipe.pid, 15)
        pipe.wait()
print(f"{MESSAGES} messages became rows in order")
