/* What pages need of script beyond htmx: keys, menus, dialogs, toasts, times in the person's zone.
   Everything works without it. */
(() => {
  "use strict";

  const TOAST = 6000;
  const byId = (id) => document.getElementById(id);
  const isTyping = (element) => element.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");

  // ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────────────────
  function moveRow(step) {
    const links = [...document.querySelectorAll("[data-row-link]")];
    if (links.length === 0) return;
    const row = document.activeElement.closest("tr");
    const current = links.findIndex((link) => link.closest("tr") === row);
    const next = current < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, current + step));
    links[next].focus();
    links[next].closest("tr").scrollIntoView({ block: "nearest" });
  }

  const KEYS = {
    "/": () => byId("q")?.select(),
    j: () => moveRow(1),
    k: () => moveRow(-1),
    "?": () => byId("help")?.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeMenus(true);
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]") || !Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  // ── Menus, dialogs, toasts ─────────────────────────────────────────────────────────────────────────────────────────
  function closeMenus(toSummary, except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (menu === except) continue;
      if (toSummary && menu.contains(document.activeElement)) menu.querySelector("summary").focus();
      menu.open = false;
    }
  }

  document.addEventListener("click", ({ target }) => {
    closeMenus(false, target.closest("details.menu"));
    target.closest("[data-dismiss]")?.closest(".toast").remove();
    const opener = target.closest("[data-opens]");
    if (!opener) return;
    closeMenus(false);
    byId(opener.dataset.opens)?.showModal();
  });

  function timeToasts() {
    for (const toast of document.querySelectorAll(".toast:not([data-ui-timed])")) {
      toast.dataset.uiTimed = "";
      if (toast.dataset.tone !== "bad" && toast.dataset.tone !== "warn") setTimeout(() => toast.remove(), TOAST);
    }
  }

  // News of a press may redraw the buttons before the press itself is answered. htmx then looks for the toasts' place inside the form
  // that is gone, and finds none: put them where they belong.
  document.body.addEventListener("htmx:oobErrorNoTarget", ({ detail }) => {
    byId(detail.content.id)?.append(...detail.content.children);
    timeToasts();
  });

  // ── Filters ────────────────────────────────────────────────────────────────────────────────────────────────────────
  /* A patch leaves what is typed and ticked alone, so after a chip, a tile or "Clear all" the controls follow the address.
     After the form's own requests and re-reads they are the truth: somebody may have typed on meanwhile. */
  function showFilters() {
    const form = byId("fleet-filters");
    const wanted = new URLSearchParams(location.search);
    for (const input of form?.querySelectorAll("input") || []) {
      if (input.type === "checkbox") input.checked = wanted.getAll(input.name).includes(input.value);
      else input.value = wanted.get(input.name) || "";
    }
  }

  /* Addresses stay short: what is empty is left out. */
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (!detail.elt.matches("form.filters")) return;
    for (const name of ["q", "tag", "person", "from", "to"]) if (!detail.parameters[name]) delete detail.parameters[name];
  });

  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    timeToasts();
    if (detail.pathInfo && detail.target?.id === "fleet" && detail.requestConfig?.elt.tagName === "A") showFilters();
  });

  // ── Times ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  const zone = document.documentElement.dataset.timeZone || "UTC";
  let format = null;
  document.addEventListener("pointerover", ({ target }) => {
    const time = target.closest?.("time[datetime]");
    const at = time && new Date(time.dateTime);
    if (!at || Number.isNaN(at.getTime())) return;
    format ||= new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium", timeZone: zone });
    time.title = `${format.format(at)} (${zone.replaceAll("_", " ")})`;
  });

  document.addEventListener("DOMContentLoaded", timeToasts);
})();
