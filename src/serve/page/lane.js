// One run on the page: its state, figures, calls and rows, as they change.

import { DRAWN, draw, measure, overlap } from "./calls.js";
import { amount, busy, byId, call, documentsOf, dollars, element, figure, hasEnded, hasKey, jobOf, json, knownJobs, ONE_BY_ONE, percent, plural, save, seconds, spentSoFar, stateOf, upright, wait, worded } from "./server.js";

/// Length of an answer from which its column is wide.
const LONG = 120;
/// Rows on a page.
const ROWS = 50;
/// Calls that the page keeps. A longer run shows its first ones.
const CALLS = 20000;
/// Milliseconds between two looks at the server while a run is at work.
const PAUSE = 300;
/// Milliseconds before the next attempt to reach the server.
const RETRY = 1000;
/// Milliseconds between two looks at an ended run, which another client may resume.
const LOOK = 2000;

export class Lane {
  /// `which` tells two lanes on a page apart.
  constructor(id, place, changed, which) {
    Object.assign(this, { id, changed, which, jobs: [], calls: new Map(), after: 0, from: [0], pictures: new Map(), skew: 0, summary: null });
    this.root = byId("lane").content.cloneNode(true).firstElementChild;
    this.part = (selector) => this.root.querySelector(selector);
    this.part(".previous").addEventListener("click", () => this.turn(this.from.slice(0, -1)));
    this.part(".next").addEventListener("click", () => this.turn([...this.from, this.nextRow]));
    place.append(this.root);
  }

  hasEnded() {
    return this.run !== undefined && hasEnded(this.run);
  }

  /// Follows the run until it is removed, or the page shows something else.
  async follow(signal) {
    this.signal = signal;
    while (!signal.aborted) {
      try {
        await this.stream();
        await this.refresh();
        if (this.hasEnded()) await this.changeElsewhere();
        else await wait(RETRY, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error.status === 404) {
          this.say("There is no such run. It may have been removed");
          this.part(".actions").replaceChildren();
          return;
        }
        if (error.status === 401) {
          this.say(error.message);
          return;
        }
        // The server restarts, or the connection is lost.
        this.say(`No connection (${error.message}). Trying again`);
        await wait(RETRY, signal);
      }
    }
  }

  /// Waits until a client has changed the ended run. Its stream of events is over.
  async changeElsewhere() {
    const key = (run) => `${run.state} ${run.ended}`;
    const known = key(this.run);
    for (;;) {
      await wait(LOOK, this.signal);
      if (this.signal.aborted || key(await json(`/api/runs/${this.id}`, { signal: this.signal })) !== known) return;
    }
  }

  /// Reads the events of the run until they end.
  async stream() {
    const { signal } = this;
    const more = this.last ? { "last-event-id": this.last } : {};
    const response = await call(`/api/runs/${this.id}/events`, { headers: more, signal });
    this.progress = null;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      if (blocks.map((block) => this.take(block)).includes(true)) this.refreshSoon();
    }
  }

  /// Takes one event. Returns whether something has changed.
  take(block) {
    const field = (name) => block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
    const [name, data, id] = [field("event"), field("data"), field("id")];
    if (id) this.last = id;
    if (!name || !data) return false;
    if (name === "run") {
      this.run = JSON.parse(data);
      // The counters begin again when the run goes on.
      this.progress = this.run.progress ?? null;
    }
    if (name === "progress") this.progress = JSON.parse(data);
    return true;
  }

  /// Refreshes the lane soon, and at most every `PAUSE`.
  async refreshSoon() {
    this.isStale = true;
    if (this.isRefreshing) return;
    this.isRefreshing = true;
    try {
      while (this.isStale && !this.signal.aborted) {
        this.isStale = false;
        await this.refresh();
        await wait(PAUSE, this.signal);
      }
    } catch {
      // The stream of events ends too, and says why.
    }
    this.isRefreshing = false;
  }

  /// Fetches new calls and rows, and shows everything.
  async refresh() {
    if (!this.run) return;
    this.mayRun = (await knownJobs()).may_run;
    await this.fetchCalls();
    await this.fetchRows();
    const failed = this.progress?.failed ?? this.run.documents.failed;
    const key = `${this.run.state} ${failed}`;
    if (key !== this.summarised && (failed > 0 || this.hasEnded())) {
      this.summary = await json(`/api/runs/${this.id}/summary`, { signal: this.signal });
      this.summarised = key;
    }
    this.show();
  }

  /// Fetches later calls, and again those that were in flight.
  async fetchCalls() {
    if (this.calls.size >= CALLS) return;
    const open = [...this.calls.values()].filter((one) => one.ended_ms === null && !one.lost).map((one) => one.id);
    let from = open.length > 0 ? Math.min(...open) - 1 : this.after;
    for (;;) {
      const page = await json(`/api/runs/${this.id}/calls?after=${from}`, { signal: this.signal });
      this.skew = page.now_ms - Date.now();
      for (const one of page.calls) this.calls.set(one.id, one);
      this.after = Math.max(this.after, page.next);
      if (page.next === from || this.calls.size >= CALLS) return;
      from = this.after;
    }
  }

  async fetchRows() {
    const page = await json(`/api/runs/${this.id}/rows?limit=${ROWS}&from=${this.from.at(-1)}`, { signal: this.signal });
    this.rows = page.rows;
    this.jobs = page.jobs;
    this.nextRow = page.next;
  }

  async turn(from) {
    this.from = from;
    await this.fetchRows();
    this.showRows();
  }

  now() {
    return Date.now() + this.skew;
  }

  measure() {
    return measure([...this.calls.values()], this.now());
  }

  isWorking() {
    return [...this.calls.values()].some((one) => one.ended_ms === null && !one.lost);
  }

  say(text) {
    if (this.part(".state").textContent !== text) this.part(".state").textContent = text;
  }

  show() {
    const { run } = this;
    const name = upright(run.label || jobOf(run) || "Run");
    this.part("h3").textContent = name;
    for (const [part, what] of [[".rows", "Rows"], [".stages .scroll", "Stages"]]) this.part(part).setAttribute("aria-label", `${what} of ${name}${this.which}`);
    const state = stateOf(run);
    const message = worded(run.message);
    this.say(message.startsWith(state) ? message : state + (message && `: ${message}`));
    this.showFigures();
    this.showActions();
    this.showFailures();
    this.showStages();
    this.showRows();
    this.changed();
  }

  showFigures() {
    const { run, progress } = this;
    const documents = documentsOf(run, progress);
    const spent = spentSoFar(run, progress);
    const bar = this.part("progress");
    bar.max = Math.max(documents.all ?? documents.rows, 1);
    bar.value = documents.rows;
    const lines = [
      ["Documents", documents.text],
      ["Failed", `${progress?.failed ?? run.documents.failed}`],
      ["Requests", `${spent.requests}`],
      ["Cost", cost(spent, run.max_usd, this.hasEnded() ? this.summary?.maybe_billed : null)],
    ];
    const part = this.calls.size < CALLS ? "" : ` (the first ${plural(this.calls.size, "call")})`;
    const drawn = this.calls.size > DRAWN ? `. The chart shows the last ${DRAWN} calls` : "";
    const sentences = [
      ["Overlap", overlap(this.measure()) + part + drawn],
      ["Bottleneck", run.label === ONE_BY_ONE ? "" : ((this.hasEnded() ? this.summary?.limited_by : progress?.limited_by) ?? "")],
    ];
    const shown = [lines, sentences.filter(([, value]) => value !== "")].map((list) => list.map(([name, value]) => figure(name, value)));
    shown[1].forEach((sentence) => sentence.classList.add("sentence"));
    this.part(".figures").replaceChildren(...shown.flat());
  }

  showActions() {
    const { run } = this;
    const post = (path) => () => json(`/api/runs/${this.id}/${path}`, { method: "POST" });
    const actions = [];
    if (this.mayRun && !this.hasEnded() && !run.cancelling) {
      actions.push(["Cancel", post("cancel")], run.held ? ["Resume", post("resume")] : ["Pause", post("pause")]);
    } else if (this.mayRun && this.hasEnded() && run.state !== "complete") actions.push(["Resume", () => this.resume()]);
    // Each job has results of its own.
    const several = this.jobs.length > 1;
    for (const job of this.jobs) {
      for (const format of ["csv", "jsonl"]) {
        const path = `/api/runs/${this.id}/results?format=${format}&job=${encodeURIComponent(job)}`;
        actions.push([`Results${several ? ` of ${job}` : ""} as ${format.toUpperCase()}`, () => save(path, `${several ? job : "results"}.${format}`)]);
      }
    }
    const report = `/api/runs/${this.id}/report`;
    if (hasKey()) actions.push(["Save the report", () => save(report, "report.html")]);
    if (this.mayRun && this.hasEnded()) actions.push(["Remove", () => this.remove()]);
    const key = actions.map(([label]) => label).join();
    if (key === this.shownActions) return;
    this.shownActions = key;
    const buttons = actions.map(([label, task]) => {
      const button = element("button", label, { type: "button" });
      button.addEventListener("click", () => {
        this.pressed = document.activeElement === button ? button : null;
        return busy(button, task);
      });
      return button;
    });
    if (!hasKey()) buttons.push(element("a", "Report", { class: "button", href: report, target: "_blank", rel: "noopener" }));
    this.replaceActions(buttons);
  }

  /// Shows other buttons. The focus stays among them.
  replaceActions(buttons) {
    const [place, focused] = [this.part(".actions"), document.activeElement];
    // A button that works is disabled, and has lost the focus.
    const had = focused === document.body ? this.pressed : [...place.children].find((button) => button === focused);
    const at = [...place.children].indexOf(had);
    place.replaceChildren(...buttons);
    this.pressed = null;
    if (had) (buttons.find((button) => button.textContent === had.textContent) ?? buttons[at] ?? buttons[0])?.focus();
  }

  /// Resumes an ended run. One that has reached its cap needs a larger one.
  async resume() {
    const larger = this.run.message.match(/\{"max_usd": ([\d.]+)\}/)?.[1];
    const options = { method: "POST" };
    if (larger) {
      const field = this.part(".cap input");
      field.value = larger;
      if (await this.answer(".cap") !== "resume") return;
      options.body = JSON.stringify({ max_usd: amount(field.value) });
      options.headers = { "content-type": "application/json" };
    }
    await json(`/api/runs/${this.id}/resume`, options);
    // The stream of an ended run is over.
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  }

  /// Shows a dialog, and waits for the value of the button that closes it.
  async answer(dialog) {
    const box = this.part(dialog);
    box.returnValue = "";
    box.showModal();
    await new Promise((closed) => box.addEventListener("close", closed, { once: true }));
    return box.returnValue;
  }

  /// Removes the run when the user has said so twice.
  async remove() {
    if (await this.answer(".removal") !== "remove") return;
    await call(`/api/runs/${this.id}`, { method: "DELETE" });
    location.hash = "runs";
  }

  showFailures() {
    const failures = this.summary?.failures ?? [];
    const place = this.part(".failures");
    place.hidden = failures.length === 0;
    const items = failures.map((failure) => {
      const item = element("li");
      item.append(element("strong", `${failure.code}: ${plural(failure.documents, "document")}. `), worded(failure.advice));
      const examples = element("ul");
      examples.append(...failure.examples.map((one) => element("li", `${one.document}: ${worded(one.message)}`)));
      item.append(examples);
      return item;
    });
    this.part(".failures ul").replaceChildren(...items);
  }

  showStages() {
    const stages = (this.hasEnded() ? this.summary?.stages : this.progress?.stages) ?? [];
    const until = this.hasEnded() ? this.summary?.stages_s : this.progress?.elapsed_s;
    this.part(".stages").hidden = stages.length === 0;
    this.part(".stages summary").textContent = `Stages in the first ${seconds(until)}`;
    const lines = stages.map((one) => {
      const line = element("tr");
      const cells = [one.done.toLocaleString("en"), `${one.slots}`, percent(one.busy), percent(one.waiting), percent(one.blocked)];
      line.append(element("th", one.stage, { scope: "row" }), ...cells.map((text) => element("td", text)));
      return line;
    });
    this.part(".stages tbody").replaceChildren(...lines);
  }

  /// Draws the calls over a clock that all lanes share.
  drawCalls(clock) {
    const lane = this.measure();
    this.part("figure").hidden = !lane;
    if (lane) draw(this.part(".waterfall"), this.part(".axis"), this.calls.values(), lane, this.now(), clock);
  }

  showRows() {
    this.part(".previous").hidden = this.from.length === 1;
    this.part(".next").hidden = this.nextRow === undefined;
    const key = JSON.stringify(this.rows.map((row) => [row.index, row.status, row.seconds])) + this.hasEnded() + this.mayRun;
    if (key === this.shownRows) return;
    this.shownRows = key;
    this.part(".rows").hidden = this.rows.length === 0;
    const columns = [...new Set(this.rows.flatMap((row) => Object.keys(row.answers ?? {})))];
    const head = element("tr");
    head.append(...["document", "status", ...columns].map((name) => element("th", name, { scope: "col" })));
    this.part(".rows thead").replaceChildren(head);
    const lines = this.rows.map((row) => {
      const line = element("tr");
      const name = element("th", row.document, { scope: "row" });
      if (row.input?.kind === "image") name.append(this.picture(row));
      line.append(name, this.status(row), ...columns.map((column) => answerCell(shown(row.answers?.[column]))));
      return line;
    });
    this.part(".rows tbody").replaceChildren(...lines);
  }

  status(row) {
    const cell = element("td", row.status, { class: row.status === "ok" ? "good" : "bad" });
    if (row.failure) cell.append(element("div", worded(row.failure.message)));
    if (this.mayRun && !["ok", "skipped"].includes(row.status) && this.hasEnded()) {
      const again = element("button", "Ask again", { type: "button", "aria-label": `Ask again about ${row.document}` });
      const body = JSON.stringify({ documents: [row.document] });
      again.addEventListener("click", () => busy(again, async () => {
        await json(`/api/runs/${this.id}/requeue`, { method: "POST", body, headers: { "content-type": "application/json" } });
        window.dispatchEvent(new HashChangeEvent("hashchange"));
      }));
      cell.append(again);
    }
    return cell;
  }

  /// A small picture of a document. An image cannot send the key, so the page fetches it.
  picture(row) {
    const image = element("img", "", { alt: `Picture of ${row.document}`, hidden: "" });
    const fetched = this.pictures.get(row.index) ?? this.fetchPicture(row.index);
    this.pictures.set(row.index, fetched);
    fetched.then((url) => {
      if (!url) return;
      image.src = url;
      image.hidden = false;
    });
    return image;
  }

  async fetchPicture(index) {
    // One after another: pictures are the least urgent.
    const before = this.lastPicture;
    this.lastPicture = (async () => {
      await before;
      try {
        const response = await call(`/api/runs/${this.id}/documents/${index}/thumbnail`);
        return URL.createObjectURL(await response.blob());
      } catch {
        return null;
      }
    })();
    return this.lastPicture;
  }

  /// Frees the pictures.
  async close() {
    for (const url of await Promise.all(this.pictures.values())) if (url) URL.revokeObjectURL(url);
  }
}

/// Money spent, what has no known price, what may not be billed, and the cap.
function cost(bill, cap, uncertain) {
  const parts = [dollars(bill.usd)];
  if (bill.unpriced_calls > 0) parts.push(`and ${plural(bill.unpriced_calls, "request")} without a known price`);
  if (uncertain) {
    const requests = plural(uncertain.requests, "request");
    const most = uncertain.at_most_usd;
    parts.push(most ? `(includes up to ${dollars(most)} for ${requests} without a response)` : `(${requests} without a response)`);
  }
  if (cap) parts.push(`(cap ${dollars(cap)})`);
  return parts.join(" ");
}

/// The cell of an answer. A long one is wide, so that its row is not too high.
function answerCell(text) {
  return element("td", text, text.length > LONG ? { class: "long" } : {});
}

function shown(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(shown).join("; ");
  return typeof value === "object" ? JSON.stringify(value) : `${value}`;
}
