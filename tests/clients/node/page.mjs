// A server, and a browser that looks at its page, for the tests of the page.

import assert from "node:assert/strict";
import { spawn, execFileSync } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import puppeteer from "puppeteer-core";

const { DOCMILL, WORK, PATH } = process.env;
const SHOTS = process.env.SCREENSHOTS || join(WORK, "screenshots");
const PATIENCE = 60000;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/// A docmill server that can be stopped and started again at the same address.
export class Server {
  constructor(name, settings = {}) {
    Object.assign(this, { name, port: 0, dir: join(WORK, name), settings });
  }

  async start() {
    const set = Object.entries(this.settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    this.process = spawn(DOCMILL, ["serve", this.dir, "--bind", `${this.port}`, ...set], { cwd: WORK, stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    for await (const piece of this.process.stdout) {
      said += piece;
      const url = said.match(/http:\/\/[\d.]+:(\d+)/);
      if (!url) continue;
      [this.url, this.port] = url;
      return this;
    }
    throw new Error(`the server did not start: ${said}`);
  }

  async end(signal) {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    await ended;
  }

  async json(path, options) {
    const response = await fetch(this.url + path, options);
    assert.ok(response.ok, `${path}: ${response.status} ${response.ok ? "" : await response.text()}`);
    return response.json();
  }

  /// Waits until a run is in this state.
  async until(id, state) {
    const deadline = Date.now() + PATIENCE;
    while ((await this.json(`/api/runs/${id}`)).state !== state) assert.ok(Date.now() < deadline, `run ${id} is not ${state}`);
  }

  /// Rows of a query to the run store of a run, as sqlite3 of Python reads it.
  query(id, sql) {
    const code = "import json, sqlite3, sys\nprint(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))";
    return JSON.parse(execFileSync("python3", ["-c", code, join(this.dir, "runs", id, "docmill.db"), sql]));
  }
}

export async function launch() {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const executablePath = PATH.split(delimiter).flatMap((directory) => names.map((name) => join(directory, name))).find(existsSync);
  assert.ok(executablePath, "no Chromium in PATH");
  return puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"] });
}

/// A window of the browser that notes messages of the console and requests to elsewhere.
export class Window {
  static async open(browser, server, hash = "") {
    const window = new Window();
    Object.assign(window, { server, messages: [], elsewhere: [], page: await browser.newPage() });
    const { page } = window;
    page.setDefaultTimeout(PATIENCE);
    page.on("console", (message) => ["error", "warn", "assert"].includes(message.type()) && window.messages.push(`${message.text()} ${message.location().url ?? ""}`));
    page.on("pageerror", (error) => window.messages.push(`${error}`));
    page.on("dialog", (dialog) => window.messages.push(`dialog: ${dialog.message()}`));
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (!["data:", "blob:"].includes(url.protocol) && url.origin !== server.url) window.elsewhere.push(request.url());
    });
    await page.setViewport({ width: 1400, height: 1000 });
    await page.goto(`${server.url}/${hash}`);
    return window;
  }

  text(selector) {
    return this.page.$eval(selector, (found) => found.innerText);
  }

  texts(selector) {
    return this.page.$$eval(selector, (all) => all.map((one) => one.innerText));
  }

  async see(selector) {
    return this.page.waitForSelector(selector, { visible: true });
  }

  /// Waits until an element shows a text.
  async read(selector, text) {
    const shows = (selector, text) => [...document.querySelectorAll(selector)].some((one) => one.checkVisibility() && one.innerText.includes(text));
    await this.page.waitForFunction(shows, {}, selector, text).catch(async () => {
      throw new Error(`${selector} does not show "${text}":\n${await this.text("body")}`);
    });
  }

  /// Waits until a function of the page is true.
  until(isSo, ...given) {
    return this.page.waitForFunction(isSo, {}, ...given);
  }

  /// Waits until the figure with this name is at least a number.
  atLeast(name, least) {
    return this.until((name, least) => {
      const term = [...document.querySelectorAll(".figures dt")].find((one) => one.innerText === name);
      return Number(term?.nextSibling.innerText) >= least;
    }, name, least);
  }

  /// Clicks on a button or a link with this text.
  async click(text, within = "body") {
    await this.page.locator(`${within} ::-p-text(${text})`).click().catch(async () => {
      throw new Error(`cannot click on "${text}" in ${within}:\n${await this.text("body")}`);
    });
  }

  async type(selector, text) {
    await this.page.$eval(selector, (field) => field.select());
    await this.page.type(selector, text);
  }

  /// Drops files on the page, as a file manager does.
  async drop(files) {
    await this.page.evaluate((files) => {
      const dataTransfer = new DataTransfer();
      for (const [name, content] of files) dataTransfer.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
      for (const kind of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }, files.map(([name, content]) => [name, Buffer.from(content).toString("base64")]));
  }

  /// Starts a run by the form. Returns the ids of its runs.
  async run(how) {
    await this.page.click(`input[value=${how}]`);
    await this.read("#estimated h3", "Estimate for");
    await this.page.click("#run");
    await this.page.waitForFunction(() => location.hash.startsWith("#run="));
    return this.ids();
  }

  async ids() {
    return (await this.page.evaluate(() => location.hash)).split("=")[1].split(",");
  }

  /// Waits until all runs of the page have this state.
  async state(state, runs = 1) {
    const have = (state, runs) => {
      const states = [...document.querySelectorAll(".lane .state")].map((one) => one.innerText);
      return states.length === runs && states.every((one) => one.startsWith(state));
    };
    await this.page.waitForFunction(have, {}, state, runs).catch(async () => {
      throw new Error(`the runs are not ${state}:\n${await this.text("body")}`);
    });
  }

  /// Looks at the page in both widths and colour schemes: no findings, nothing beside the screen.
  async look(name) {
    mkdirSync(SHOTS, { recursive: true });
    const size = this.page.viewport();
    for (const scheme of ["light", "dark"]) {
      await this.page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      for (const width of [360, 1400]) {
        await this.page.setViewport({ width, height: 900 });
        const at = `${this.server.name}-${name}-${width}-${scheme}`;
        await this.page.screenshot({ path: join(SHOTS, `${at}.png`), fullPage: true });
        assert.ok((await this.page.evaluate(() => document.documentElement.scrollWidth)) <= width, `${at}: the page is wider than the screen`);
        await this.page.evaluate(AXE);
        const { violations } = await this.page.evaluate(() => globalThis.axe.run());
        const bad = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
        assert.deepEqual(bad.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`), [], at);
      }
    }
    await this.page.setViewport(size);
  }

  /// The page has said nothing on the console, and asked only its own server.
  check(allowed = () => false) {
    assert.deepEqual(this.messages.filter((message) => !allowed(message)), []);
    assert.deepEqual(this.elsewhere, []);
    this.messages = [];
  }
}
