// A server with keys: the page asks for one, and shows the runs of its owner only.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { launch, Server, Window } from "./page.mjs";

const { DOCMILL, WORK } = process.env;
const key = (name) => execFileSync(DOCMILL, ["serve", "--set", "serve.keys=page.toml", "--new-key", name], { cwd: WORK, encoding: "utf8" }).match(/dmk_\S+/)[0];
const [ours, theirs, reads] = [key("ours"), key("theirs"), key("reads")];
const file = join(WORK, "page.toml");
writeFileSync(file, readFileSync(file, "utf8").replace('name = "reads"', 'name = "reads"\nrole = "read"\nof = "ours"'));
const isRefused = (message) => message.includes("401");

const server = await new Server("keys", { "serve.keys": "page.toml", "simulator.latency_ms": 20 }).start();
const browser = await launch();
try {
  const window = await Window.open(browser, server);
  await window.read("#problem", "needs a key");
  await window.look("form");
  await window.type("#key", "dmk_wrong");
  await window.click("Use key");
  await window.read("#problem", "does not accept");
  await window.type("#key", ours);
  await window.click("Use key");
  await window.read("#model", "simulator");
  assert.equal(await window.page.$eval("#problem", (place) => place.hidden), true);
  await window.click("Housing", "#samples");
  const [id] = await window.run("parallel");
  await window.state("complete");
  // The picture comes with the key too.
  await window.page.waitForFunction(() => [...document.querySelectorAll(".rows img")].some((one) => one.naturalWidth > 50));
  // The key is not in the address, and survives a reload.
  assert.ok(!window.page.url().includes("dmk_"));
  await window.page.reload();
  await window.state("complete");
  await window.click("Save the report");

  // Another key sees nothing of it.
  const context = await browser.createBrowserContext();
  const other = await Window.open(context, server, `#run=${id}`);
  await other.type("#key", theirs);
  await other.click("Use key");
  await other.read(".state", "no such run");
  await other.click("Runs", "nav");
  await other.read("#no-runs", "no runs");

  // A key that may only read sees no buttons that change something.
  const reader = await Window.open(await browser.createBrowserContext(), server, `#run=${id}`);
  await reader.type("#key", reads);
  await reader.click("Use key");
  await reader.state("complete");
  await reader.read(".actions", "Results of material as CSV");
  assert.deepEqual((await reader.texts(".actions button")).filter((text) => /Resume|Cancel|Pause|Remove/.test(text)), []);
  await reader.click("New run", "nav");
  await reader.read("#read-only", "cannot start");
  reader.check(isRefused);
  window.check(isRefused);
  other.check((message) => isRefused(message) || message.includes("404"));
} finally {
  await browser.close();
  await server.end("SIGKILL");
}
