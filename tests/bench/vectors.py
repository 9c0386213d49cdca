#!/usr/bin/env python3
"""Packs of texts for a server that embeds one request after another: python3 vectors.py DOCMILL [TEXTS]

The server is a process of its own that shares no code with docmill. A request keeps its model busy for
5 ms, and 0.1 ms for each text; other requests wait meanwhile, as in front of one graphics card. Best is
the time that the model needs for the largest packs. The figures are the share of best, from the first
request to the last answer, for calls in flight one at a time and as many as docmill takes by itself;
how full the packs were; and how many texts were embedded twice.
"""

import asyncio
import base64
import collections
import csv
import hashlib
import json
import pathlib
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time

REQUEST, TEXT, ITEMS, DIMENSIONS = 0.005, 0.0001, 2048, 384


async def serve(port, log):
    """Vectors of a pool, chosen by the text, so that the model costs no computing."""
    numbers = random.Random(1)
    pool = [base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *(numbers.gauss(0, 1) for _ in range(DIMENSIONS)))).decode() for _ in range(256)]
    free, out = 0.0, open(log, "w", buffering=1)

    async def client(reader, writer):
        nonlocal free
        try:
            while line := await reader.readline():
                length = 0
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                asked = time.monotonic()
                body = json.loads(await reader.readexactly(length)) if length else {}
                if line.startswith(b"GET"):
                    data = b'{"object": "list", "data": []}'
                else:
                    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
                    free = max(free, time.monotonic()) + REQUEST + TEXT * len(texts)
                    await asyncio.sleep(free - time.monotonic())
                    keys = [hashlib.md5(text.encode()).digest() for text in texts]
                    plain = body.get("encoding_format") != "base64"
                    vector = (lambda key: json.dumps(struct.unpack(f"<{DIMENSIONS}f", base64.b64decode(pool[key[0]])))) if plain else (
                        lambda key: f'"{pool[key[0]]}"')
                    vectors = ",".join(f'{{"object":"embedding","index":{at},"embedding":{vector(key)}}}' for at, key in enumerate(keys))
                    tokens = sum(len(text) // 4 + 1 for text in texts)
                    data = f'{{"object":"list","model":"m","data":[{vectors}],"usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}'.encode()
                    out.write(json.dumps([asked, time.monotonic(), [key.hex()[:16] for key in keys]]) + "\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(client, "127.0.0.1", port) as server:
        await server.serve_forever()


def measure(docmill, place, rows, texts, settings, name):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = place / f"{name}.log"
    server = subprocess.Popen([sys.executable, __file__, "serve", str(port), str(log)])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        options = {"llm.provider": "openai-compatible", "llm.base_url": f"http://127.0.0.1:{port}/v1", "llm.model": "m",
                   "llm.pack.max_items": ITEMS, "llm.pack.max_tokens": 1_000_000, "output.dir": place / name, **settings}
        command = [docmill, "run", "--rows", rows, "--text-column", "text", "--job", "embed"]
        command += [part for key, value in options.items() for part in ("--set", f"{key}={value}")]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    finally:
        server.kill()
        server.wait()
    if done.returncode:
        sys.exit(done.stderr)
    packs = [json.loads(line) for line in open(log)]
    times = collections.Counter(key for _, _, keys in packs for key in keys)
    took = max(end for _, end, _ in packs) - min(start for start, _, _ in packs)
    best = texts * TEXT + -(-texts // ITEMS) * REQUEST
    sent = sum(len(keys) for _, _, keys in packs)
    if "-v" in sys.argv:
        print([len(keys) for _, _, keys in packs])
    print(f"{name}: {took:.2f} s, best {best:.2f} s, share {best / took:.3f}; {len(packs)} requests, "
          f"packs {sent / len(packs) / ITEMS:.1%} full; {len(times)} texts, {sent - len(times)} twice")


def main(docmill, texts):
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        words = "bearing shaft seal housing gear flange bolt washer spring valve pump rotor blade hinge bracket".split()
        numbers = random.Random(2)
        with open(place / "rows.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["id", "text"])
            out.writerows([at, f"{at} " + " ".join(numbers.choices(words, k=numbers.randint(8, 24)))] for at in range(texts))
        for name, settings in [("one at a time", {"llm.concurrency": 1}), ("by itself", {})]:
            measure(docmill, place, "rows.csv", texts, settings, name)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2]), sys.argv[3]))
    else:
        main(pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
