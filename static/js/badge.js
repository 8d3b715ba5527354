/* The badge, the title and the icon: how the page's connection is, and how many workers fail. Load it after bell.js.

   In:  CustomEvents on document: live:state { state, heartbeatAt, eventAt }, live:counts { html }, live:bell.
        #live-badge (data-state; text in [data-live-text]; data-sign-in), [data-failing-workers] in the bell, #count-failing among the
        tiles; link[rel=icon] with data-well, data-failing, data-stale.
   Out: their state, <html data-live="…">, document.title, #announce (role=status). docs/live.md says what each state means. */
(() => {
  "use strict";

  /* title: what the title begins with, when the page may be wrong and its tab should say so. */
  const STATES = {
    connected: { text: "Live", means: "Changes come by themselves." },
    polling: { text: "Every few seconds", means: "Several pages of this browser are open: this one reads itself again every few seconds." },
    reconnecting: { text: "Reconnecting", means: "The connection was lost a moment ago. The page reads itself again when it is back." },
    stale: { text: "Stale", title: "stale", means: "The server answers, but news does not arrive. The page reads itself again every minute." },
    disconnected: { text: "Disconnected", title: "disconnected", means: "The server cannot be reached. What is shown may be old." },
    "signed-out": { text: "Signed out", title: "signed out", means: "Sign in again to go on." },
    forbidden: { text: "No access", title: "no access", means: "You may no longer see this. Ask an administrator of the portal for a role." },
  };
  const PREFIX = /^\((?:\d+ failing|stale|disconnected|signed out|no access)\) /;

  let state = null;
  let failing = null; // by the stream's last word; null before the first

  // ── The badge ──────────────────────────────────────────────────────────────────────────────────────────────────────
  function age(name, at) {
    return at === null ? `No ${name} yet` : `Last ${name} ${Math.max(0, Math.floor((performance.now() - at) / 1000))} s ago`;
  }

  function writeText(badge) {
    const place = badge.querySelector("[data-live-text]") || badge;
    place.textContent = STATES[state].text;
    if (state !== "signed-out" || !badge.dataset.signIn) return;
    const address = new URL(badge.dataset.signIn, location.href);
    address.searchParams.set("next", location.pathname + location.search);
    const link = document.createElement("a");
    link.textContent = STATES[state].text;
    link.href = address.href;
    place.replaceChildren(link);
  }

  /* Heard are a page that may be wrong, and that it is right again; not the moments between. */
  let told = false;
  function sayState() {
    const isBad = Boolean(STATES[state].title);
    if (isBad || (told && state === "connected")) {
      document.getElementById("announce")?.replaceChildren(`Live updates: ${STATES[state].text}. ${STATES[state].means}`);
      told = isBad;
    }
  }

  document.addEventListener("live:state", ({ detail }) => {
    const badge = document.getElementById("live-badge");
    if (!badge) return;
    if (state !== detail.state || badge.dataset.state !== state) {
      state = detail.state;
      badge.dataset.state = state;
      document.documentElement.dataset.live = state;
      writeText(badge);
      sayState();
      showTitle();
    }
    const title = `${STATES[state].means} ${age("event", detail.eventAt)}. ${age("heartbeat", detail.heartbeatAt)}.`;
    if (badge.title !== title) badge.title = title;
  });

  // ── Title and icon ─────────────────────────────────────────────────────────────────────────────────────────────────
  function countFailing() {
    const tile = document.getElementById("count-failing");
    if (tile) return Number(tile.textContent.trim() || 0);
    return failing ?? Number(document.querySelector("[data-failing-workers]")?.dataset.failingWorkers || 0);
  }

  function showTitle() {
    const count = countFailing();
    const trouble = STATES[state]?.title;
    const prefix = trouble ? `(${trouble}) ` : count ? `(${count} failing) ` : "";
    const title = prefix + document.title.replace(PREFIX, "");
    if (document.title !== title) document.title = title;
    const fleet = document.getElementById("fleet");
    if (fleet) fleet.dataset.failing = count;
    const icon = document.querySelector("link[rel=icon]");
    const wanted = trouble ? icon.dataset.stale : count ? icon.dataset.failing : icon.dataset.well;
    if (wanted && icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
  }

  document.addEventListener("live:counts", ({ detail }) => {
    const found = new DOMParser().parseFromString(detail.html, "text/html").getElementById("count-failing");
    if (found) failing = Number(found.textContent.trim() || 0);
    showTitle();
  });

  /* The bell that was read again is the younger word. */
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (detail.target?.id === "bell") failing = null;
    showTitle();
  });
  document.addEventListener("live:bell", () => {
    failing = null;
    showTitle();
  });
  for (const name of ["htmx:oobAfterSwap", "htmx:sseMessage", "DOMContentLoaded"]) document.addEventListener(name, showTitle);
})();
