/* Selecting rows, of the fleet or of alerts. Without it the boxes and the bar are a plain form; with it the bar comes when something is selected,
   one box takes the whole page, Shift takes a range, x takes the row that has the focus and b goes to the bar. */
(() => {
  "use strict";

  const boxes = () => [...document.querySelectorAll("[data-select]")];
  const byId = (id) => document.getElementById(id);
  let last = null;

  function show() {
    const bar = byId("bulk");
    if (!bar) return;
    const all = byId("bulk-all");
    const rows = boxes();
    const count = rows.filter((box) => box.checked).length;
    const used = count > 0 || all?.checked;
    bar.classList.toggle("is-used", Boolean(used));
    const place = byId("bulk-count");
    place.dataset.keep = ""; // a re-read page does not know what is selected
    const text = all?.checked ? "All selected" : `${count} selected`;
    if (used && place.textContent !== text) place.textContent = text;
    bar.querySelector("[data-clear-selection]").hidden = false;
    for (const box of rows) box.closest("tr").classList.toggle("is-selected", box.checked || Boolean(all?.checked));
    const page = document.querySelector("[data-select-page]");
    if (!page) return;
    page.hidden = false;
    page.checked = rows.length > 0 && count === rows.length;
    page.indeterminate = count > 0 && count < rows.length;
  }

  function set(chosen, checked) {
    for (const box of chosen) box.checked = checked;
    show();
  }

  function range(box) {
    const rows = boxes();
    const [from, to] = [rows.indexOf(last), rows.indexOf(box)].sort((one, other) => one - other);
    if (from >= 0) set(rows.slice(from, to + 1), box.checked);
  }

  document.addEventListener("click", ({ target, shiftKey }) => {
    if (target.closest("[data-clear-selection]")) {
      if (byId("bulk-all")) byId("bulk-all").checked = false;
      set(boxes(), false);
      document.querySelector("[data-select-page]")?.focus();
    }
    if (!target.matches("[data-select]")) return;
    if (shiftKey && last?.isConnected) range(target);
    last = target;
  });

  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-select-page]")) set(boxes(), target.checked);
    else if (target.matches("[data-select]")) {
      if (!target.checked && byId("bulk-all")) byId("bulk-all").checked = false;
      show();
    } else if (target.id === "bulk-all") show();
  });

  const KEYS = {
    x: () => {
      const box = document.activeElement.closest("tr")?.querySelector("[data-select]");
      if (box) set([box], !box.checked);
      return box;
    },
    b: () => {
      const bar = document.querySelector("#bulk.is-used button");
      bar?.focus();
      return bar;
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !Object.hasOwn(KEYS, event.key)) return;
    if (event.target.matches("input:not([type=checkbox]), textarea, select") || document.querySelector("dialog[open]")) return;
    if (KEYS[event.key]()) event.preventDefault();
  });

  document.addEventListener("htmx:afterSettle", show);
  window.addEventListener("pageshow", show); // the back button brings back what was ticked
  show();
})();
