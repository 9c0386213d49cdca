// OpenAI's library for JavaScript against docmill serve, unchanged but for the base address.
//
// BASE_URL is the address of a server with the built-in simulator. Exits with 0 if all is right.

import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: `${process.env.BASE_URL}/v1`, apiKey: process.env.API_KEY ?? "anything" });
const model = "simulated-small";
const messages = [{ role: "user", content: "The pump is great." }];

const answered = await client.chat.completions.create({ model, messages });
assert.match(answered.choices[0].message.content, /\[simulated\]/);
assert.ok(answered._request_id.startsWith("req_"));

let text = "";
for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
  text += chunk.choices[0].delta.content ?? "";
}
assert.equal(text, answered.choices[0].message.content);

const response = await client.responses.create({ model, input: "The pump is great." });
assert.match(response.output_text, /\[simulated\]/);
const events = [];
for await (const event of await client.responses.create({ model, input: "The pump is great.", stream: true })) {
  events.push(event.type);
}
assert.equal(events.at(-1), "response.completed");

const vectors = await client.embeddings.create({ model, input: ["The pump is great.", "Bananas are yellow."] });
assert.equal(vectors.data.length, 2);
const floats = await client.embeddings.create({ model, input: ["The pump is great.", "Bananas are yellow."], encoding_format: "float" });
assert.ok(floats.data[1].embedding.every((value, at) => Math.abs(value - vectors.data[1].embedding[at]) < 1e-6));

const ids = [];
for await (const known of client.models.list()) ids.push(known.id);
assert.ok(ids.includes(model));
await assert.rejects(client.chat.completions.create({ model: "no-such-model", messages }), OpenAI.NotFoundError);

const lines = Array.from({ length: 20 }, (_, n) =>
  JSON.stringify({ custom_id: `l${n}`, method: "POST", url: "/v1/chat/completions", body: { model, messages } }),
);
const file = await client.files.create({ purpose: "batch", file: await toFile(Buffer.from(lines.join("\n")), "requests.jsonl") });
let batch = await client.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
while (!["completed", "failed"].includes(batch.status)) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  batch = await client.batches.retrieve(batch.id);
}
assert.equal(batch.request_counts.completed, 20);
const output = await (await client.files.content(batch.output_file_id)).text();
assert.deepEqual(output.trim().split("\n").map((line) => JSON.parse(line).custom_id), lines.map((line) => JSON.parse(line).custom_id));
assert.ok((await client.files.del?.(file.id) ?? (await client.files.delete(file.id))).deleted);
