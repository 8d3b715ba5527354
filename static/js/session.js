/* The page's own session: a warning before it ends, with one press that keeps it; what the page says when it has ended, or when its
   person may do less than before. Load it after htmx.

   The server knows when it ends, the page only guesses (other tabs are used too), so it asks before it says anything. Pages that ask by
   themselves keep nobody signed in: their requests carry X-Unattended, which the server does not count as use.

   In:  #session-banner (data-ends-in, data-limit-in, data-idle, data-warning in seconds; data-url, data-sign-in) and its paragraphs
        [data-when]; events session:over, session:powers, session:refused, session:stale (HX-Trigger of answers), on document live:final,
        live:powers (live.js) and live:doubt (tabs.js).
   Out: <html data-session="over">, #announce (role=status), on document session:ended (live.js). */
(() => {
  "use strict";

  const banner = document.getElementById("session-banner");
  if (!banner) return;

  const UNATTENDED = "X-Unattended";
  const AGAIN = { near: 20000, over: 5000 }; // between two questions while the end is near, and when it should have come
  const HOW_LONG = 8000; // that an answer may take
  const SAY_AT = [60, 0]; // seconds before the end at which it is said once more
  const html = document.documentElement;
  const ends = { at: 0, limit: 0 }; // by this machine's clock
  const seconds = (name) => Number(banner.dataset[name]) || 0;

  let shown = null; // which paragraph
  let over = false;
  let askedAt = -Infinity;
  let asking = null;
  let said = Infinity; // seconds before the end when it was last said
  let channel = null;

  const left = () => Math.round((ends.at - Date.now()) / 1000);
  const here = () => location.pathname + location.search;

  function learn({ ends_in: endsIn, limit_in: limitIn }) {
    ends.at = Date.now() + endsIn * 1000;
    ends.limit = Date.now() + limitIn * 1000;
  }

  // ── What is said ───────────────────────────────────────────────────────────────────────────────────────────────────
  function announce(sentence) {
    document.getElementById("announce")?.replaceChildren(sentence);
  }

  const words = (part) => part.querySelector("p").textContent.replace(/\s+/g, " ").trim();

  function show(name) {
    if (shown === name) return;
    shown = name;
    for (const part of banner.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== name;
    banner.hidden = name === null;
  }

  function inWords(count) {
    if (count > 90) return `in ${Math.round(count / 60)} minutes`;
    return count > 0 ? `in ${count} second${count === 1 ? "" : "s"}` : "now";
  }

  function warn() {
    const count = Math.max(0, left());
    const name = ends.limit <= ends.at + 1000 ? "limit" : "idle";
    const isNew = shown !== name;
    show(name);
    const part = banner.querySelector(`[data-when="${name}"]`);
    part.querySelector("[data-left]").textContent = inWords(count);
    if (isNew || SAY_AT.some((mark) => said > mark && count <= mark)) {
      said = count;
      announce(`${words(part)} ${part.querySelector("button").textContent.trim()}: a button at the top of the page.`);
    }
  }

  function beWell() {
    if (shown === "idle" || shown === "limit") {
      show(null);
      announce("You stay signed in.");
    }
    said = Infinity;
  }

  // ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────────
  function end() {
    if (over) return;
    over = true;
    html.dataset.session = "over";
    const main = document.getElementById("main");
    const wasInside = main?.contains(document.activeElement);
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    if (main) main.inert = true;
    const link = banner.querySelector('[data-when="over"] a');
    const address = new URL(banner.dataset.signIn, location.href);
    address.searchParams.set("next", here());
    link.href = address.href;
    show("over");
    announce(words(banner.querySelector('[data-when="over"]')));
    if (wasInside) link.focus();
    document.dispatchEvent(new CustomEvent("session:ended"));
    tell({ over: true });
  }

  /* Somebody signed in again, in another tab: what this one shows may be somebody else's. */
  function begin() {
    if (over) location.reload();
  }

  // ── Asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  async function ask(body) {
    if (asking && !body) return asking;
    askedAt = Date.now();
    asking = answer(body).finally(() => (asking = null));
    return asking;
  }

  async function answer(body) {
    try {
      const options = { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(HOW_LONG) };
      const headers = body ? {} : { [UNATTENDED]: "1" };
      const said = await fetch(banner.dataset.url, { ...options, headers, method: body ? "POST" : "GET", body });
      if (said.status === 401) end();
      if (said.status === 403) show("stale");
      if (!said.ok) return;
      const known = await said.json();
      begin();
      learn(known);
      if (left() > seconds("warning")) beWell();
      tell({ end: ends.at, limit: ends.limit });
    } catch {
      // The server cannot be reached: that says nothing about the session.
    }
  }

  function tick() {
    if (over || left() > seconds("warning")) return;
    if (Date.now() - askedAt > (left() > 0 ? AGAIN.near : AGAIN.over)) ask();
    else if (!asking) warn(); // the server was asked, and says so too or cannot be reached
  }

  // ── Other tabs ─────────────────────────────────────────────────────────────────────────────────────────────────────
  function tell(news) {
    channel?.postMessage(news);
  }

  function hear(news) {
    if (news.over && !over) ask();
    if (!news.end || over || news.end <= ends.at) return;
    ends.at = news.end;
    ends.limit = news.limit;
    if (left() > seconds("warning")) beWell();
  }

  if ("BroadcastChannel" in window) {
    channel = new BroadcastChannel("session");
    channel.onmessage = ({ data }) => hear(data);
  }

  // ── What the person does ───────────────────────────────────────────────────────────────────────────────────────────
  banner.addEventListener("submit", (event) => {
    if (event.target.matches("[data-stay]")) {
      event.preventDefault();
      ask(new FormData(event.target));
    }
    const next = event.target.matches("[data-back]") && event.target.elements.next;
    if (next) next.value = `${banner.dataset.signIn}?next=${encodeURIComponent(here())}`;
  });

  banner.addEventListener("click", (event) => {
    if (!event.target.closest("[data-reload]")) return;
    event.preventDefault();
    location.reload();
  });

  function lookAgain() {
    if (document.visibilityState !== "visible") return;
    if (over || left() <= seconds("warning")) ask();
  }

  document.addEventListener("visibilitychange", lookAgain);
  window.addEventListener("focus", lookAgain);

  // ── What htmx asks, and hears ──────────────────────────────────────────────────────────────────────────────────────
  const attended = (event) => Boolean(event?.isTrusted);

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (!attended(detail.triggeringEvent)) detail.headers[UNATTENDED] = "1";
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (over) event.preventDefault();
  });

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (!detail.successful || !attended(detail.requestConfig?.triggeringEvent) || !seconds("idle") || over) return;
    ends.at = Math.min(ends.limit, Date.now() + seconds("idle") * 1000);
    beWell();
    tell({ end: ends.at, limit: ends.limit });
  });

  // ── Less than before ───────────────────────────────────────────────────────────────────────────────────────────────
  const changed = (field) =>
    field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;

  /* Whether a reload would take something from the person: what they typed, ticked or have open. */
  function isBusy() {
    if (document.querySelector("dialog[open], details.menu[open]") || html.dataset.method === "POST") return true;
    return [...document.querySelectorAll("main :is(input:not([type=hidden]), textarea)")].some(changed);
  }

  function change() {
    if (over || shown === "powers") return;
    if (!isBusy()) return location.reload();
    show("powers");
    announce(words(banner.querySelector('[data-when="powers"]')));
  }

  function refuse(name) {
    if (over) return;
    show(name);
    announce(words(banner.querySelector(`[data-when="${name}"]`)));
  }

  document.addEventListener("session:over", end);
  document.addEventListener("session:powers", change);
  document.addEventListener("session:refused", () => refuse("refused"));
  document.addEventListener("session:stale", () => refuse("stale"));
  document.addEventListener("live:powers", change);
  document.addEventListener("live:doubt", () => over || ask());
  document.addEventListener("live:final", ({ detail }) => {
    if (detail.state === "signed-out") end();
    else if (detail.state === "forbidden") change();
  });

  learn({ ends_in: seconds("endsIn"), limit_in: seconds("limitIn") });
  setInterval(tick, 1000);
})();
