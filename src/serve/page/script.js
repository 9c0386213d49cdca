// The page of docmill serve. All content comes from the API. Texts are only ever set as text, never
// as markup, because documents, answers and names come from strangers.

const byId = (id) => document.getElementById(id);
const state = { files: [], jobs: [], follow: null };

/// Creates an element with text and attributes.
function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function headers(more = {}) {
  const key = sessionStorage.getItem("key");
  return key ? { ...more, authorization: `Bearer ${key}` } : more;
}

/// Sends a request. An error of the server becomes an exception with its words.
async function call(path, options = {}) {
  const response = await fetch(path, { ...options, headers: headers(options.headers) });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  byId("key-form").hidden = response.status !== 401;
  throw new Error(problem.detail ?? `the server answered with status ${response.status}`);
}

const json = async (path, options) => (await call(path, options)).json();

function complain(error) {
  const place = byId("problem");
  place.hidden = !error;
  place.textContent = error ? error.message : "";
}

/// Runs a task of the user: shows its error, and nothing of an earlier one.
async function attempt(task) {
  complain(null);
  try {
    return await task();
  } catch (error) {
    if (error.name !== "AbortError") complain(error);
    return null;
  }
}

const dollars = (usd) => (usd === null || usd === undefined ? "unknown" : usd === 0 ? "$0" : `$${usd.toPrecision(3)}`);
const seconds = (s) => (s === null || s === undefined ? "unknown" : `${s < 10 ? s.toFixed(1) : Math.round(s)} s`);
const range = (r, show) => (r ? (show(r.low) === show(r.high) ? show(r.low) : `${show(r.low)} to ${show(r.high)}`) : "unknown");
const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

// ---- New run

const SAMPLES = [
  "The new pump runs quietly and needs half the power of the old one. Our workshop is very happy with it.",
  "After two weeks the display went dark. The support line kept me waiting for an hour, and nobody called back.",
  "The museum opens at ten and closes at six. Tickets for the spring exhibition are sold at the entrance.",
  "Please send the invoice for order 4711 again. The amount of 1,250 euros does not agree with our contract.",
];

function showFiles() {
  const items = state.files.map((file, at) => {
    const item = element("li", `${file.name} (${Math.ceil(file.size / 1000)} kB) `);
    const remove = element("button", "Remove", { type: "button", "aria-label": `Remove ${file.name}` });
    remove.addEventListener("click", () => {
      state.files.splice(at, 1);
      showFiles();
    });
    item.append(remove);
    return item;
  });
  byId("chosen").replaceChildren(...items);
}

function addFiles(list) {
  for (const file of list) {
    if (!state.files.some((other) => other.name === file.name)) state.files.push(file);
  }
  showFiles();
}

/// The body of a submission. `settings` and `label` tell runs of the same documents apart.
function submission({ settings = {}, label = "", held = false } = {}) {
  const texts = byId("text").value.split(/\n\s*\n/).map((text) => text.trim()).filter((text) => text !== "");
  const run = { texts, settings, label, held };
  const job = state.jobs.find((one) => one.name === byId("job").value);
  const file = byId("job-file").value;
  if (job && job.file !== null && file !== job.file) run.job_file = file;
  else if (job) run.job = job.name;
  const cap = byId("max-usd").valueAsNumber;
  if (cap > 0) run.max_usd = cap;
  const body = new FormData();
  body.append("run", JSON.stringify(run));
  for (const file of state.files) body.append("documents", file, file.name);
  return { method: "POST", body };
}

function showEstimate(estimate) {
  const both = how() === "both";
  const times = both ? 2 : 1;
  const lines = [
    ["Documents", `${estimate.documents}`],
    ["Calls", `${estimate.calls * times}`],
    ["Cost", range(estimate.cost_usd && { low: estimate.cost_usd.low * times, high: estimate.cost_usd.high * times }, dollars)],
    ["In parallel", range(estimate.seconds, seconds)],
    ["One after another", seconds(estimate.seconds_one_by_one)],
  ];
  if (both) lines[2][1] += ` (each ${range(estimate.cost_usd, dollars)})`;
  const list = element("dl", "", { class: "figures" });
  list.append(...lines.map(([name, value]) => figure(name, value)));
  const notes = [...estimate.notes, ...Object.entries(estimate.failures).map(([code, n]) => `${n} will fail: ${code}`)];
  byId("estimated").replaceChildren(element("h3", "Estimate"), list, ...notes.map((note) => element("p", note)));
}

function figure(name, value) {
  const group = element("div");
  group.append(element("dt", name), element("dd", value));
  return group;
}

const how = () => document.querySelector("input[name=how]:checked").value;
const ONE_BY_ONE = { "llm.concurrency": 1, "llm.documents": 1 };

async function submit() {
  const kind = how();
  const start = async (settings, label) => (await json("/api/runs", submission({ settings, label }))).id;
  const ids = [];
  if (kind !== "parallel") ids.push(await start(ONE_BY_ONE, "one after another"));
  if (kind !== "sequential") ids.push(await start({}, kind === "both" ? "in parallel" : ""));
  state.files = [];
  showFiles();
  location.hash = `run=${ids.join(",")}`;
}

async function busy(button, task) {
  button.disabled = true;
  await attempt(task);
  button.disabled = false;
}

async function loadJobs() {
  state.jobs = (await json("/api/jobs")).jobs;
  byId("job").replaceChildren(...state.jobs.map((job) => element("option", `${job.name}: ${job.about}`, { value: job.name })));
  chooseJob();
}

function chooseJob() {
  const job = state.jobs.find((one) => one.name === byId("job").value);
  byId("job-details").hidden = !job || job.file === null;
  byId("job-file").value = job?.file ?? "";
}

// ---- Runs

async function showRuns(before) {
  const page = await json(`/api/runs?limit=50${before ? `&before=${before}` : ""}`);
  const rows = page.runs.map((run) => {
    const row = element("tr");
    const link = element("a", new Date(run.created).toLocaleString(), { href: `#run=${run.id}` });
    const name = element("td");
    name.append(link);
    const done = run.progress?.answered ?? run.documents.done;
    const job = [run.job ?? "", run.label ?? ""].filter((part) => part !== "").join(", ");
    row.append(name, element("td", job), element("td", stateOf(run)), element("td", `${done}`), element("td", dollars(run.cost_usd)));
    return row;
  });
  if (before) byId("run-list").append(...rows);
  else byId("run-list").replaceChildren(...rows);
  const older = byId("older");
  older.hidden = !page.next;
  older.onclick = () => attempt(() => showRuns(page.next));
}

const stateOf = (run) => (run.held && !["complete", "cancelled", "stopped", "failed"].includes(run.state) ? (run.state === "queued" ? "held" : "paused") : run.state);

// ---- One run, or two side by side

class Lane {
  constructor(id, place) {
    this.id = id;
    this.calls = new Map();
    this.after = 0;
    this.rows = 0;
    this.root = byId("lane").content.cloneNode(true).firstElementChild;
    this.part = (selector) => this.root.querySelector(selector);
    this.part("[role=region]").setAttribute("aria-label", `Rows of run ${place.children.length + 1}`);
    place.append(this.root);
  }

  /// Follows the run until it has ended or the page shows something else.
  async follow(signal, changed) {
    this.changed = changed;
    while (!signal.aborted) {
      try {
        await this.stream(signal);
        if (this.ended()) break;
      } catch (error) {
        if (signal.aborted) return;
        // The server restarts, or the connection is lost.
        this.part(".state").textContent = `no connection: ${error.message}. Trying again`;
      }
      await new Promise((wake) => setTimeout(wake, 1000));
    }
    await this.refresh(signal);
  }

  ended() {
    return this.run && ["complete", "cancelled", "stopped", "failed"].includes(this.run.state);
  }

  async stream(signal) {
    const more = this.last ? { "last-event-id": this.last } : {};
    const response = await call(`/api/runs/${this.id}/events`, { headers: more, signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value;
      const blocks = text.split("\n\n");
      text = blocks.pop();
      let dirty = false;
      for (const block of blocks) dirty = this.take(block) || dirty;
      if (dirty) await this.refresh(signal);
    }
  }

  /// Takes one event. Returns whether rows may have changed.
  take(block) {
    const field = (name) => block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const [name, data, id] = [field("event"), field("data"), field("id")];
    if (id) this.last = id;
    if (!name || !data) return false;
    if (name === "run") this.run = JSON.parse(data);
    if (name === "progress") this.progress = JSON.parse(data);
    return true;
  }

  /// Fetches new calls and rows, and shows everything.
  async refresh(signal) {
    for (;;) {
      const page = await json(`/api/runs/${this.id}/calls?after=${this.after}`, { signal });
      for (const one of page.calls) this.calls.set(one.id, one);
      if (page.next === undefined || page.next === this.after) break;
      this.after = page.next;
    }
    const page = await json(`/api/runs/${this.id}/rows?limit=200`, { signal });
    this.show(page.rows);
    this.changed();
  }

  show(rows) {
    const { run, progress } = this;
    this.part("h3").textContent = run.label || run.job || "Run";
    this.part(".state").textContent = stateOf(run) + (run.message ? `: ${run.message}` : "");
    const total = progress?.documents ?? run.documents.done + (run.documents.pending ?? 0);
    const done = this.ended() ? run.documents.done : (progress?.answered ?? 0) + (progress?.up_to_date ?? 0);
    const bar = this.part("progress");
    bar.max = Math.max(total, 1);
    bar.value = done;
    const failed = this.ended() ? run.documents.failed : (progress?.failed ?? 0);
    const lines = [
      ["Documents", `${done} of ${total}`],
      ["Failed", `${failed}`],
      ["Requests", `${this.ended() ? run.requests : (progress?.requests ?? 0)}`],
      ["Time", seconds(this.span().seconds)],
      ["Cost", dollars(this.ended() ? run.cost_usd : progress?.cost?.usd)],
      ["Bottleneck", progress?.limited_by ?? ""],
    ].filter(([, value]) => value !== "");
    this.part(".figures").replaceChildren(...lines.map(([name, value]) => figure(name, value)));
    this.showActions();
    this.showCalls();
    this.showRows(rows);
  }

  showActions() {
    const { run } = this;
    const actions = [];
    const act = (label, path) => {
      const button = element("button", label, { type: "button" });
      button.addEventListener("click", () => busy(button, () => json(`/api/runs/${this.id}/${path}`, { method: "POST" })));
      actions.push(button);
    };
    if (!this.ended()) {
      act("Cancel", "cancel");
      if (run.held) act("Resume", "resume");
      else act("Pause", "pause");
    } else if (run.state !== "complete") act("Resume", "resume");
    const key = actions.map((button) => button.textContent).join();
    if (key !== this.shownActions) {
      this.shownActions = key;
      const download = ["csv", "jsonl"].map((format) => {
        const button = element("button", `Results as ${format.toUpperCase()}`, { type: "button" });
        button.addEventListener("click", () => busy(button, () => save(`/api/runs/${this.id}/results?format=${format}`, `results.${format}`)));
        return button;
      });
      const report = element("button", "Report", { type: "button" });
      report.addEventListener("click", () => busy(report, () => save(`/api/runs/${this.id}/report`, "report.html")));
      this.part(".actions").replaceChildren(...actions, ...download, report);
    }
  }

  /// First sending, last end and duration of the calls.
  span() {
    const all = [...this.calls.values()];
    if (all.length === 0) return { seconds: null };
    const first = Math.min(...all.map((one) => one.sent_ms));
    const last = Math.max(...all.map((one) => one.ended_ms ?? Date.now()));
    return { first, last, seconds: (last - first) / 1000 };
  }

  showCalls() {
    const { first, seconds: own } = this.span();
    const chart = this.part(".waterfall");
    if (own === null) return chart.replaceChildren();
    const clock = Math.max(own, ...state.follow.lanes.map((lane) => lane.span().seconds ?? 0), 0.001);
    const all = [...this.calls.values()].sort((a, b) => a.sent_ms - b.sent_ms).slice(-400);
    const height = 150 / all.length;
    const NS = "http://www.w3.org/2000/svg";
    chart.setAttribute("viewBox", "0 0 1000 160");
    chart.setAttribute("preserveAspectRatio", "none");
    chart.setAttribute("aria-label", `${plural(this.calls.size, "call")} in ${seconds(own)}`);
    const bars = all.map((one, at) => {
      const bar = document.createElementNS(NS, "rect");
      const from = (one.sent_ms - first) / 1000 / clock;
      const to = ((one.ended_ms ?? Date.now()) - first) / 1000 / clock;
      bar.setAttribute("x", `${from * 1000}`);
      bar.setAttribute("width", `${Math.max((to - from) * 1000, 1)}`);
      bar.setAttribute("y", `${5 + at * height}`);
      bar.setAttribute("height", `${Math.max(height * 0.8, 0.5)}`);
      bar.setAttribute("class", one.ended_ms === null ? "open" : one.answered ? "answered" : "other");
      return bar;
    });
    chart.replaceChildren(...bars);
    return undefined;
  }

  showRows(rows) {
    const key = JSON.stringify(rows.map((row) => [row.index, row.status]));
    if (key === this.shownRows) return;
    this.shownRows = key;
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row.answers ?? {})))];
    const head = element("tr");
    head.append(...["document", "status", ...columns].map((name) => element("th", name, { scope: "col" })));
    this.part("thead").replaceChildren(head);
    const lines = rows.map((row) => {
      const line = element("tr");
      const status = element("td", row.status, { class: row.status === "ok" ? "good" : "bad" });
      if (row.failure) status.append(element("div", row.failure.message));
      const cells = columns.map((name) => element("td", shown(row.answers?.[name])));
      const name = element("th", row.document, { scope: "row" });
      line.append(name, status, ...cells);
      return line;
    });
    this.part("tbody").replaceChildren(...lines);
  }
}

function shown(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(shown).join("; ");
  return typeof value === "object" ? JSON.stringify(value) : `${value}`;
}

/// Saves a response as a file. A link could not send the key.
async function save(path, name) {
  const url = URL.createObjectURL(await (await call(path)).blob());
  element("a", "", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/// Speed-up of two lanes: the one-after-another lane comes first.
function showSpeedUp() {
  const [slow, fast] = state.follow.lanes;
  const place = byId("speed");
  if (!fast || !slow.run || !fast.run) return place.replaceChildren();
  const [a, b] = [slow.span().seconds, fast.span().seconds];
  if (!a || !b || fast.calls.size === 0) return place.replaceChildren();
  const answered = (lane) => [...lane.calls.values()].filter((one) => one.answered).length;
  // While a lane is at work, its rate of answers is compared.
  const rate = (lane, s) => answered(lane) / s;
  const factor = slow.ended() && fast.ended() ? a / b : rate(fast, b) / rate(slow, a);
  if (!Number.isFinite(factor)) return place.replaceChildren();
  const busyTime = [...fast.calls.values()].reduce((sum, one) => sum + ((one.ended_ms ?? Date.now()) - one.sent_ms) / 1000, 0);
  place.replaceChildren(
    element("strong", `${factor.toFixed(2)} times`),
    document.createTextNode(` as fast in parallel: ${seconds(a)} one after another, ${seconds(b)} in parallel, ${(busyTime / b).toFixed(1)} calls in flight on average.`),
  );
  return undefined;
}

async function showRun(ids) {
  const abort = new AbortController();
  byId("lanes").replaceChildren();
  byId("speed").replaceChildren();
  state.follow = { abort, lanes: [] };
  byId("run-title").textContent = ids.length > 1 ? "Side by side" : "Run";
  state.follow.lanes = ids.map((id) => new Lane(id, byId("lanes")));
  await Promise.all(state.follow.lanes.map((lane) => lane.follow(abort.signal, showSpeedUp)));
}

// ---- Pages

async function route() {
  state.follow?.abort.abort();
  const [page, argument] = (location.hash.slice(1) || "new").split("=");
  for (const name of ["new", "runs", "run"]) byId(`page-${name}`).hidden = name !== page;
  await attempt(async () => {
    if (page === "new") await loadJobs();
    if (page === "runs") await showRuns();
    if (page === "run") await showRun((argument ?? "").split(",").slice(0, 2));
  });
}

byId("files").addEventListener("change", (event) => {
  addFiles(event.target.files);
  event.target.value = "";
});
byId("samples").addEventListener("click", () => {
  byId("text").value = SAMPLES.join("\n\n");
  if (state.jobs.some((job) => job.name === "text")) byId("job").value = "text";
  chooseJob();
});
byId("job").addEventListener("change", chooseJob);
byId("job-reset").addEventListener("click", chooseJob);
byId("estimate").addEventListener("click", (event) => busy(event.target, async () => showEstimate(await json("/api/estimate", submission()))));
byId("new-form").addEventListener("submit", (event) => {
  event.preventDefault();
  busy(byId("run"), submit);
});
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", byId("key").value.trim());
  byId("key-form").hidden = true;
  route();
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  addFiles(event.dataTransfer.files);
});
window.addEventListener("hashchange", route);
route();
