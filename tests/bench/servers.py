#!/usr/bin/env python3
"""Four model servers of unequal speed, one killed and restarted: python3 servers.py DOCMILL [DOCUMENTS]

Each server is a process of its own that shares no code with docmill: a few slots, and a queue in front
of them, as model servers have. It writes a line for each answer. The figures are the share of the
joint capacity that was used, failed rows, requests that were asked twice, and the share of calls on
the server that has most of the calls of their document.
"""

import asyncio
import collections
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

SLOTS, SECONDS = 8, (0.8, 0.8, 0.4, 0.2)
CALLS, CONCURRENCY = 6, 16
KILL_AT, DOWN = 15.0, 10.0


async def serve(port, seconds, log):
    slots, out = asyncio.Semaphore(SLOTS), open(log, "a", buffering=1)

    async def client(reader, writer):
        try:
            while line := await reader.readline():
                method, length = line.split()[0], 0
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                body = await reader.readexactly(length)
                if method == b"POST":
                    text = json.loads(body)["messages"][-1]["content"]
                    text = text if isinstance(text, str) else " ".join(part.get("text", "") for part in text)
                    document, task = text.split("docid:")[1].split()[0], text.split("task:")[1].split()[0]
                    async with slots:
                        await asyncio.sleep(seconds)
                    out.write(f"{time.time()} {document} {task}\n")
                    message = {"role": "assistant", "content": '{"said":"yes"}'}
                    reply = {"id": "x", "object": "chat.completion", "model": "m",
                             "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                             "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}}
                else:
                    reply = {"object": "list", "data": [{"id": "m", "object": "model"}]}
                data = json.dumps(reply).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(client, "127.0.0.1", port) as server:
        await server.serve_forever()


def start(directory, number, port):
    log = os.path.join(directory, f"server{number}.log")
    return subprocess.Popen([sys.executable, __file__, "--serve", str(port), str(SECONDS[number]), log])


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def main(docmill, documents):
    with tempfile.TemporaryDirectory() as directory:
        measure(docmill, documents, directory)


def measure(docmill, documents, directory):
    os.mkdir(os.path.join(directory, "docs"))
    for n in range(documents):
        with open(os.path.join(directory, "docs", f"{n:06}.txt"), "w") as file:
            file.write(f"docid:{n} is a text.\n")
    job = 'name = "said"\ninput = "text"\n' + "".join(
        f'[[task]]\nid = "t{n}"\nprompt = "{{{{ document }}}}\\n\\ntask:{n} What does it say?"\nmax_output_tokens = 50\n'
        f'[task.answer]\nsaid = {{ type = "string" }}\n' for n in range(CALLS))
    with open(os.path.join(directory, "said.toml"), "w") as file:
        file.write(job)
    ports = [free_port() for _ in SECONDS]
    servers = [start(directory, number, port) for number, port in enumerate(ports)]
    try:
        time.sleep(1)
        urls = ",".join(f"http://127.0.0.1:{port}/v1" for port in ports)
        settings = ["llm.provider=openai-compatible", "llm.model=m", f"llm.base_url={urls}", f"llm.concurrency={CONCURRENCY}"]
        command = [docmill, "run", "docs", "--job", "said.toml", "--output", "out"]
        command += [word for setting in settings for word in ("--set", setting)]
        run = subprocess.Popen(command, cwd=directory, env=dict(os.environ, HOME=directory))
        began = time.time()
        time.sleep(KILL_AT)
        servers[-1].send_signal(signal.SIGKILL)
        servers[-1].wait()
        killed = time.time()
        time.sleep(DOWN)
        servers[-1] = start(directory, len(ports) - 1, ports[-1])
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", ports[-1])):
                time.sleep(0.01)
                probe.close()
                probe = socket.socket()
        up = time.time()
        run.wait(timeout=900)
    finally:
        for server in servers:
            server.kill()
    report(directory, began, (killed, up), run.returncode)


def report(directory, began, down, code):
    of_document, asked, ends, answered = collections.defaultdict(collections.Counter), collections.Counter(), [], []
    for number in range(len(SECONDS)):
        with open(os.path.join(directory, f"server{number}.log")) as file:
            lines = [line.split() for line in file]
        answered.append(len(lines))
        for at, document, task in lines:
            of_document[document][number] += 1
            asked[document, task] += 1
            ends.append(float(at))
    wall = max(ends) - min(ends)
    capacity = [SLOTS / seconds for seconds in SECONDS]
    joint = sum(capacity) * wall - capacity[-1] * (down[1] - down[0])
    rows = [json.loads(line) for line in open(os.path.join(directory, "out", "said", "results.jsonl"))]
    most = sum(max(servers.values()) for servers in of_document.values())
    with open(os.path.join(directory, "out", "said", "summary.json")) as file:
        summary = json.load(file)
    print(f"servers: exit code {code}, {len(rows)} rows, {sum(row['status'] != 'ok' for row in rows)} of them not ok")
    print(f"servers: {len(ends)} answers in {wall:.1f} s by {answered}; {down[1] - down[0]:.1f} s without the fastest")
    print(f"servers: {len(ends) / joint:.3f} of the joint capacity while up (wanted: 0.95)")
    print(f"servers: {sum(count - 1 for count in asked.values())} answers twice (wanted: at most {CONCURRENCY})")
    print(f"servers: {most / len(ends):.3f} of calls on the server of their document (wanted: 0.9)")
    print(json.dumps(summary["whole_run"].get("servers"), indent=1))


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        asyncio.run(serve(int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
    else:
        main(os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1500)
