/* The bell in the header: live.js brings its new inside over whatever stream the page has; more alerts than before are said aloud. */
(() => {
  "use strict";

  const words = () => document.querySelector("#bell [data-bell-text]")?.textContent;
  const count = () => Number(document.querySelector("#bell .bell-count")?.textContent || 0);

  document.addEventListener("live:bell", ({ detail }) => {
    const bell = document.getElementById("bell");
    if (!bell) return;
    const before = count();
    htmx.swap(bell, detail.html, { swapStyle: "innerHTML", settleDelay: 0 });
    if (count() > before) document.getElementById("announce").textContent = words();
  });
})();
