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

  // One call at a time, and killed: the call in flight is lost, and the earlier requests still count.
  await second.click("New run", "nav");
  await second.type("#text", texts(5));
  const [single] = await second.run("sequential");
  await someRows(second, 1);
  await second.see(".waterfall rect.open");
  await server.end("SIGKILL");
  const sent = () => server.query(single, "SELECT count(*) FROM attempts")[0][0];
  const before = sent();
  await server.start();
  await second.see(".waterfall rect.lost");
  await second.state("running");
  await second.atLeast("Requests", before);
  await second.until(() => document.querySelectorAll(".waterfall rect.open").length <= 1);
  assert.ok(!(await second.text(".figures")).includes("llm.concurrency"));
  // Killed while it is paused: the counts are there before it goes on.
  await second.click("Pause", ".actions");
  await second.state("paused");
  await server.end("SIGKILL");
  const both = sent();
  await second.read(".state", "No connection");
  await server.start();
  await second.state("paused");
  await second.atLeast("Requests", both);
  assert.equal((await second.page.$$(".waterfall rect.open")).length, 0);
  await second.look("paused");
  await second.click("Resume", ".actions");
  await second.state("complete");
  await someRows(second, 5);

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
  assert.equal(await second.text(".lane .state"), "cancelled by a client");
  assert.ok((await rows(second)) >= 1);
  await second.look("cancelled");
  const [cancelled] = await second.ids();
  await window.page.bringToFront();
  await window.page.goto(`${server.url}/#run=${cancelled}`);
  await window.state("cancelled");
  await second.page.bringToFront();
  await second.click("Resume", ".actions");
  await second.state("complete");
  await someRows(second, 12);
  // Another window sees that the ended run has gone on.
  await window.page.bringToFront();
  await window.state("complete");

  await second.page.bringToFront();
  await second.click("Runs", "nav");
  await second.page.waitForFunction(() => document.querySelectorAll("#run-list tr").length === 4);
  window.check(isLost);
  second.check(isLost);

  // An unknown run is not looked for again.
  const unknown = await Window.open(browser, server, `#run=run_${"0".repeat(32)}`);
  await unknown.read(".lane .state", "There is no such run");
  unknown.check((message) => message.includes("404"));
} finally {
  await browser.close();
  await server.end("SIGKILL");
}
