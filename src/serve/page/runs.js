// The list of runs, and the page of one run or of two side by side.

import { comparison } from "./calls.js";
import { Lane } from "./lane.js";
import { attempt, byId, documentsOf, dollars, element, hasEnded, jobOf, json, spentSoFar, stateOf, wait, worded } from "./server.js";

/// Runs on a page of the list.
const RUNS = 50;
/// Milliseconds between two looks at the list.
const PAUSE = 2000;
/// Milliseconds between two drawings of calls in flight.
const FRAME = 200;

/// Shows the list, and keeps its newest page fresh until `signal`.
export async function showRuns(signal) {
  let older = false;
  const show = async (before) => {
    const page = await json(`/api/runs?limit=${RUNS}${before ? `&before=${before}` : ""}`, { signal });
    const lines = page.runs.map(line);
    if (before) byId("run-list").append(...lines);
    else byId("run-list").replaceChildren(...lines);
    byId("no-runs").hidden = before !== undefined || page.runs.length > 0;
    byId("older").hidden = !page.next;
    byId("older").onclick = () => {
      older = true;
      return attempt(() => show(page.next));
    };
    return page.runs;
  };
  await show();
  while (!signal.aborted) {
    await wait(PAUSE, signal);
    if (signal.aborted || older || document.hidden) continue;
    await show().catch(() => {});
  }
}

function line(run) {
  const row = element("tr");
  const name = element("th", "", { scope: "row" });
  name.append(element("a", new Date(run.created).toLocaleString(), { href: `#run=${run.id}` }));
  const job = [jobOf(run), run.label ?? ""].filter((part) => part !== "").join(", ");
  if (job !== "") name.append(element("div", job, { class: "job" }));
  const { documents, progress } = run;
  const state = element("td", stateOf(run), { class: run.state === "complete" ? "good" : hasEnded(run) ? "bad" : "" });
  if (run.state === "queued" && run.message) state.append(element("div", worded(run.message), { class: "why" }));
  const failed = progress?.failed ?? documents.failed;
  const counts = element("td", documentsOf(run, progress).text);
  if (failed > 0) counts.append(element("div", `${failed.toLocaleString("en")} failed`, { class: "bad" }));
  row.append(name, state, counts, element("td", costOf(run, spentSoFar(run, progress).usd)));
  return row;
}

/// Money spent; a range if some of it may not be billed.
function costOf(run, usd) {
  const [least, most] = [dollars(Math.max(usd - run.uncertain_usd, 0)), dollars(usd)];
  return least === most ? most : `${least} to ${most}`;
}

/// Shows runs with a shared clock, and follows them until `signal`.
export async function showRun(ids, signal) {
  const isPair = ids.length > 1;
  byId("run-title").textContent = isPair ? "Side by side" : "Run";
  document.title = `${isPair ? "Side by side" : "Run"} - docmill`;
  byId("lanes").replaceChildren();
  byId("speed").replaceChildren();
  let lanes = [];
  const changed = () => draw(lanes);
  lanes = ids.map((id, at) => new Lane(id, byId("lanes"), changed, isPair ? ` (${at + 1} of ${ids.length})` : ""));
  const timer = setInterval(() => lanes.some((lane) => lane.isWorking()) && draw(lanes), FRAME);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    lanes.forEach((lane) => lane.close());
  });
  while (!signal.aborted) {
    const hidden = new AbortController();
    const stop = () => hidden.abort();
    signal.addEventListener("abort", stop);
    const hide = () => document.hidden && stop();
    document.addEventListener("visibilitychange", hide);
    // A browser keeps few connections to a server, so a hidden page gives its own back.
    await Promise.all(lanes.map((lane) => lane.follow(hidden.signal)));
    document.removeEventListener("visibilitychange", hide);
    if (!hidden.signal.aborted) return;
    await visible(signal);
  }
}

/// Waits until the page can be seen.
async function visible(signal) {
  while (document.hidden && !signal.aborted) {
    await new Promise((wake) => {
      document.addEventListener("visibilitychange", wake, { once: true });
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

function draw(lanes) {
  const measured = lanes.map((lane) => lane.measure());
  const clock = Math.max(...measured.map((one) => one?.wall ?? 0), 0.1);
  lanes.forEach((lane) => lane.drawCalls(clock));
  if (lanes.length < 2 || measured.includes(null)) return;
  byId("speed").replaceChildren(...comparison(...lanes, ...measured));
}
