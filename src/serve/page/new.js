// The form of a new run: documents, job, estimate, and how to run.

import { amount, attempt, busy, byId, call, complain, dollars, element, IN_PARALLEL, json, knownJobs, ONE_BY_ONE, plural, range, seconds, wait, worded } from "./server.js";

/// Documents to try the server with, which are part of the program.
const SAMPLES = [
  ["hex-bolt-nut.jpg", "Bolt and nut"],
  ["electronics-housing.webp", "Housing"],
  ["rubber-bellows.jpg", "Bellows"],
  ["line-insulator.jpg", "Insulator"],
  ["complaint-letter.txt", "Complaint"],
  ["news-harbour-crane.txt", "News"],
  ["heat-pump-drying.md", "Article"],
  ["glockengiesserei.txt", "German report"],
];
/// Larger submissions are estimated on request only, because an estimate uploads them.
const ESTIMATED_BYTES = 8e6;
/// Milliseconds without a change before an estimate.
const STILL = 500;
/// Settings of a run that sends one call at a time.
const ONE_AT_A_TIME = { "llm.concurrency": 1, "llm.documents": 1 };
const HOW = { parallel: IN_PARALLEL, sequential: ONE_BY_ONE, both: "both side by side" };
/// Fields that survive a reload.
const DRAFT = ["text", "job", "max-usd"];

/// `edits` are changed job files, by the name of their job.
const form = { files: [], jobs: [], edits: {}, change: 0, mayRun: false };

const how = () => document.querySelector("input[name=how]:checked").value;
const texts = () => byId("text").value.split(/\n\s*\n/).map((text) => text.trim()).filter((text) => text !== "");
const isEmpty = () => texts().length === 0 && form.files.length === 0;
const bytes = () => form.files.reduce((sum, file) => sum + file.size, byId("text").value.length);

// ---- Documents

function showFiles() {
  const items = form.files.map((file, at) => {
    const item = element("li", `${file.name} (${Math.ceil(file.size / 1000)} kB) `);
    const remove = element("button", "Remove", { type: "button", "aria-label": `Remove ${file.name}` });
    remove.addEventListener("click", () => {
      form.files.splice(at, 1);
      showFiles();
    });
    item.append(remove);
    return item;
  });
  byId("chosen").replaceChildren(...items);
  for (const button of byId("samples").children) button.setAttribute("aria-pressed", `${hasFile(button.dataset.name)}`);
  changed();
}

const hasFile = (name) => form.files.some((file) => file.name === name);

export function addFiles(list) {
  const names = [];
  for (const file of list) {
    if (hasFile(file.name)) names.push(file.name);
    else form.files.push(file);
  }
  showFiles();
  if (names.length > 0) throw new Error(`${names.join(", ")}: there is a document with this name. Remove it first, or rename the file.`);
}

async function toggleSample(name) {
  if (hasFile(name)) form.files = form.files.filter((file) => file.name !== name);
  else {
    const content = await (await call(`/page/samples/${name}`)).blob();
    form.files.push(new File([content], name));
  }
  showFiles();
}

function showSamples() {
  const buttons = SAMPLES.map(([name, about]) => {
    const button = element("button", "", { type: "button", class: "sample", "aria-pressed": "false" });
    button.dataset.name = name;
    if (/\.(jpg|webp)$/.test(name)) button.append(element("img", "", { src: `/page/samples/${name}`, alt: "" }));
    button.append(element("span", about));
    button.addEventListener("click", () => attempt(() => toggleSample(name)));
    return button;
  });
  byId("samples").replaceChildren(...buttons);
}

// ---- Job

export async function showForm() {
  const { jobs, provider, model, default: usual, may_run } = await knownJobs(true);
  form.jobs = jobs;
  form.mayRun = may_run;
  byId("new-form").hidden = !may_run;
  byId("read-only").hidden = may_run;
  const simulated = provider === "simulated";
  byId("model").textContent = simulated
    ? "This server uses the built-in simulator: its answers are invented, and nothing is billed."
    : `This server asks ${provider}${model ? `, ${model}` : ""}. Runs cost money.`;
  byId("flex-label").hidden = simulated;
  const chosen = byId("job").value;
  byId("job").replaceChildren(...jobs.map((job) => element("option", `${job.name}: ${job.about}`, { value: job.name })));
  const draft = JSON.parse(sessionStorage.getItem("draft") ?? "{}");
  const wanted = [chosen, draft.job, usual].find((name) => jobs.some((job) => job.name === name));
  if (wanted) byId("job").value = wanted;
  if (chosen === "") await restore(draft);
  changed();
}

const chosenJob = () => form.jobs.find((one) => one.name === byId("job").value);

function showJob() {
  const job = chosenJob();
  byId("job-details").hidden = !job || job.file === null;
  byId("job-file").value = form.edits[job?.name] ?? job?.file ?? "";
}

/// Keeps what is written in the job file, for this job only.
function editJob() {
  const job = chosenJob();
  const file = byId("job-file").value;
  if (job && job.file !== null && file !== job.file) form.edits[job.name] = file;
  else delete form.edits[job?.name];
}

/// Fills the form with what it had before a reload, samples in their order.
async function restore(draft) {
  form.edits = draft.edits ?? {};
  showJob();
  for (const id of DRAFT.filter((id) => id !== "job" && draft[id])) byId(id).value = draft[id];
  const choice = document.querySelector(`input[name=how][value="${draft.how ?? "parallel"}"]`);
  if (choice) choice.checked = true;
  for (const name of draft.samples ?? []) await attempt(() => toggleSample(name));
}

function keep() {
  const samples = form.files.map((file) => file.name).filter((name) => SAMPLES.some(([own]) => own === name));
  const draft = { how: how(), samples, edits: form.edits };
  for (const id of DRAFT) draft[id] = byId(id).value;
  sessionStorage.setItem("draft", JSON.stringify(draft));
}

// ---- Estimate

/// The cap of each run; null without one. Two runs side by side share it.
function capOfEach() {
  const cap = byId("max-usd").value;
  return cap.trim() === "" ? null : amount(cap) / (how() === "both" ? 2 : 1);
}

/// The body of a submission. `settings` and `label` tell runs of the same documents apart.
function submission({ settings = {}, label = "" } = {}) {
  const run = { texts: texts(), settings, label };
  const job = chosenJob();
  if (job && job.name in form.edits) run.job_file = form.edits[job.name];
  else if (job) run.job = job.name;
  const cap = capOfEach();
  if (cap !== null) run.max_usd = cap;
  if (byId("flex").checked) run.lane = "flex";
  const body = new FormData();
  body.append("run", JSON.stringify(run));
  for (const file of form.files) body.append("documents", file, file.name);
  return { method: "POST", body };
}

/// Estimates again when the form has been still for a moment.
async function changed() {
  keep();
  form.estimated?.abort();
  const change = (form.change += 1);
  byId("estimate").hidden = isEmpty() || bytes() <= ESTIMATED_BYTES;
  byId("estimated").replaceChildren();
  if (!form.mayRun || isEmpty() || bytes() > ESTIMATED_BYTES) return;
  await wait(STILL);
  if (change === form.change) await attempt(estimate);
}

async function estimate() {
  const abort = new AbortController();
  form.estimated = abort;
  byId("estimated").setAttribute("aria-busy", "true");
  try {
    showEstimate(await json("/api/estimate", { ...submission(), signal: abort.signal }));
  } finally {
    byId("estimated").setAttribute("aria-busy", "false");
  }
}

function showEstimate(made) {
  const doubled = made.cost_usd && { low: made.cost_usd.low * 2, high: made.cost_usd.high * 2 };
  const rows = {
    parallel: [made.calls, made.cost_usd, range(made.seconds, seconds)],
    sequential: [made.calls, made.cost_usd, seconds(made.seconds_one_by_one)],
    both: [made.calls * 2, doubled, seconds(made.seconds_one_by_one)],
  };
  const table = element("table");
  const head = element("tr");
  head.append(...["How", "Calls", "Cost", "Time"].map((name) => element("th", name, { scope: "col" })));
  const lines = Object.entries(rows).map(([name, [calls, usd, time]]) => {
    const line = element("tr", "", name === how() ? { class: "chosen" } : {});
    line.append(element("th", HOW[name], { scope: "row" }), ...[calls.toLocaleString("en"), range(usd, dollars), time].map((text) => element("td", text)));
    return line;
  });
  table.append(element("thead"), element("tbody"));
  table.firstChild.append(head);
  table.lastChild.append(...lines);
  const [calls, usd] = rows[how()];
  const title = `Estimate for ${plural(made.documents, "document")}: ${plural(calls, "call")}, ${range(usd, dollars)}`;
  const notes = [
    ...made.notes.map(worded),
    ...Object.entries(made.failures).map(([code, n]) => `${plural(n, "document")} will fail: ${code}.`),
    ...Object.entries(made.skipped).map(([code, n]) => `${plural(n, "document")} will be skipped: ${code}.`),
  ];
  const cap = capOfEach();
  if (cap !== null) notes.unshift(how() === "both" ? `Each of the two runs stops at ${dollars(cap)}, half of the cap.` : `The run stops at its cap of ${dollars(cap)}.`);
  if (!made.seconds) notes.push("The time is known after a first run with this job and model.");
  byId("estimated").replaceChildren(element("h3", title), table, ...notes.map((note) => element("p", note)));
}

// ---- Run

async function submit() {
  if (isEmpty()) throw new Error("There is no document yet. Choose files or samples, or type a text.");
  const kind = how();
  const start = async (settings, label) => (await json("/api/runs", submission({ settings, label }))).id;
  const ids = [];
  if (kind !== "parallel") ids.push(await start(ONE_AT_A_TIME, HOW.sequential));
  if (kind !== "sequential") ids.push(await start({}, kind === "both" ? HOW.parallel : ""));
  location.hash = `run=${ids.join(",")}`;
}

export function prepareForm() {
  showSamples();
  byId("files").addEventListener("change", (event) => {
    const chosen = [...event.target.files];
    event.target.value = "";
    attempt(() => addFiles(chosen));
  });
  byId("job").addEventListener("change", showJob);
  byId("job-file").addEventListener("input", editJob);
  byId("job-reset").addEventListener("click", () => {
    delete form.edits[byId("job").value];
    complain();
    showJob();
    changed();
  });
  byId("new-form").addEventListener("input", changed);
  byId("estimate").addEventListener("click", (event) => busy(event.target, estimate));
  byId("new-form").addEventListener("submit", (event) => {
    event.preventDefault();
    busy(byId("run"), submit);
  });
}
