/* What a screen reader hears of news: states (whatever is shown as a badge) and how many a list has; never the ticks of figures and ages.

   In:  the event live:changed { from } (patch.js), htmx:afterSettle. Out: #announce (role=status). */
(() => {
  "use strict";

  const TOGETHER = 1500; // what changes within that time is said in one sentence
  const AT_MOST = 3;
  const COUNTS = "#fleet-sentence, #labs-sentence, #alerts-sentence, #operations-sentence, #licenses-sentence";

  const changed = new Map(); // the element that holds the state: whose it is
  let timer = null;

  const words = (element) => element?.textContent.replace(/\s+/g, " ").trim() || "";

  function say(sentence) {
    const place = document.getElementById("announce");
    if (place && place.textContent !== sentence) place.textContent = sentence;
  }

  function subject(cell) {
    return words(cell.closest("tr")?.querySelector("[data-row-link]")) || words(document.querySelector("main h1"));
  }

  function sayChanges() {
    timer = null;
    const there = [...changed.keys()].filter((cell) => cell.isConnected);
    const owners = new Set(there.map((cell) => changed.get(cell)));
    changed.clear();
    if (owners.size > AT_MOST) say(`${owners.size} rows changed their state.`);
    else if (there.length) say(`${there.map(describe).join(". ")}.`);
  }

  function describe(cell) {
    const name = cell.dataset.label || words(cell.querySelector("dt"));
    const state = [...cell.querySelectorAll(".badge")].map(words).join(", ");
    return `${subject(cell)}: ${[name, state].filter(Boolean).join(" ")}`;
  }

  document.addEventListener("live:changed", ({ target, detail }) => {
    if (!detail.from.closest(".badge")) return;
    changed.set(target, target.closest("tr") || target);
    timer ??= setTimeout(sayChanges, TOGETHER);
  });

  let sentence = words(document.querySelector(COUNTS));
  document.addEventListener("htmx:afterSettle", () => {
    const now = words(document.querySelector(COUNTS));
    if (now && now !== sentence) say(now);
    sentence = now;
  });
})();
