// promptfoo: three tests with the provider for OpenAI, as its command line runs them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const { API_KEY, BASE_URL, MODEL, WORK } = process.env;
const config = {
  description: "docmill",
  prompts: ["Say something about {{topic}}."],
  providers: [{ id: `openai:chat:${MODEL}`, config: { apiBaseUrl: `${BASE_URL}/v1`, apiKey: API_KEY, temperature: 0 } }],
  tests: ["pumps", "gears", "valves"].map((topic) => ({ vars: { topic }, assert: [{ type: "javascript", value: "output.length > 0" }] })),
};
writeFileSync(join(WORK, "promptfooconfig.json"), JSON.stringify(config));
const program = join(import.meta.dirname, "node_modules/.bin/promptfoo");
const results = join(WORK, "results.json");
const quiet = { PROMPTFOO_DISABLE_TELEMETRY: "1", PROMPTFOO_DISABLE_UPDATE: "1", PROMPTFOO_DISABLE_REMOTE_GENERATION: "1", PROMPTFOO_SELF_HOSTED: "1" };
const args = ["eval", "--config", join(WORK, "promptfooconfig.json"), "--output", results, "--no-cache", "--no-progress-bar", "--no-table", "--no-share"];
execFileSync(process.execPath, [program, ...args], { cwd: WORK, stdio: "inherit", env: { ...process.env, ...quiet } });

const { stats, results: tests } = JSON.parse(readFileSync(results, "utf8")).results;
assert.deepEqual([stats.successes, stats.failures, stats.errors], [3, 0, 0], JSON.stringify(stats));
for (const test of tests) {
  assert.ok(test.response.output.length > 0, JSON.stringify(test));
  assert.ok(test.response.tokenUsage.total > 0, JSON.stringify(test.response));
}
