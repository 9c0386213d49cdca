// One call at a time and in parallel, side by side. The figures agree with the ledger of the run store.

import assert from "node:assert/strict";
import { launch, Server, Window } from "./page.mjs";

const LATENCY = Number(process.env.LATENCY_MS || 100);
const TEXTS = ["The pump runs quietly, and our workshop is happy with it.", "The display went dark after a week."];

/// Seconds from the first call to the end of the last one, by the ledger.
function wall(server, id) {
  const [[calls, first, last]] = server.query(id, "SELECT count(*), min(sent_ms), max(ended_ms) FROM attempts");
  return { calls, seconds: (last - first) / 1000 };
}

const server = await new Server("speed", { "simulator.latency_ms": LATENCY, "simulator.jitter_ms": 0 }).start();
const browser = await launch();
try {
  const window = await Window.open(browser, server);
  for (const n of [1, 2]) {
    await window.page.select("#job", "text");
    await window.type("#text", TEXTS.slice(0, n).join("\n\n"));
    await window.page.click("input[value=both]");
    await window.read("#estimated h3", `${12 * n} calls`);
    const ids = await window.run("both");
    assert.equal(ids.length, 2);
    await window.state("complete", 2);
    await window.read("#speed", "as fast in parallel");
    await window.read("#speed", "Efficiency");
    const [slow, fast] = ids.map((id) => wall(server, id));
    assert.deepEqual([slow.calls, fast.calls], [6 * n, 6 * n]);
    const shown = await window.text("#speed strong");
    assert.equal(shown, `${(slow.seconds / fast.seconds).toFixed(2)} times`);
    console.log(`${n} texts at ${LATENCY} ms: shown ${shown}, ledger ${slow.seconds} s and ${fast.seconds} s\n${await window.text("#speed")}`);
    assert.equal((await window.text("#speed")).includes("documents were at work"), n > 1);
    assert.deepEqual(await window.texts(".lane h3"), ["one after another", "in parallel"]);
    // Both charts have the same clock.
    const [left, right] = await window.page.$$eval(".axis", (axes) => axes.map((axis) => axis.innerText));
    assert.equal(left, right);
    assert.equal((await window.page.$$(".waterfall rect.answered")).length, 12 * n);
    await window.look(`side-by-side-${n}`);
    await window.click("New run", "nav");
  }

  // Time without a call is known, and lost calls do not count.
  const { wall: all, most: together, idle, answered } = await window.page.evaluate(async () => {
    const call = (sent_ms, ended_ms, more) => ({ document: "a", call: "b", sent_ms, ended_ms, answered: ended_ms !== null, lost: false, ...more });
    const calls = [call(0, 1000), call(500, 1500), call(2000, null, { lost: true }), call(3500, null)];
    return (await import("/page/calls.js")).measure(calls, 4000);
  });
  assert.deepEqual([all, together, idle, answered], [4, 2, 2, 2]);

  // Until both are complete, the seconds of the calls on both sides give the ratio.
  await window.type("#text", Array.from({ length: 12 }, (_, at) => `Text ${at} about pumps.`).join("\n\n"));
  await window.run("both");
  await window.read("#speed", "so far, for");
  const [, factor, slowly, quickly] = (await window.text("#speed")).match(/([\d.]+) times[^]*: ([\d.]+) s\. In parallel: ([\d.]+) s/).map(Number);
  const [least, most] = [(slowly - 0.05) / (quickly + 0.05), (slowly + 0.05) / Math.max(quickly - 0.05, 0.001)];
  assert.ok(least - 0.01 <= factor && factor <= most + 0.01, `${factor} is not ${slowly} / ${quickly}`);
  // A cancelled side leaves no speed-up.
  await window.click("Cancel", ".lane");
  await window.read("#speed", "Incomplete runs have no speed-up");
  assert.match(await window.text("#speed"), /^One call at a time: cancelled, with \d+ answers? in [\d.]+ s\. In parallel: /);
  assert.equal((await window.page.$$("#speed .headline")).length, 0);
  window.check();
} finally {
  await browser.close();
  await server.end("SIGKILL");
}
