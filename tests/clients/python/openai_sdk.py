"""OpenAI's Python library against docmill serve, unchanged but for the base address.

BASE_URL is the address of a server with the built-in simulator. Exits with 0 if all is right.
"""

import base64
import json
import os
import struct
import time

import openai

client = openai.OpenAI(base_url=os.environ["BASE_URL"] + "/v1", api_key=os.environ.get("API_KEY", "anything"))
MODEL = "simulated-small"
MESSAGES = [{"role": "user", "content": "The pump is great. It runs without noise."}]


def fails(expected, call):
    try:
        call()
    except expected as error:
        return error
    raise AssertionError(f"expected {expected.__name__}")


def chat():
    answered = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_completion_tokens=100)
    text = answered.choices[0].message.content
    assert "[simulated]" in text and answered.usage.prompt_tokens > 0, answered
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=MESSAGES)
    assert raw.headers["x-docmill-attempts"] == "1" and float(raw.headers["x-docmill-cost-usd"]) == 0
    assert raw.parse()._request_id == raw.headers["x-request-id"]

    chunks = list(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    usage = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert list(usage)[-1].usage.prompt_tokens > 0

    schema = {"type": "object", "properties": {"good": {"type": "boolean"}}, "required": ["good"], "additionalProperties": False}
    strict = {"type": "json_schema", "json_schema": {"name": "judgement", "strict": True, "schema": schema}}
    answered = client.chat.completions.create(model=MODEL, messages=MESSAGES, response_format=strict)
    assert isinstance(json.loads(answered.choices[0].message.content)["good"], bool)


def responses():
    answered = client.responses.create(model=MODEL, input="The pump is great.")
    assert "[simulated]" in answered.output_text and answered.usage.input_tokens > 0
    with client.responses.stream(model=MODEL, input="The pump is great.") as stream:
        events = [event.type for event in stream]
        assert events[0] == "response.created" and events[-1] == "response.completed", events
        assert stream.get_final_response().output_text == answered.output_text
    kept = client.responses.create(model=MODEL, input="The pump is great.", store=True)
    assert client.responses.retrieve(kept.id).output_text == kept.output_text
    client.responses.delete(kept.id)
    try:
        client.responses.retrieve(kept.id)
        raise AssertionError("the response was not deleted")
    except openai.NotFoundError as error:
        assert "not found" in str(error)


def embeddings():
    texts = ["The pump is great.", "The pump runs well.", "Bananas are yellow."]
    # The library asks for base64 and decodes it.
    usual = client.embeddings.create(model=MODEL, input=texts)
    floats = client.embeddings.create(model=MODEL, input=texts, encoding_format="float")
    assert [item.index for item in usual.data] == [0, 1, 2] and usual.usage.prompt_tokens == floats.usage.prompt_tokens
    for one, other in zip(usual.data, floats.data):
        assert all(abs(a - b) < 1e-6 for a, b in zip(one.embedding, other.embedding, strict=True))
    raw = client.embeddings.with_raw_response.create(model=MODEL, input="The pump is great.", encoding_format="base64")
    coded = json.loads(raw.text)["data"][0]["embedding"]
    vector = struct.unpack(f"<{len(base64.b64decode(coded)) // 4}f", base64.b64decode(coded))
    assert all(abs(a - b) < 1e-6 for a, b in zip(vector, usual.data[0].embedding, strict=True))
    assert len(client.embeddings.create(model=MODEL, input=[[1, 2, 3], [4, 5]]).data) == 2


def models_and_errors():
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).id == MODEL
    error = fails(openai.NotFoundError, lambda: client.chat.completions.create(model="no-such-model", messages=MESSAGES))
    assert error.code == "model_not_found", error
    error = fails(
        openai.BadRequestError, lambda: client.chat.completions.create(model=MODEL, messages=MESSAGES, max_completion_tokens=0)
    )
    assert error.param == "max_completion_tokens", error
    fails(openai.NotFoundError, lambda: client.batches.retrieve("batch_none"))
    fails(openai.NotFoundError, lambda: client.files.retrieve("file-none"))


def line(name, body, url="/v1/chat/completions"):
    return json.dumps({"custom_id": name, "method": "POST", "url": url, "body": body}) + "\n"


def upload(lines):
    return client.files.create(file=("requests.jsonl", "".join(lines).encode()), purpose="batch")


def ended(batch):
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(0.1)
        batch = client.batches.retrieve(batch.id)
    return batch


def batches():
    good = [line(f"good-{n}", {"model": MODEL, "messages": [{"role": "user", "content": f"Text {n}."}]}) for n in range(20)]
    bad = [line("bad", {"model": "no-such-model", "messages": MESSAGES})]
    file = upload(good[:10] + bad + good[10:])
    assert file.purpose == "batch" and client.files.retrieve(file.id) == file
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"run": "r1"}
    )
    assert batch.status in ("validating", "in_progress") and batch.output_file_id is None
    batch = ended(batch)
    assert batch.status == "completed" and batch.metadata == {"run": "r1"}, batch
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (21, 20, 1), counts
    results = [json.loads(text) for text in client.files.content(batch.output_file_id).text.splitlines()]
    assert [result["custom_id"] for result in results] == [f"good-{n}" for n in range(20)]
    assert all(result["response"]["status_code"] == 200 for result in results)
    failed = [json.loads(text) for text in client.files.content(batch.error_file_id).text.splitlines()]
    assert [(result["custom_id"], result["response"]["status_code"]) for result in failed] == [("bad", 404)]

    wrong = upload(good[:1] + good[:1] + ["{\n"])
    invalid = ended(client.batches.create(input_file_id=wrong.id, endpoint="/v1/chat/completions", completion_window="24h"))
    assert invalid.status == "failed" and [error.line for error in invalid.errors.data] == [2, 3], invalid

    many = upload([line(f"l{n}", {"model": MODEL, "input": f"Text {n}."}, "/v1/responses") for n in range(3000)])
    batch = client.batches.create(input_file_id=many.id, endpoint="/v1/responses", completion_window="1h")
    while batch.request_counts is None or batch.request_counts.completed == 0:
        batch = client.batches.retrieve(batch.id)
    batch = ended(client.batches.cancel(batch.id))
    assert batch.status == "cancelled", batch
    partial = client.files.content(batch.output_file_id).text.splitlines()
    assert 0 < len(partial) == batch.request_counts.completed < 3000

    # The library fetches page after page.
    assert batch.id in [other.id for other in client.batches.list(limit=1)]
    assert file.id in [other.id for other in client.files.list(limit=2)]
    assert client.files.delete(file.id).deleted
    fails(openai.NotFoundError, lambda: client.files.content(file.id))


for part in (chat, responses, embeddings, models_and_errors, batches):
    part()
    print(part.__name__, "ok")
