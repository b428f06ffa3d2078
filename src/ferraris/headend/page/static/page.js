// Makes the page live: what the server says is new is fetched again, part by part.
// Without this script the page reads just as well, and is brought up to date by loading it again.
import { watchCharts } from "./chart.js";

const pulse = document.getElementById("pulse");
const due = new Set();
let timer = 0;
let fetching = false;

function show(alive) {
  pulse.hidden = false;
  pulse.className = alive ? "mark good" : "mark warn";
  const text = alive ? pulse.dataset.on : pulse.dataset.off;
  if (pulse.textContent !== text) pulse.textContent = text;
}

function parts() {
  return [...document.querySelectorAll("section[data-kinds]")];
}

function notice(kinds) {
  for (const part of parts()) {
    if (part.dataset.kinds.split(" ").some((kind) => kinds.includes(kind))) due.add(part.id);
  }
  plan(400);
}

// A night's collection tells of many changes a second: what is due is fetched together, and the
// next fetch waits until the last one is done.
function plan(delay) {
  if (due.size && !timer) timer = setTimeout(fetchDue, delay);
}

async function fetchDue() {
  timer = 0;
  if (fetching || document.hidden) return;
  const names = [...due];
  due.clear();
  fetching = true;
  try {
    const answer = await fetch(location.href, {
      headers: { "X-Parts": names.map((name) => name.replace("part-", "")).join(" ") },
      redirect: "manual",
      cache: "no-store",
    });
    if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
    if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    names.forEach((name) => due.add(name));
  } finally {
    fetching = false;
    plan(2000);
  }
}

// The places that a reader has opened, scrolled or focused stay as they are, and where something is
// being filled in, all of the part does until that is done.
function replace(fresh) {
  for (const part of fresh.querySelectorAll("section[data-kinds]")) {
    const old = document.getElementById(part.id);
    if (!old || old.outerHTML === part.outerHTML) continue;
    if (old.contains(busyControl()) || old.querySelector("details.act[open]")) {
      due.add(part.id);
      continue;
    }
    const open = [...old.querySelectorAll("details")].map((each) => each.open);
    const focused = place(old, document.activeElement);
    part.querySelectorAll("details").forEach((each, at) => { each.open = open[at] ?? false; });
    old.replaceWith(part);
    part.classList.add("new");
    if (focused) find(part, focused)?.focus({ preventScroll: true });
    watchCharts(part);
  }
  document.dispatchEvent(new CustomEvent("ferraris:fresh"));
}

function busyControl() {
  const at = document.activeElement;
  return at && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName) && at.type !== "hidden" ? at : null;
}

const ACTIVE = "a, button, summary, [tabindex]";

function place(root, element) {
  if (!element || !root.contains(element)) return null;
  return [...root.querySelectorAll(ACTIVE)].indexOf(element) + 1;
}

function find(root, number) {
  return root.querySelectorAll(ACTIVE)[number - 1];
}

function listen() {
  const source = new EventSource(document.body.dataset.changes);
  source.addEventListener("open", () => show(true));
  source.addEventListener("change", (event) => notice(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    show(false);
    // A stream that was refused is not tried again by the browser itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000 + Math.random() * 5000);
  });
  addEventListener("pagehide", () => source.close(), { once: true });
}

// What is asked for is done without leaving the page: what comes of it appears where it was asked
// for. Nothing is sent twice: without an answer nobody knows whether it was done.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-stays]")) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { "X-Parts": "none" },
    });
    if (answer.status === 401) return location.reload();
    const text = await answer.text();
    tell(answer.ok ? text : wrong(text), answer.ok);
    if (answer.ok) form.closest("details")?.removeAttribute("open");
  } catch {
    tell(document.body.dataset.lost, false);
  }
  document.getElementById("told").focus({ preventScroll: true });
  const part = form.closest("section");
  if (part) due.add(part.id);
  plan(0);
  button.disabled = false;
});

function wrong(page) {
  const lines = new DOMParser().parseFromString(page, "text/html").querySelectorAll("main h1, main p");
  const texts = [...lines].map((each) => each.textContent.trim()).filter(Boolean);
  return texts.slice(0, -1).join(" · ");
}

function tell(text, well) {
  const told = document.getElementById("told");
  told.className = well ? "notice" : "notice bad";
  told.hidden = false;
  told.textContent = text;
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) plan(0); });
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
setInterval(() => {
  for (const part of parts()) {
    const every = Number(part.dataset.every);
    if (every && Date.now() % (every * 1000) < 30000) due.add(part.id);
  }
  plan(0);
}, 30000);

watchCharts(document);
listen();
