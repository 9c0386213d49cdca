#!/usr/bin/env python3
"""A run of many shards, on paper: python3 cluster.py DOCMILL [SHARDS [DOCUMENTS [MACHINES]]]

Small runs of the real commands against `moto`, an S3 server that shares no code with docmill, count
requests, bytes and CPU seconds. The counts are `fixed + per shard + per 1,000 documents`; a fourth run,
which the fit has not seen, tells whether that is so. The budget service is measured with the leases of
many processes. From these, the script computes a run of 10,000 shards and 100 million documents,
and what binds first. Needs `pip install 'moto[server]'`.
"""

import collections
import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

# What is assumed, not measured: seconds until an object store answers, and what it charges for 1,000.
ANSWER_S = {"GET": 0.03, "PUT": 0.04, "LIST": 0.1, "DELETE": 0.03}
PRICE = {"GET": 0.0004, "PUT": 0.005, "LIST": 0.005, "DELETE": 0.0}
# Bytes per second between a machine and the store, and calls per second of a machine.
BANDWIDTH, CALLS = 200e6, 300
# Requests that wait side by side on one machine, and keys on a page of a listing.
SIDE_BY_SIDE, PAGE = {"status": 32, "merge": 16}, 1000
FIT, CHECK = ((4, 20_000), (16, 20_000), (4, 80_000)), (16, 80_000)
JOB = """name = "title"
input = "text"
[[task]]
id = "title"
prompt = "{{ document }}\\n\\nGive this document a title."
max_output_tokens = 60
[task.answer]
title = "string"
"""


class Store:
    """Moto with a counter in front of it."""

    def __init__(self):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self.app = DomainDispatcherApplication(create_backend_app)
        self.seen = collections.Counter()
        self.server = make_server("127.0.0.1", 0, self.answer, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, environ, start):
        method = environ["REQUEST_METHOD"]
        if method == "GET" and ("list-type" in environ["QUERY_STRING"] or environ["PATH_INFO"].count("/") < 2):
            method = "LIST"
        method = {"HEAD": "GET", "POST": "PUT"}.get(method, method)
        self.seen[method] += 1
        self.seen["bytes in"] += int(environ.get("CONTENT_LENGTH") or 0)
        body = list(self.app(environ, start))
        self.seen["bytes out"] += sum(map(len, body))
        return body

    def take(self):
        seen, self.seen = self.seen, collections.Counter()
        return seen


def main(docmill, shards, documents, machines):
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = Store()
    runs = {size: run(docmill, store, *size) for size in (*FIT, CHECK)}
    laws = {phase: {of: law([runs[size][phase][of] for size in FIT]) for of in keys(runs, phase)} for phase in runs[CHECK]}
    print(f"fit from {FIT} (shards, documents), told for {CHECK} against what was counted:")
    for phase, amounts in laws.items():
        told = {of: at(line, *CHECK) for of, line in amounts.items()}
        print(f"  {phase}: " + ", ".join(f"{of} {told[of]:.4g}/{runs[CHECK][phase][of]:.4g}" for of in amounts))
    beats = while_at_work(docmill, store)
    print("a shard at work, per minute: " + ", ".join(f"{of} {count:.1f}" for of, count in beats.items()))
    leases = {count: purse(docmill, count) for count in (10, 100, 1000)}
    for count, ms in leases.items():
        print(f"budget service, {count} processes: {ms:.3f} ms of CPU per lease, so {count * ms / 10:.1f} % of a core")
    paper(laws, beats, leases, shards, documents, machines)


def keys(runs, phase):
    return sorted({of for run in runs.values() for of in run[phase]})


def law(counts):
    """Fixed, per shard, per 1,000 documents."""
    (s0, d0), (s1, _), (_, d2) = FIT
    per_shard = (counts[1] - counts[0]) / (s1 - s0)
    per_thousand = (counts[2] - counts[0]) / (d2 - d0) * 1000
    return counts[0] - per_shard * s0 - per_thousand * d0 / 1000, per_shard, per_thousand


def at(line, shards, documents):
    fixed, per_shard, per_thousand = line
    return max(0.0, fixed + per_shard * shards + per_thousand * documents / 1000)


def environment(store):
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    return {**os.environ, **keys, "AWS_ENDPOINT_URL": store.url, "AWS_ALLOW_HTTP": "true"}


def bucket(store):
    name = f"b{time.monotonic_ns()}"
    client = http.client.HTTPConnection("127.0.0.1", store.server.server_port)
    client.request("PUT", f"/{name}", headers={"Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request"})
    assert client.getresponse().status == 200
    return f"s3://{name}/run"


def prepare(directory, documents):
    """Writes documents and the job."""
    os.makedirs(os.path.join(directory, "docs"))
    for n in range(documents):
        with open(os.path.join(directory, "docs", f"scan-2026-{n:09}.txt"), "w") as file:
            file.write(f"Letter {n}: the heat pump in room {n % 97} dries wood.\n")
    with open(os.path.join(directory, "job.toml"), "w") as file:
        file.write(JOB)


def run(docmill, store, shards, documents):
    """Counts all phases of a run."""
    with tempfile.TemporaryDirectory() as directory:
        prepare(directory, documents)
        place, counted = bucket(store), {}
        fast = ["--set", "simulator.latency_ms=0", "--set", "simulator.jitter_ms=0", "--set", "llm.concurrency=64"]
        what = ["docs", "--job", "job.toml", "--run", place]

        def phase(name, *words):
            store.take()
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
            subprocess.run([docmill, *words], cwd=directory, env=environment(store), check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seen = counted.setdefault(name, collections.Counter())
            seen.update(store.take())
            seen["cpu s"] += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            seen["wall s"] += time.time() - began

        phase("manifest", "manifest", *what)
        phase("plan", "shards", "plan", *what, "--shards", str(shards))
        for number in range(shards):
            phase("shards", "run", *what, "--shard", f"{number}/{shards}", "--quiet", *fast,
                  "--set", f"shards.scratch={directory}/scratch", "--set", "shards.save_s=600", "--set", "shards.fence_s=600")
        phase("status", "status", "--run", place)
        phase("merge", "merge", "--run", place, "--output", "merged")
        rows = sum(1 for _ in open(os.path.join(directory, "merged", "title", "results.jsonl")))
        assert rows == documents, (rows, documents)
        return counted


def while_at_work(docmill, store):
    """Requests of a slow shard that depend on time alone, per minute."""
    counts = []
    for documents in (10, 70):
        with tempfile.TemporaryDirectory() as directory:
            prepare(directory, documents)
            what = ["docs", "--job", "job.toml", "--run", bucket(store)]
            call = {"cwd": directory, "env": environment(store), "check": True, "stdout": subprocess.DEVNULL}
            subprocess.run([docmill, "shards", "plan", *what, "--shards", "1"], **call)
            store.take()
            slow = ["--set", "simulator.latency_ms=1000", "--set", "simulator.jitter_ms=0", "--set", "llm.concurrency=1"]
            subprocess.run([docmill, "run", *what, "--shard", "0/1", "--quiet", *slow,
                            "--set", f"shards.scratch={directory}/scratch"], **call)
            counts.append(store.take())
    return {of: counts[1][of] - counts[0][of] for of in ANSWER_S if counts[1][of] > counts[0][of]}


def purse(docmill, processes):
    """Milliseconds of CPU of a lease, with so many processes."""
    with tempfile.TemporaryDirectory() as directory:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        command = [docmill, "budget", "serve", "ledger", "--bind", str(port), "--token-file", "token",
                   "--requests-per-minute", "600000", "--max-usd", "100000"]
        service = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE)
        try:
            service.stdout.readline()
            token = open(os.path.join(directory, "token")).read().strip()
            client = http.client.HTTPConnection("127.0.0.1", port)

            def lease(node, turn):
                spent = turn * 100 + 100
                held = {"per_second": [None] * 4, "burst": [0.0] * 4, "most": None, "window_s": 0.0, "in_flight": None}
                body = {"version": 1, "node": f"n{node}", "account": "one", "label": "one", "lease": 0, "held": held, "held_s": 0.0,
                        "waits": True, "used": [turn * 10.0, 0, 0, 0], "in_flight": 8, "closed_s": 0.0, "ramps": 0, "declared": [0.0] * 4,
                        "leaves": False, "spenders": [{"id": f"store{node}", "spent": spent, "needs": spent + 10, "wants": spent + 1000,
                                                       "ended": False, "settled": []}]}
                client.request("POST", "/v1/lease", json.dumps(body),
                               {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
                reply = client.getresponse()
                text = reply.read()
                assert reply.status == 200, text
                return json.loads(text)

            for node in range(processes):
                lease(node, 0)
            turns = max(1, 1000 // processes)
            before = cpu_s(service.pid)
            for turn in range(1, turns + 1):
                for node in range(processes):
                    lease(node, turn)
            return (cpu_s(service.pid) - before) / (turns * processes) * 1000
        finally:
            service.kill()
            service.wait()


def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def paper(laws, beats, leases, shards, documents, machines):
    print(f"\n{shards:,} shards, {documents:,} documents, {machines} machines at {CALLS} calls/s each:")
    work_s = documents / CALLS / machines
    totals, times = collections.Counter(), {}
    for phase, amounts in laws.items():
        amount = {of: at(line, shards, documents) for of, line in amounts.items()}
        if phase == "shards":
            minutes = work_s * machines / 60
            for of, count in beats.items():
                amount[of] = amount.get(of, 0) + count * minutes
        side_by_side = machines if phase == "shards" else 1
        answers = sum(amount.get(of, 0) * wait for of, wait in ANSWER_S.items()) / side_by_side / SIDE_BY_SIDE.get(phase, 1)
        moved = (amount.get("bytes in", 0) + amount.get("bytes out", 0)) / BANDWIDTH / side_by_side
        computed = amount["cpu s"] / side_by_side
        cost = sum(amount.get(of, 0) * price / 1000 for of, price in PRICE.items())
        totals["$"] += cost
        requests = ", ".join(f"{amount[of]:,.0f} {of}" for of in ANSWER_S if amount.get(of, 0) >= 0.5)
        print(f"  {phase}: {requests}; {amount.get('bytes in', 0) / 1e9:.2f} GB in, {amount.get('bytes out', 0) / 1e9:.2f} GB out; ${cost:.2f}")
        print(f"    on each machine {answers:,.0f} s of answers, {moved:,.0f} s of transfer, {computed:,.0f} s of CPU")
        times[phase] = {"answers": answers, "transfer": moved, "CPU": computed}
    pages = documents / PAGE
    times["listing of an input in a bucket"] = {"answers": pages * ANSWER_S["LIST"]}
    print(f"  listing, if the input is in a bucket: {pages:,.0f} LIST; ${pages * PRICE['LIST'] / 1000:.2f}")
    known = max(count for count in leases)
    core = machines * leases[min((count for count in leases if count >= machines), default=known)] / 1000
    print(f"  purse: {machines} leases/s, {100 * core:.1f} % of a core")
    print(f"  calls: {work_s / 3600:.1f} h of work; requests to the store cost ${totals['$']:.2f}")
    bounds = {phase: max(parts, key=parts.get) for phase, parts in times.items()}
    for phase, worst in sorted(bounds.items(), key=lambda bound: -times[bound[0]][bound[1]]):
        seconds = times[phase][worst]
        print(f"  {phase} is bound by {worst}: {seconds:,.0f} s, {100 * seconds / work_s:.1f} % of the time for the calls")


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[2:]] + [10_000, 100_000_000, 100][len(sys.argv) - 2:]
    main(os.path.abspath(sys.argv[1]), *numbers)
