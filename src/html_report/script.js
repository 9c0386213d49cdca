"use strict";
// Filters, gallery, table, matrix and dialog. Values of rows are inserted as text, never as markup.
(() => {
  const PACK = 100, KEPT = 8;
  // Rows per page of each view.
  const SIZES = { gallery: 24, table: 50, matrix: 100 };
  // Name, field of a row, class and format of each column.
  const columns = [
    ["#", 0, "n", String], ["document", 1], ["status", 2], ["answer", 3, "answer"], ["tokens in", 4, "n", count], ["tokens out", 5, "n", count],
    ["cost", 6, "n", usd], ["time", 7, "n", seconds], ["failure", 8, "code"],
  ];
  const by = (id) => document.getElementById(id);
  const [body, q, order, dialog] = [by("rows").tBodies[0], by("q"), by("order"), by("open")];
  const places = { gallery: by("gallery"), table: by("rows"), matrix: by("matrix") };
  const views = [...document.querySelectorAll('#views input')];
  // The charts, with their chosen bars.
  const facets = [...document.querySelectorAll(".facet")].map((section) => {
    const buttons = [...section.querySelectorAll("button")];
    return { field: section.dataset.field, buttons, labels: buttons.map((button) => button.querySelector(".label").textContent), chosen: new Set() };
  });
  const rows = [], texts = [], packs = new Map(), photos = new Map();
  const holds = document.getElementsByClassName("holds");
  let found = [], page = 0, sort = 0, down = false, opened = -1, view = "table", caller = null;

  function count(n) { return n.toLocaleString("en-US"); }
  function usd(n) { return n === null ? "" : n === 0 ? "$0" : n < 1e-6 ? "<$0.000001" : "$" + (n >= 1 ? n.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : n.toLocaleString("en-US", { maximumSignificantDigits: 3, maximumFractionDigits: 8 })); }
  function seconds(s) { return s >= 120 ? `${count(Math.floor(Math.round(s) / 60))} min ${String(Math.round(s) % 60).padStart(2, "0")} s` : s >= 1 ? `${Number(s.toPrecision(3))} s` : s > 0 ? `${Math.round(s * 1000)} ms` : ""; }

  function element(name, text, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    if (text !== undefined && text !== null) made.textContent = text;
    made.append(...children);
    return made;
  }
  const isolated = (name, text, properties) => element(name, null, properties, element("bdi", text ?? ""));

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

  // The address holds filters, order and view, so that users can share it.
  function fromAddress() {
    const address = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    q.value = address.get("q") ?? "";
    for (const facet of facets) {
      const wanted = address.getAll(key(facet.field));
      facet.chosen = new Set([...facet.labels.keys()].filter((n) => wanted.includes(facet.labels[n])));
    }
    const wanted = parseInt(address.get("sort") ?? "0", 10) || 0;
    sort = Math.min(Math.abs(wanted), columns.length - 1);
    down = (address.get("sort") ?? "").startsWith("-");
    page = Math.max(0, (parseInt(address.get("page"), 10) || 1) - 1);
    opened = parseInt(address.get("open") ?? "-1", 10);
    view = views.find((one) => one.value === address.get("view") && !one.parentNode.hidden)?.value ?? first();
  }
  function first() { return photos.size ? "gallery" : "table"; }
  function toAddress() {
    const address = new URLSearchParams();
    if (q.value) address.set("q", q.value);
    for (const facet of facets) for (const n of facet.chosen) address.append(key(facet.field), facet.labels[n]);
    if (sort || down) address.set("sort", (down ? "-" : "") + sort);
    if (view !== first()) address.set("view", view);
    if (page) address.set("page", page + 1);
    if (opened >= 0) address.set("open", opened);
    if (String(address) || location.hash.includes("=")) history.replaceState(null, "", "#" + (String(address) || "results"));
  }

  // A field may have the name of another part of the address.
  function key(field) { return ["q", "sort", "view", "page", "open"].includes(field) ? `field.${field}` : field; }

  const bars = (row, n) => { const own = rows[row][10][n]; return own === null ? [] : Array.isArray(own) ? own : [own]; };

  // A row must fit one chosen bar of each chart. A bar counts the rows that fit all other charts.
  function find() {
    const words = q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const counts = facets.map((facet) => facet.labels.map(() => 0));
    found = [];
    for (let row = 0; row < rows.length; row++) {
      if (!words.every((word) => texts[row].includes(word))) continue;
      let misses = 0, missed = -1;
      for (let n = 0; n < facets.length && misses < 2; n++) {
        if (facets[n].chosen.size && !bars(row, n).some((bar) => facets[n].chosen.has(bar))) { misses++; missed = n; }
      }
      if (misses === 0) found.push(row);
      if (misses < 2) for (let n = 0; n < facets.length; n++) if (misses === 0 || n === missed) for (const bar of bars(row, n)) counts[n][bar]++;
    }
    const filtered = words.length > 0 || facets.some((facet) => facet.chosen.size);
    by("clear").hidden = !filtered;
    facets.forEach((facet, n) => {
      const most = Math.max(1, ...facet.whole);
      facet.buttons.forEach((button, bar) => {
        const shown = filtered ? counts[n][bar] : facet.whole[bar];
        button.setAttribute("aria-pressed", String(facet.chosen.has(bar)));
        button.querySelector(".n").textContent = count(shown);
        button.querySelector(".now").setAttribute("width", 100 * shown / most);
      });
    });
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
    const size = SIZES[view], pages = Math.max(1, Math.ceil(found.length / size));
    page = Math.min(page, pages - 1);
    by("found").textContent = found.length === rows.length ? `${count(rows.length)} rows` : `${count(found.length)} of ${count(rows.length)} rows`;
    by("page").textContent = `page ${count(page + 1)} of ${count(pages)}`;
    by("printed").textContent = pages > 1 ? `This is page ${count(page + 1)} of ${count(pages)}. All rows are in results.csv.` : "";
    by("back").disabled = page === 0;
    by("next").disabled = page === pages - 1;
    order.value = (down ? "-" : "") + sort;
    for (const one of views) {
      one.checked = one.value === view;
      if (places[one.value]) places[one.value].hidden = one.value !== view;
    }
    [...by("rows").tHead.rows[0].cells].forEach((cell, n) => n === sort ? cell.setAttribute("aria-sort", down ? "descending" : "ascending") : cell.removeAttribute("aria-sort"));
    const shown = found.slice(page * size, (page + 1) * size);
    if (view === "gallery") places.gallery.replaceChildren(...shown.map(tile));
    if (view === "table") body.replaceChildren(...shown.map(line));
    if (view === "matrix") places.matrix.querySelector("tbody").replaceChildren(...shown.map(cells));
    toAddress();
    const row = opened < 0 ? -1 : rows.findIndex((row) => row[0] === opened);
    if (row < 0) { opened = -1; if (dialog.open) dialog.close(); } else await open(row);
  }

  // What a picture shows: its name and the first answers.
  const about = (row) => [rows[row][1], rows[row][3] || rows[row][8]].filter(Boolean).join(": ");
  function picture(row, lazy) {
    const script = photos.get(rows[row][0]);
    return script && element("img", null, { src: script.textContent, alt: about(row), loading: lazy ? "lazy" : "eager" });
  }
  function opener(row, name) {
    const button = isolated("button", name, { type: "button", className: "open" });
    button.dataset.row = row;
    return button;
  }

  function tile(row) {
    const button = element("button", null, { type: "button", className: "open tile" });
    button.dataset.row = row;
    button.append(picture(row, true) ?? element("span", "no picture", { className: "blank" }));
    const [facts, text] = rows[row][12] ?? [[], rows[row][3]];
    const status = rows[row][2];
    facts.forEach((fact, n) => button.append(isolated(n ? "span" : "b", fact)));
    if (text) button.append(isolated("span", text, { className: "more" }));
    if (status !== "ok") button.append(element("span", rows[row][8] ?? status, { className: `status s-${status}` }));
    button.append(isolated("span", rows[row][1], { className: "name" }));
    return element("li", null, {}, button);
  }

  function line(row) {
    const tr = element("tr");
    for (const [name, field, kind, format] of columns) {
      const value = rows[row][field], td = element("td", null, { className: kind ?? "" });
      td.dataset.name = name;
      if (field === 1) {
        const small = picture(row, true);
        if (small) small.alt = "";
        td.append(element("div", null, { className: "doc" }, ...[small, opener(row, value)].filter(Boolean)));
      } else if (field === 2) {
        td.append(element("span", value, { className: `status s-${value}` }));
      } else if (value !== null && value !== "") {
        td.append(element("bdi", format ? format(value) : value));
      }
      tr.append(td);
    }
    return tr;
  }

  function cells(row) {
    const tr = element("tr", null, {}, element("th", null, { scope: "row" }, opener(row, rows[row][1])));
    const heads = [...places.matrix.querySelectorAll("thead th")].map((head) => head.textContent);
    const tbody = places.matrix.querySelector("tbody"), low = Number(tbody.dataset.low), high = Number(tbody.dataset.high);
    const [sides, choice] = rows[row][11] ?? [[], null];
    const n = heads.length - 1 - (heads.at(-1) === "choice" ? 1 : 0);
    for (let side = 0; side < n; side++) {
      const [score, mark] = sides[side] ?? [null, 0];
      const td = element("td", `${score ?? (mark ? "" : "–")}${mark ? " ✓" : ""}`, { className: side === choice ? "chosen" : "" });
      if (score !== null && high > low) td.style.setProperty("--heat", `${Math.round(10 + 60 * (score - low) / (high - low))}%`);
      tr.append(td);
    }
    if (heads.at(-1) === "choice") {
      const best = sides.reduce((best, [score], side) => score !== null && (best < 0 || score > sides[best][0]) ? side : best, -1);
      const higher = choice !== null && best >= 0 && sides[choice][0] !== null && sides[best][0] > sides[choice][0];
      tr.append(isolated("td", choice === null ? rows[row][8] ?? "" : heads[choice + 1] + (higher ? ` (higher: ${heads[best + 1]})` : "")));
    }
    return tr;
  }

  function list(pairs) {
    const dl = element("dl");
    for (const [name, value] of pairs) dl.append(isolated("dt", name.replaceAll("_", " ")), isolated("dd", value));
    return dl;
  }

  function table(heads, lines) {
    const head = element("tr", null, {}, ...heads.map((name) => element("th", name.replaceAll("_", " "), { scope: "col" })));
    const body = lines.map((line) => element("tr", null, {}, ...line.map((text) => isolated("td", text))));
    return element("div", null, { className: "scroll", tabIndex: 0 }, element("table", null, {}, head, ...body));
  }

  // Opens a row in the dialog.
  async function open(row) {
    opened = rows[row][0];
    toAddress();
    const at = found.indexOf(row), parts = [], what = await held(row);
    const large = picture(row, false);
    if (large) parts.push(large);
    parts.push(element("p", null, {}, element("span", rows[row][2], { className: `status s-${rows[row][2]}` })));
    if (what === null) {
      parts.push(element("p", "The page has no room for the answers of this row: see results.jsonl.", { className: "note" }));
    } else {
      const [failure, kept, answers, facts, calls, more, sides] = what;
      if (failure) parts.push(list([[failure[0], failure[1]]]));
      if (answers.length) parts.push(list(answers));
      if (sides.length) {
        const heads = [...new Set(sides.flatMap(([, fields]) => fields.map(([name]) => name)))];
        parts.push(element("h3", "Specialists"), table(["", ...heads], sides.map(([side, fields]) => [side, ...heads.map((head) => fields.find(([name]) => name === head)?.[1] ?? "")])));
      }
      if (kept.length) parts.push(element("h3", "From the table"), list(kept));
      if (facts) parts.push(element("p", `${rows[row][9]}: ${facts}`, { className: "note" }));
      if (calls.length) {
        const lines = calls.map(([task, ended, model, attempts, input, output, cost, time]) => [task, ended, model, attempts, count(input), count(output), usd(cost), seconds(time)]);
        const folded = element("details", null, {}, element("summary", "Calls"), table(["call", "ended", "model", "attempts", "tokens in", "tokens out", "cost", "time"], lines));
        if (more) folded.append(element("p", `and ${count(more)} more calls`, { className: "note" }));
        parts.push(folded);
      }
    }
    if (opened !== rows[row][0]) return;
    by("open-name").replaceChildren(element("bdi", rows[row][1]));
    by("content").replaceChildren(...parts);
    by("place").textContent = at < 0 ? "" : `${count(at + 1)} of ${count(found.length)}`;
    by("before").disabled = at <= 0;
    by("after").disabled = at < 0 || at === found.length - 1;
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }
  function step(by) {
    const at = found.findIndex((row) => rows[row][0] === opened) + by;
    if (at >= 0 && at < found.length) open(found[at]);
  }

  function again() { page = 0; opened = -1; find(); return show(); }

  async function start() {
    for (const script of document.getElementsByClassName("photo")) photos.set(Number(script.dataset.index), script);
    for (const script of document.getElementsByClassName("heads")) {
      for (const row of await unpack(script)) {
        rows.push(row);
        texts.push([row[1], row[2], row[3], row[8] ?? "", row[9]].join("\n").toLowerCase());
      }
    }
    columns.forEach(([name, , kind], n) => {
      const button = element("button", name, { type: "button" });
      button.addEventListener("click", () => { down = sort === n ? !down : kind === "n" && n > 0; sort = n; again(); });
      by("rows").tHead.rows[0].append(element("th", null, { scope: "col", className: kind ?? "" }, button));
      order.append(element("option", n ? `${name}, up` : "as given", { value: String(n) }), element("option", n ? `${name}, down` : "last first", { value: "-" + n }));
    });
    for (const facet of facets) {
      facet.whole = facet.buttons.map((button) => Number(button.querySelector(".n").textContent.replaceAll(",", "")));
      facet.buttons.forEach((button, bar) => {
        button.disabled = false;
        button.addEventListener("click", () => { if (!facet.chosen.delete(bar)) facet.chosen.add(bar); again(); });
      });
    }
    if (photos.size) views.find((one) => one.value === "gallery").parentNode.hidden = false;
    by("views").hidden = views.filter((one) => !one.parentNode.hidden).length < 2;
    for (const one of views) one.addEventListener("change", () => { view = one.value; page = 0; show(); });
    by("find").addEventListener("submit", (event) => event.preventDefault());
    q.addEventListener("input", again);
    order.addEventListener("change", () => { sort = Math.abs(parseInt(order.value, 10)); down = order.value.startsWith("-"); again(); });
    by("clear").addEventListener("click", () => { q.value = ""; for (const facet of facets) facet.chosen.clear(); again(); q.focus(); });
    const turn = (by) => { page += by; opened = -1; show(); document.getElementById("find").scrollIntoView(); };
    by("back").addEventListener("click", () => turn(-1));
    by("next").addEventListener("click", () => turn(1));
    by("table").addEventListener("click", (event) => {
      const button = event.target.closest(".open");
      if (!button) return;
      caller = button;
      open(Number(button.dataset.row));
    });
    by("before").addEventListener("click", () => step(-1));
    by("after").addEventListener("click", () => step(1));
    by("close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => { opened = -1; toAddress(); caller?.focus(); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
    const bill = by("print-bill");
    bill.hidden = false;
    bill.addEventListener("click", () => { document.documentElement.dataset.print = "bill"; window.print(); delete document.documentElement.dataset.print; });
    window.addEventListener("hashchange", () => {
      const named = document.getElementById(location.hash.slice(1));
      if (named?.tagName === "DETAILS") named.open = true;
      if (location.hash.includes("=")) { fromAddress(); find(); show(); }
    });
    fromAddress();
    find();
    by("table").hidden = false;
    await show();
    document.documentElement.dataset.ready = "yes";
  }
  start();
})();
