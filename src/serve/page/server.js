// Requests to the server, and small helpers. Texts are only ever set as text, never as markup, because
// documents, answers and names come from strangers.

export const byId = (id) => document.getElementById(id);

/// A text without characters that change the direction of the text around them.
export const upright = (text) => `${text}`.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");

/// Creates an element with text and attributes.
export function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = upright(text);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/// A term of a list of figures.
export function figure(name, value) {
  const group = element("div");
  group.append(element("dt", name), element("dd", value));
  return group;
}

/// Advice for the command line, and what holds on this page.
const ADVICE = [
  [/; --rows TABLE makes .*/, ". The API and the command line can make each row a document."],
  [/exclude it with input\.exclude/, "leave it out"],
  [/, or exclude it(?=[.;]|$)/, ", or leave it out"],
  [/ Check input\.paths and input\.exclude/, ""],
  [/, without --in-doubt skip/, ""],
  [/\{"max_usd": ([\d.]+)\}/, "$$$1"],
];

/// A message of the server in words of this page.
export const worded = (text) => ADVICE.reduce((text, [from, to]) => text.replace(from, to), text);

export const hasKey = () => sessionStorage.getItem("key") !== null;

function headers(more = {}) {
  return hasKey() ? { ...more, authorization: `Bearer ${sessionStorage.getItem("key")}` } : more;
}

/// Asks the user for another key.
function refuseKey() {
  byId("key-form").hidden = false;
  throw Object.assign(new Error(hasKey() ? "The server does not accept this key." : "This server needs a key."), { status: 401 });
}

/// Sends a request. An error of the server becomes an exception with its words.
export async function call(path, options = {}) {
  // Headers hold no other characters.
  if (/[^\x20-\x7e]/.test(sessionStorage.getItem("key") ?? "")) return refuseKey();
  const response = await fetch(path, { ...options, headers: headers(options.headers) });
  if (response.ok) return response;
  const { status } = response;
  const problem = await response.json().catch(() => ({}));
  const refused = (text) => Object.assign(new Error(text), { status });
  if (status === 401) refuseKey();
  throw refused(problem.detail ?? `The server answered with status ${status}.`);
}

export const json = async (path, options) => (await call(path, options)).json();

let jobs = null;

/// The jobs that the key can name, and whether it may start and change runs. Asked `again`, or once.
export function knownJobs(again = false) {
  if (again) jobs = null;
  jobs ??= json("/api/jobs").catch((error) => {
    jobs = null;
    throw error;
  });
  return jobs;
}

export function useKey(key) {
  sessionStorage.setItem("key", key);
  jobs = null;
}

export function complain(error) {
  const place = byId("problem");
  place.hidden = !error;
  place.textContent = error ? worded(error.message) : "";
}

/// Does a task of the user: shows its error, and nothing of an earlier one.
export async function attempt(task) {
  complain(null);
  try {
    return await task();
  } catch (error) {
    if (error.name !== "AbortError") complain(error);
    return null;
  }
}

/// Does the task of a button, once at a time.
export async function busy(button, task) {
  const hadFocus = document.activeElement === button;
  button.disabled = true;
  await attempt(task);
  button.disabled = false;
  // A disabled button loses the focus.
  if (hadFocus && button.isConnected && document.activeElement === document.body) button.focus();
}

/// Saves a response as a file. A link could not send the key.
export async function save(path, name) {
  const url = URL.createObjectURL(await (await call(path)).blob());
  element("a", "", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

/// Waits for a time, or until `signal`.
export function wait(ms, signal) {
  return new Promise((wake) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      wake();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}

const isKnown = (value) => value !== null && value !== undefined;
export const dollars = (usd) => (!isKnown(usd) ? "unknown" : usd === 0 ? "$0" : `$${usd < 0.1 ? Number(usd.toPrecision(2)) : usd.toFixed(2)}`);
export const seconds = (s) => (!isKnown(s) ? "unknown" : `${s < 10 ? s.toFixed(1) : Math.round(s)} s`);
export const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
export const percent = (share) => `${Math.round(share * 100)} %`;

/// An amount of money that someone has typed.
export function amount(text) {
  const usd = Number(text.trim().replace(",", "."));
  const isUnclear = /^[1-9]\d*,\d{3}$/.test(text.trim());
  if (text.trim() === "" || !Number.isFinite(usd) || isUnclear) throw new Error(`${text}: type an amount in US dollars, such as 0.50.`);
  return usd;
}

/// The lower and upper ends of a range, or its only value.
export function range(ends, show) {
  if (!ends) return "unknown";
  const [low, high] = [show(ends.low), show(ends.high)];
  return low === high ? low : `${low} to ${high}`;
}

/// Label of a run that sends one call at a time.
export const ONE_BY_ONE = "one after another";
/// Label of the run beside it.
export const IN_PARALLEL = "in parallel";

/// Requests and cost of a run until now. The run has those until it was read, and `progress` may be later.
export function spentSoFar(run, progress) {
  const since = (of) => of(progress ?? run.progress) - of(run.progress);
  return {
    requests: run.requests + since((counters) => counters?.requests ?? 0),
    usd: run.cost_usd + since((counters) => counters?.cost?.usd ?? 0),
    unpriced_calls: run.unpriced_requests + since((counters) => counters?.cost?.unpriced_calls ?? 0),
  };
}

/// The job of a run in words.
export const jobOf = (run) => (run.job ?? "") + (run.own_job ? " (own job file)" : "");

/// Documents of a run: those with a row, all if they were counted, and a text for both.
export function documentsOf(run, progress) {
  const { done, pending } = run.documents;
  const [rows, all] = progress ? [progress.answered + progress.up_to_date, progress.documents] : [done, isKnown(pending) ? done + pending : null];
  const uncounted = hasEnded(run) ? `${rows}` : rows === 0 ? "not counted yet" : `${rows}, not all counted yet`;
  return { rows, all, text: isKnown(all) ? `${rows} of ${all}` : uncounted };
}

const ENDED = ["complete", "cancelled", "stopped", "failed"];
export const hasEnded = (run) => ENDED.includes(run.state);

/// The state of a run in words.
export function stateOf(run) {
  if (hasEnded(run)) return run.state;
  if (run.cancelling) return "cancelling";
  if (!run.held) return run.state;
  if (run.state === "running") return "pausing";
  return run.started === null ? "held" : "paused";
}
