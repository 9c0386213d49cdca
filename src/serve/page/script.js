// The page of docmill serve: which part is shown, keys, and dropped files. All content comes from the
// API, so a reload, a second window and a restart of the server lose nothing.

import { addFiles, prepareForm, showForm } from "./new.js";
import { showRun, showRuns } from "./runs.js";
import { attempt, byId, useKey } from "./server.js";

const TITLES = { new: "New run", runs: "Runs", run: "Run" };
let shown = null;

async function route() {
  shown?.abort();
  shown = new AbortController();
  const { signal } = shown;
  const [wanted, argument = ""] = (location.hash.slice(1) || "new").split("=");
  const page = wanted in TITLES ? wanted : "new";
  document.title = `${TITLES[page]} - docmill`;
  for (const name of Object.keys(TITLES)) byId(`page-${name}`).hidden = name !== page;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${page}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  await attempt(async () => {
    if (page === "new") await showForm();
    if (page === "runs") await showRuns(signal);
    if (page === "run") await showRun(argument.split(",").slice(0, 2), signal);
  });
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(byId("key").value.trim());
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
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
  const folders = entries.filter((entry) => entry?.isDirectory).map((entry) => entry.name);
  const dropped = [...event.dataTransfer.files].filter((file) => !folders.includes(file.name));
  if (dropped.length + folders.length === 0) return;
  if (byId("page-new").hidden) location.hash = "new";
  attempt(() => {
    addFiles(dropped);
    if (folders.length > 0) throw new Error(`${folders.join(", ")}: the page does not take folders. Drop the files in them.`);
  });
});
window.addEventListener("hashchange", () => {
  byId("main").focus({ preventScroll: true });
  route();
});
prepareForm();
route();
