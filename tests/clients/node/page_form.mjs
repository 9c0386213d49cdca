// Documents, samples, estimates, the ways to run, rows, pictures, failures, the list and the report.

import assert from "node:assert/strict";
import { launch, Server, Window } from "./page.mjs";

const HOSTILE = ['<img src=x onerror=alert(1)>.txt', "</script><script>alert(2)</script> <b>Bold</b> pumps are great."];

const server = await new Server("form", { "simulator.latency_ms": 300, "simulator.jitter_ms": 0 }).start();
const browser = await launch();
try {
  const window = await Window.open(browser, server);
  await window.read("#model", "simulator");
  await window.look("empty");
  await window.page.click("#run");
  await window.read("#problem", "There is no document yet");

  // Dropped files, typed texts and samples are documents of one run, and the estimate comes by itself.
  await window.drop([HOSTILE, ["empty.txt", ""], ["broken.png", Buffer.from("\x89PNG\r\n\x1a\nnothing", "latin1")]]);
  await window.type("#text", 'First <i>text</i> of two.\n\nSecond text, with "quotes".');
  await window.click("Bolt and nut", "#samples");
  await window.click("Complaint", "#samples");
  await window.read("#chosen", HOSTILE[0]);
  await window.read("#estimated h3", "Estimate for 7 documents");
  assert.deepEqual(await window.texts("#estimated tbody th"), ["in parallel", "one after another", "both side by side"]);
  await window.read("#estimated", "1 document will fail: undecodable");
  await window.look("filled");
  // A second click on a sample takes it away.
  await window.click("Complaint", "#samples");
  await window.read("#estimated h3", "Estimate for 6 documents");

  const [id] = await window.run("parallel");
  await window.state("complete");
  const { rows } = await server.json(`/api/runs/${id}/rows`);
  assert.equal(rows.length, 6);
  assert.deepEqual(await window.texts(".rows tbody th"), rows.map((row) => row.document));
  await window.read(".rows", HOSTILE[0]);
  await window.read(".rows", "<b>Bold</b>");
  await window.read(".failures", "empty: 1 document");
  await window.read(".failures", "undecodable: 1 document");
  await window.page.waitForFunction(() => [...document.querySelectorAll(".rows img")].filter((one) => one.naturalWidth > 50).length === 1);
  await window.page.$eval(".stages", (details) => (details.open = true));
  assert.ok((await window.texts(".stages tbody th")).includes("ask"));
  await window.look("failures");
  // A failed document can be asked about again: it fails again.
  const asked = window.page.waitForResponse((response) => response.url().endsWith("/requeue"));
  await window.click("Ask again", ".rows");
  assert.equal((await asked).status(), 200);
  await server.until(id, "complete");
  await window.state("complete");

  // The report has the picture, and opens without its key in another window.
  const opened = new Promise((resolve) => browser.once("targetcreated", resolve));
  await window.click("Report", ".actions");
  const report = await (await opened).page();
  await report.waitForFunction(() => document.documentElement.dataset.ready === "yes" || document.querySelector("[data-ready=yes]"));
  assert.match(await report.content(), /1 of [12] images are shown/);
  await report.close();
  await window.page.bringToFront();

  // The form keeps what was typed, and what was chosen.
  await window.click("New run", "nav");
  await window.page.reload();
  await window.read("#estimated h3", "Estimate for 3 documents");
  assert.ok((await window.page.$eval("#text", (field) => field.value)).startsWith("First"));
  await window.click("Bolt and nut", "#samples");
  await window.read("#estimated h3", "Estimate for 2 documents");
  await window.read("#estimated tbody", " s");
  // Advice for the command line is said in words of the page.
  await window.drop([["table.csv", "name,size\nbolt,3\n"]]);
  await window.read("#estimated", "The API and the command line can make each row a document.");
  await window.click("Remove", "#chosen");
  await window.read("#estimated h3", "Estimate for 2 documents");

  // A cap is for both runs together.
  await window.type("#max-usd", "0.03");
  await window.page.click("input[value=both]");
  await window.read("#estimated", "Each of the two runs stops at $0.015, half of the cap.");
  await window.page.$eval("#max-usd", (field) => (field.value = ""));
  await window.page.click("input[value=parallel]");

  // A job that was edited is used as it is written.
  await window.page.select("#job", "text");
  await window.page.$eval("#job-details", (details) => (details.open = true));
  await window.page.$eval("#job-file", (field) => {
    field.value = 'name = "short"\ninput = "text"\n[[task]]\nid = "mood"\nprompt = "Which mood?"\n[task.answer]\nmood = { type = "string", enum = ["good", "bad"] }\n';
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await window.read("#estimated h3", "2 calls");
  // Another job does not take the edit away, and neither does a reload.
  await window.page.select("#job", "text-single");
  await window.page.select("#job", "text");
  assert.ok((await window.page.$eval("#job-file", (field) => field.value)).startsWith('name = "short"'));
  await window.page.select("#job", "text-single");
  await window.page.reload();
  await window.read("#estimated h3", "Estimate for 2 documents");
  await window.page.select("#job", "text");
  await window.page.$eval("#job-details", (details) => (details.open = true));
  await window.read("#estimated h3", "2 calls");
  await window.run("sequential");
  await window.state("complete");
  assert.deepEqual(await window.texts(".rows thead th"), ["document", "status", "mood"]);

  // Mistakes of the job are shown in its words, and the form stays.
  await window.click("New run", "nav");
  await window.type("#job-file", "name = 1");
  await window.read("#problem", "job.toml:1: name: expected a string");
  assert.ok(!(await window.text("#problem")).includes(server.dir), "the page shows a path of the server");
  await window.look("problem");
  await window.click("Undo changes");
  await window.read("#estimated h3", "12 calls");

  await window.click("Runs", "nav");
  await window.read("#run-list", "complete");
  await window.read("#run-list .job", "short (own job file)");
  assert.equal((await window.texts("#run-list tr")).length, 2);
  await window.look("list");

  // A run is removed when the user says so twice.
  await window.page.click("#run-list a");
  await window.state("complete");
  await window.click("Remove", ".actions");
  await window.look("remove");
  await window.click("Remove it", "dialog");
  await window.page.waitForFunction(() => document.querySelectorAll("#run-list tr").length === 1);
  window.check((message) => message.includes("422"));
} finally {
  await browser.close();
  await server.end("SIGKILL");
}
