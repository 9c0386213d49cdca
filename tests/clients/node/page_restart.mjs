// Cancel, pause, reload, a second window, and restarts of the server while a run is at work.

import assert from "node:assert/strict";
import { launch, Server, Window } from "./page.mjs";

const isLost = (message) => /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|network error/.test(message);

const server = await new Server("restart", { "simulator.latency_ms": 300, "simulator.jitter_ms": 0, "llm.concurrency": 2 }).start();
const browser = await launch();
const texts = (n) => Array.from({ length: n }, (_, at) => `Text ${at} about pumps and gears.`).join("\n\n");
const rows = (window) => window.page.$$eval(".rows tbody tr", (all) => all.length);
const someRows = (window, n) => window.page.waitForFunction((n) => document.querySelectorAll(".rows tbody tr").length >= n, {}, n);
try {
  const window = await Window.open(browser, server);
  await window.page.select("#job", "text");
  await window.type("#text", texts(12));
  const [id] = await window.run("parallel");
  await someRows(window, 1);
  await window.state("running");
  await window.look("running");

  // A reload shows the run again, and a second window shows the same.
  await window.page.reload();
  await someRows(window, 2);
  const second = await Window.open(browser, server, `#run=${id}`);
  await someRows(second, 2);
  second.check();

  // Killed, and started again: the page goes on by itself, and nothing was asked twice.
  await window.page.bringToFront();
  await server.end("SIGKILL");
  await window.read(".state", "No connection");
  await window.look("lost");
  await server.start();
  await window.state("complete");
  await someRows(window, 12);
  assert.equal(await rows(window), 12);
  const [[answered, all]] = server.query(id, "SELECT count(DISTINCT document || call_key), count(*) FROM attempts WHERE outcome = 'answered'");
  assert.deepEqual([answered, all], [72, 72]);
  await window.look("restarted");
  await second.page.bringToFront();
  await second.state("complete");
  await someRows(second, 12);
  assert.deepEqual(await second.texts(".rows tbody tr"), await window.texts(".rows tbody tr"));

  // Stopped and started: the same.
  await second.click("New run", "nav");
  await second.page.select("#job", "text");
  await second.type("#text", texts(6));
  await second.run("parallel");
  await someRows(second, 1);
  await server.end("SIGTERM");
  await server.start();
  await second.state("complete");
  await someRows(second, 6);

  // A cancelled run keeps its rows, and can be resumed. A paused one waits.
  await second.click("New run", "nav");
  await second.type("#text", texts(12));
  await second.run("parallel");
  await someRows(second, 1);
  await second.click("Pause", ".actions");
  await second.state("paused");
  await second.click("Resume", ".actions");
  await second.state("running");
  await second.click("Cancel", ".actions");
  await second.state("cancelled");
  assert.ok((await rows(second)) >= 1);
  await second.look("cancelled");
  await second.click("Resume", ".actions");
  await second.state("complete");
  await someRows(second, 12);

  await second.click("Runs", "nav");
  await second.page.waitForFunction(() => document.querySelectorAll("#run-list tr").length === 3);
  window.check(isLost);
  second.check(isLost);
} finally {
  await browser.close();
  await server.end("SIGKILL");
}
