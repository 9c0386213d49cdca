"""Qdrant's client takes the points of `docmill vectors`, and sqlite-vec reads the run store.

The client checks requests with its models of the interface, and keeps points by itself.
"""

import json
import os
import re
import sqlite3
import struct
import subprocess
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import sqlite_vec
from qdrant_client import QdrantClient, models

warnings.simplefilter("ignore")
WORK = Path(os.environ["WORK"])
client = QdrantClient(":memory:")
turn = threading.Lock()
faults = []
KEY = "s3cret-key"


class Strict:
    """A model of the interface without unknown members."""

    def __init__(self, model):
        self.model = model

    def read(self, body):
        read = self.model.model_validate(body)
        unknown = set(body) - set(read.model_dump(by_alias=True))
        assert not unknown, f"unknown members {unknown}"
        return read


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if faults:
            return self.reply(faults.pop(), {"status": {"error": "busy"}})
        if self.headers.get("api-key") != KEY:
            return self.reply(403, {"status": {"error": "Must provide an API key"}})
        path, _, query = self.path.partition("?")
        name, rest = re.fullmatch(r"/collections/([^/]+)(/.*)?", path).groups()
        with turn:
            if not client.collection_exists(name) and not (self.command == "PUT" and not rest):
                return self.reply(404, {"status": {"error": f"Not found: Collection `{name}` doesn't exist!"}})
            try:
                result = self.act(name, self.command, rest or "", json.loads(body) if body else None, query)
            except Exception as error:
                return self.reply(400, {"status": {"error": f"{type(error).__name__}: {error}"}})
        self.reply(200, {"result": result, "status": "ok", "time": 0.0})

    def act(self, name, method, rest, body, query):
        match method, rest:
            case "GET", "":
                return json.loads(client.get_collection(name).model_dump_json())
            case "PUT", "":
                return client.create_collection(name, vectors_config=Strict(models.CreateCollection).read(body).vectors)
            case "PUT", "/index":
                index = Strict(models.CreateFieldIndex).read(body)
                client.create_payload_index(name, index.field_name, index.field_schema)
            case "POST", "/points":
                wanted = Strict(models.PointRequest).read(body)
                found = client.retrieve(name, wanted.ids, with_payload=wanted.with_payload, with_vectors=wanted.with_vector)
                return [json.loads(point.model_dump_json()) for point in found]
            case "PUT", "/points":
                assert "wait=true" in query
                client.upsert(name, Strict(models.PointsList).read(body).points)
            case "POST", "/points/scroll":
                wanted = Strict(models.ScrollRequest).read(body)
                # Small pages.
                found, after = client.scroll(name, wanted.filter, min(wanted.limit, 2), offset=wanted.offset, with_payload=False)
                return {"points": [{"id": point.id} for point in found], "next_page_offset": after}
            case "POST", "/points/delete":
                client.delete(name, Strict(models.PointIdsList).read(body))
            case _:
                raise ValueError(f"{method} {rest}")
        return {"operation_id": 1, "status": "completed"}

    def reply(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = answer

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{server.server_port}/collections/texts"


def docmill(*arguments, code=0, key=KEY):
    environment = {"PATH": os.environ["PATH"], "HOME": str(WORK), "QDRANT_API_KEY": key}
    done = subprocess.run([os.environ["DOCMILL"], *arguments], cwd=WORK, env=environment, capture_output=True, text=True)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def documents(**texts):
    for name, text in texts.items():
        (WORK / "texts").mkdir(exist_ok=True)
        (WORK / "texts" / f"{name}.txt").write_text(text)


def stored(output):
    """Document, chunk, text and vector of each chunk in the run store, by its SQL in the manual."""
    db = sqlite3.connect(WORK / output / "docmill.db")
    manual = subprocess.run([os.environ["DOCMILL"], "help", "vectors"], capture_output=True, text=True, check=True).stdout
    sql = re.search(r"SELECT d\.name, c\.task.*?;", manual, re.DOTALL)[0]
    return {(name, part): (text, struct.unpack(f"<{len(vector) // 4}f", vector)) for name, _, part, _, text, vector in db.execute(sql)}


def points():
    found, _ = client.scroll("texts", limit=10_000, with_vectors=True)
    return {(point.payload["document"], point.payload["chunk"]): (point.payload["text"], point.vector) for point in found}


def same(output):
    there, here = points(), stored(output)
    assert there.keys() == here.keys(), (there.keys(), here.keys())
    for key, (text, vector) in here.items():
        # Vectors of unit length, which the client normalises again.
        assert there[key][0] == text and all(abs(a - b) < 1e-6 for a, b in zip(there[key][1], vector, strict=True)), key


documents(a="bolts of steel", b="wooden tables", c="a letter about rent", d="\N{SNOWMAN} \"x\"\n")
docmill("run", "texts", "--job", "embed", "--output", "out", "--quiet")
copy = ("vectors", URL, "--output", "out")
assert "4 written, 0 removed" in docmill(*copy)
same("out")
assert "0 written, 0 removed" in docmill(*copy)
documents(b="stone tables", e="news")
(WORK / "texts/c.txt").unlink()
docmill("run", "texts", "--job", "embed", "--output", "out", "--quiet")
faults[:] = [503, 429]
assert "2 written, 1 removed" in docmill(*copy)
same("out")

query = stored("out")["a.txt", 1][1]
assert client.query_points("texts", query=list(query), limit=1).points[0].payload["document"] == "a.txt"

# Another output directory adds its own points, and removes none of these.
docmill("run", "texts/a.txt", "--job", "embed", "--output", "other", "--quiet")
assert "1 written, 0 removed" in docmill("vectors", URL, "--output", "other")
assert len(client.scroll("texts", limit=100)[0]) == 5
docmill(*copy)
assert len(client.scroll("texts", limit=100)[0]) == 5

# Wrong keys and sizes are errors, and no message shows the key.
said = docmill(*copy, code=2, key="other-secret")
assert "403" in said and "Must provide an API key" in said and "other-secret" not in said, said
client.create_collection("small", vectors_config=models.VectorParams(size=3, distance=models.Distance.COSINE))
assert "vectors of 3 dimensions" in docmill("vectors", URL.replace("texts", "small"), "--output", "out", code=2)
said = docmill("vectors", "http://192.0.2.1:6333/collections/texts", "--output", "out", code=2)
assert "plain HTTP" in said, said

# sqlite-vec takes vectors as they are in the run store.
nearest = f"""SELECT d.name FROM vectors v JOIN chunks c ON c.vector = v.id JOIN documents d ON d.id = c.document
    ORDER BY vec_distance_cosine(v.vector, x'{struct.pack(f"<{len(query)}f", *query).hex()}') LIMIT 1"""
command = ["sqlite3", "-cmd", f".load {sqlite_vec.loadable_path()}", str(WORK / "out/docmill.db"), nearest]
assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "a.txt\n"
