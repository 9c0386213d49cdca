"""A thousand concurrent requests for one vector each become few requests to the provider.

The simulator's ledger counts them. Exits with 0 if they are at most 1.2 times the fewest possible,
and each text has the vector that it has alone.
"""

# A wait that is longer than a busy machine takes to send all requests:
# docmill: serve.max_wait_ms = 15000

import asyncio
import json
import math
import os
import time
import urllib.request

import openai

COUNT = 1000
# Inputs in one request to a server that docmill does not know.
MAX_ITEMS = 32
SIMULATOR = os.environ["SIMULATOR"]
MODEL = os.environ["MODEL"]
TEXTS = [f"Text number{number} speaks of subject{number % 7}." for number in range(COUNT)]


def ledger():
    with urllib.request.urlopen(f"{SIMULATOR}/ledger") as response:
        return json.load(response)


async def ask_all():
    # A connection on which nothing comes for 10 seconds is closed, so a slow client connects again.
    client = openai.AsyncOpenAI(base_url=os.environ["BASE_URL"] + "/v1", api_key=os.environ["API_KEY"], max_retries=5, timeout=120)
    ready = asyncio.Event()

    async def ask(text):
        await ready.wait()
        began = time.monotonic()
        answered = await client.embeddings.create(model=MODEL, input=text)
        assert len(answered.data) == 1 and answered.data[0].index == 0
        assert answered.usage.prompt_tokens == answered.usage.total_tokens > 0
        return answered.data[0].embedding, answered.usage.prompt_tokens, time.monotonic() - began

    asked = [asyncio.create_task(ask(text)) for text in TEXTS]
    await asyncio.sleep(0)
    ready.set()
    return await asyncio.gather(*asked)


before = ledger()
answers = asyncio.run(ask_all())
after = ledger()

direct = openai.OpenAI(base_url=SIMULATOR + "/v1", api_key="anything").embeddings
for first in range(0, COUNT, MAX_ITEMS):
    part = slice(first, first + MAX_ITEMS)
    for answer, expected in zip(answers[part], direct.create(model=MODEL, input=TEXTS[part]).data, strict=True):
        assert answer[0] == expected.embedding

made = {name: after[name] - before[name] for name in ("requests", "embedded_inputs", "embedded_again", "input_tokens")}
fewest = math.ceil(COUNT / MAX_ITEMS)
waits = sorted(answer[2] for answer in answers)
print(
    f"{COUNT} requests became {made['requests']}, {made['requests'] / fewest:.2f} times the fewest ({fewest}); "
    f"median {waits[COUNT // 2]:.2f} s, longest {waits[-1]:.2f} s"
)
assert made["embedded_inputs"] == COUNT and made["embedded_again"] == 0, made
assert made["input_tokens"] == sum(answer[1] for answer in answers), made
assert made["requests"] * 10 <= fewest * 12, made
