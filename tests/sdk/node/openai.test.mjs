// The official OpenAI SDK for Node, unmodified. Needs ATRIUM_URL and ATRIUM_API_KEY.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { toFile } from "openai";

const chat = "gemma-3-270m";
const embedding = "multilingual-e5-small";
const client = new OpenAI({ baseURL: `${process.env.ATRIUM_URL}/v1`, apiKey: process.env.ATRIUM_API_KEY, maxRetries: 0 });

test("models", async () => {
  const ids = (await client.models.list()).data.map((model) => model.id);
  assert.ok(ids.includes(chat) && ids.includes(embedding));
});

test("chat", async () => {
  const answer = await client.chat.completions.create({
    model: chat, temperature: 0, max_tokens: 20, messages: [{ role: "user", content: "What is the capital of France?" }],
  });
  assert.match(answer.choices[0].message.content, /Paris/);
  assert.ok(answer.usage.total_tokens > 0);
});

test("streamed chat with usage", async () => {
  const stream = await client.chat.completions.create({
    model: chat, temperature: 0, max_tokens: 12, stream: true, stream_options: { include_usage: true },
    messages: [{ role: "user", content: "Name a colour." }],
  });
  let text = "";
  let usage = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.ok(text.trim().length > 0);
  assert.ok(usage.completion_tokens > 0);
});

test("JSON schema", async () => {
  const answer = await client.chat.completions.create({
    model: chat, temperature: 0, max_tokens: 60, messages: [{ role: "user", content: "Is water wet?" }],
    response_format: { type: "json_schema", json_schema: { name: "yes", strict: true, schema: {
      type: "object", properties: { answer: { type: "boolean" } }, required: ["answer"], additionalProperties: false } } },
  });
  assert.equal(typeof JSON.parse(answer.choices[0].message.content).answer, "boolean");
});

test("embeddings, as floats and as the SDK's default base64", async () => {
  const floats = await client.embeddings.create({ model: embedding, input: "hello", encoding_format: "float" });
  const decoded = await client.embeddings.create({ model: embedding, input: "hello" });
  assert.equal(floats.data[0].embedding.length, 384);
  assert.ok(Math.abs(floats.data[0].embedding[0] - decoded.data[0].embedding[0]) < 1e-3);
});

test("files and vector stores", async () => {
  const file = await client.files.create({ file: await toFile(Buffer.from("The office cat is called Pixel."), "cat.txt"), purpose: "assistants" });
  const store = await client.vectorStores.create({ name: "node" });
  const attached = await client.vectorStores.files.createAndPoll(store.id, { file_id: file.id });
  assert.equal(attached.status, "completed");
  const hits = await client.vectorStores.search(store.id, { query: "What is the cat's name?" });
  assert.match(hits.data[0].content[0].text, /Pixel/);
  await client.vectorStores.delete(store.id);
  await client.files.delete(file.id);
});

test("errors", async () => {
  await assert.rejects(client.chat.completions.create({ model: "nope", messages: [{ role: "user", content: "x" }] }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
});
