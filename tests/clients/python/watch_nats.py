"""`docmill watch -` between two subjects of a real NATS server, by the official Python client."""

import asyncio
import json
import os
import socket
import subprocess
import tempfile

import nats

MESSAGES = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def main():
    port = free_port()
    directory = tempfile.mkdtemp(dir=os.environ["WORK"])
    server = subprocess.Popen(["nats-server", "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    settings = f"--job text --tasks sentiment --text-column text --id-column id --output {directory}/out".split()
    provider = ["llm.provider=openai-compatible", f"llm.base_url={os.environ['SIMULATOR']}/v1", f"llm.model={os.environ['MODEL']}"]
    provider = [word for setting in provider for word in ("--set", setting)]
    docmill = await asyncio.create_subprocess_exec(
        os.environ["DOCMILL"], "watch", "-", *settings, *provider, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=directory
    )
    try:
        client = await nats.connect(f"nats://127.0.0.1:{port}", connect_timeout=30, max_reconnect_attempts=100, reconnect_time_wait=0.1)

        async def to_docmill(message):
            docmill.stdin.write(message.data + b"\n")
            await docmill.stdin.drain()

        async def from_docmill():
            while line := await docmill.stdout.readline():
                await client.publish("results", line.rstrip(b"\n"))

        results = await client.subscribe("results")
        await client.subscribe("docs", cb=to_docmill)
        passing = asyncio.create_task(from_docmill())
        for number in range(MESSAGES):
            body = json.dumps({"id": f"m{number}", "text": f"Message {number}: it broke after a day."})
            await client.publish("docs", body.encode())
        rows = [json.loads((await results.next_msg(timeout=90)).data) for _ in range(MESSAGES)]
        assert [row["document"] for row in rows] == [f"stdin#m{number}" for number in range(MESSAGES)], rows
        assert all(row["status"] == "ok" for row in rows), rows
        # The end of the input ends the watch.
        docmill.stdin.close()
        assert await asyncio.wait_for(docmill.wait(), 60) == 0
        await passing
        await client.close()
    finally:
        server.terminate()
        server.wait()
        if docmill.returncode is None:
            docmill.kill()
    print(f"{MESSAGES} messages became rows in order")


asyncio.run(main())
