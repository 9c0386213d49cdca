"use strict";
// The table of results. Values of rows are inserted as text, never as markup.
(() => {
  const PAGE = 50, PACK = 100, KEPT = 8;
  // Name, field of a row, class and format of each column.
  const columns = [
    ["#", 0, "n", String], ["document", 1], ["status", 2], ["answer", 3, "answer"], ["tokens in", 4, "n", count], ["tokens out", 5, "n", count],
    ["cost", 6, "n", usd], ["time", 7, "n", seconds], ["failure", 8, "code"],
  ];
  const by = (id) => document.getElementById(id);
  const [body, q, status, order] = [by("rows").tBodies[0], by("q"), by("status"), by("order")];
  const rows = [], texts = [], packs = new Map();
  const holds = document.getElementsByClassName("holds");
  let found = [], page = 0, sort = 0, down = false, opened = -1;

  function count(n) { return n.toLocaleString("en-US"); }
  function usd(n) { return n === null ? "" : n === 0 ? "$0" : n < 1e-6 ? "<$0.000001" : "$" + (n >= 1 ? n.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : n.toLocaleString("en-US", { maximumSignificantDigits: 3, maximumFractionDigits: 8 })); }
  function seconds(s) { return s >= 120 ? `${count(Math.floor(Math.round(s) / 60))} min ${String(Math.round(s) % 60).padStart(2, "0")} s` : s >= 1 ? `${Number(s.toPrecision(3))} s` : s > 0 ? `${Math.round(s * 1000)} ms` : ""; }

  function element(name, text, properties) {
    const made = Object.assign(document.createElement(name), properties);
    if (text !== undefined && text !== null) made.textContent = text;
    return made;
  }

  async function unpack(script) {
    const bytes = Uint8Array.from(atob(script.textContent), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
  }

  async function held(row) {
    const pack = Math.floor(row / PACK);
    if (!holds[pack]) return null;
    if (!packs.has(pack)) {
      packs.set(pack, await unpack(holds[pack]));
      if (packs.size > KEPT) packs.delete(packs.keys().next().value);
    }
    return packs.get(pack)[row % PACK];
  }

  // The address holds the state of the table, so that users can bookmark it.
  function fromAddress() {
    const address = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    q.value = address.get("q") ?? "";
    status.value = address.get("status") ?? "";
    const wanted = parseInt(address.get("sort") ?? "0", 10) || 0;
    sort = Math.min(Math.abs(wanted), columns.length - 1);
    down = (address.get("sort") ?? "").startsWith("-");
    page = Math.max(0, (parseInt(address.get("page"), 10) || 1) - 1);
    opened = parseInt(address.get("open") ?? "-1", 10);
  }
  function toAddress() {
    const address = new URLSearchParams();
    if (q.value) address.set("q", q.value);
    if (status.value) address.set("status", status.value);
    if (sort || down) address.set("sort", (down ? "-" : "") + sort);
    if (page) address.set("page", page + 1);
    if (opened >= 0) address.set("open", opened);
    if (String(address) || location.hash.includes("=")) history.replaceState(null, "", "#" + (String(address) || "results"));
  }

  function find() {
    const words = q.value.toLowerCase().split(/\s+/).filter(Boolean);
    found = [];
    for (let row = 0; row < rows.length; row++) {
      if (status.value && rows[row][2] !== status.value) continue;
      if (words.every((word) => texts[row].includes(word))) found.push(row);
    }
    const field = columns[sort][1], sign = down ? -1 : 1;
    if (sort || down) {
      // Unknown values come last in both directions.
      found.sort((a, b) => {
        const [one, other] = [rows[a][field], rows[b][field]];
        if (one === other) return a - b;
        if (one === null || one === "") return 1;
        if (other === null || other === "") return -1;
        return (one < other ? -1 : 1) * sign;
      });
    }
  }

  async function show() {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(page, pages - 1);
    by("found").textContent = found.length === rows.length ? `${count(rows.length)} rows` : `${count(found.length)} of ${count(rows.length)} rows`;
    by("page").textContent = `page ${count(page + 1)} of ${count(pages)}`;
    by("back").disabled = page === 0;
    by("next").disabled = page === pages - 1;
    order.value = (down ? "-" : "") + sort;
    [...by("rows").tHead.rows[0].cells].forEach((cell, n) => n === sort ? cell.setAttribute("aria-sort", down ? "descending" : "ascending") : cell.removeAttribute("aria-sort"));
    body.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map(line));
    toAddress();
    const line_open = body.querySelector('[aria-expanded="true"]');
    if (line_open) await open(line_open, true);
  }

  function line(row) {
    const tr = element("tr");
    for (const [name, field, kind, format] of columns) {
      const value = rows[row][field], td = element("td", undefined, { className: kind ?? "" });
      td.dataset.name = name;
      if (field === 1) {
        const doc = element("div", undefined, { className: "doc" });
        if (rows[row][9]) doc.append(element("img", undefined, { src: rows[row][9], alt: "" }));
        const button = element("button", undefined, { type: "button", className: "open" });
        button.append(element("bdi", value));
        button.dataset.row = row;
        button.setAttribute("aria-expanded", String(rows[row][0] === opened));
        doc.append(button);
        td.append(doc);
      } else if (field === 2) {
        td.append(element("span", value, { className: `status s-${value}` }));
      } else if (value !== null && value !== "") {
        td.append(element("bdi", format ? format(value) : value));
      }
      tr.append(td);
    }
    return tr;
  }

  function list(pairs) {
    const dl = element("dl");
    for (const [name, value] of pairs) {
      const [dt, dd] = [element("dt"), element("dd")];
      dt.append(element("bdi", name));
      dd.append(element("bdi", value));
      dl.append(dt, dd);
    }
    return dl;
  }

  async function open(button, wanted) {
    const tr = button.closest("tr"), row = Number(button.dataset.row);
    if (tr.nextSibling?.className === "held") tr.nextSibling.remove();
    button.setAttribute("aria-expanded", String(wanted));
    if (!wanted) return;
    const below = element("tr", undefined, { className: "held" }), cell = element("td", undefined, { colSpan: columns.length });
    below.append(cell);
    tr.after(below);
    const what = await held(row);
    if (what === null) return cell.append(element("p", "The page has no room for this row: see results.jsonl.", { className: "note" }));
    const [failure, kept, answers, facts, calls, more] = what;
    if (failure) cell.append(list([[failure[0], failure[1]]]));
    if (kept.length) cell.append(list(kept));
    if (answers.length) cell.append(list(answers));
    if (facts) cell.append(element("p", `${rows[row][10]}: ${facts}`, { className: "note" }));
    if (!calls.length) return;
    const table = element("table"), head = element("tr");
    for (const name of ["call", "ended", "model", "attempts", "tokens in", "tokens out", "cost", "time"]) head.append(element("th", name, { scope: "col" }));
    table.append(head);
    for (const [task, ended, model, attempts, input, output, cost, time] of calls) {
      const line = element("tr");
      for (const text of [task, ended, model, attempts, count(input), count(output), usd(cost), seconds(time)]) {
        const td = element("td");
        td.append(element("bdi", text ?? ""));
        line.append(td);
      }
      table.append(line);
    }
    cell.append(table);
    if (more) cell.append(element("p", `and ${count(more)} more calls`, { className: "note" }));
  }

  function again() { page = 0; opened = -1; find(); return show(); }

  async function start() {
    for (const script of document.getElementsByClassName("heads")) {
      for (const row of await unpack(script)) {
        rows.push(row);
        texts.push([row[1], row[2], row[3], row[8] ?? "", row[10]].join("\n").toLowerCase());
      }
    }
    columns.forEach(([name, , kind], n) => {
      const cell = element("th", undefined, { scope: "col", className: kind ?? "" }), button = element("button", name, { type: "button" });
      button.addEventListener("click", () => { down = sort === n ? !down : kind === "n" && n > 0; sort = n; again(); });
      cell.append(button);
      by("rows").tHead.rows[0].append(cell);
      order.append(element("option", n ? `${name}, up` : "as given", { value: String(n) }), element("option", n ? `${name}, down` : "last first", { value: "-" + n }));
    });
    by("find").addEventListener("submit", (event) => event.preventDefault());
    q.addEventListener("input", again);
    status.addEventListener("change", again);
    order.addEventListener("change", () => { sort = Math.abs(parseInt(order.value, 10)); down = order.value.startsWith("-"); again(); });
    by("back").addEventListener("click", () => { page--; opened = -1; show(); });
    by("next").addEventListener("click", () => { page++; opened = -1; show(); });
    body.addEventListener("click", (event) => {
      const button = event.target.closest(".open");
      if (!button) return;
      const wanted = button.getAttribute("aria-expanded") !== "true";
      opened = wanted ? rows[button.dataset.row][0] : -1;
      toAddress();
      open(button, wanted);
    });
    window.addEventListener("hashchange", () => { if (location.hash.includes("=")) { fromAddress(); find(); show(); } });
    fromAddress();
    find();
    by("table").hidden = false;
    await show();
    document.documentElement.dataset.ready = "yes";
  }
  start();
})();
