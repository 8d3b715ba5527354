/* How old what we show is.

   <time data-age datetime="…" data-stale-after="180">: its text becomes "14 s ago" and is kept true each second; the attribute
   data-stale is there while it is older than data-stale-after seconds.
   <time data-age data-checked="aws:<region>">, "cml:<worker id>" or "labs:<worker id>": moved forward by the stream's `checked` events (live:checked).

   Ages are counted by the server's clock, which the stream tells (live:hello), so a browser in the wrong time zone or with a wrong
   clock still says "14 s ago". */
(() => {
  "use strict";

  let serverAhead = 0; // milliseconds

  function words(seconds) {
    if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
    return `${Math.floor(seconds / 86400)} d ago`;
  }

  /* Somebody copies it, or a row with it: new text would take the selection away. */
  function isSelected(time) {
    const selection = document.getSelection();
    return !selection.isCollapsed && selection.containsNode(time, true);
  }

  function write(time) {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) return;
    const seconds = (Date.now() + serverAhead - at) / 1000;
    const text = words(seconds);
    if (time.textContent !== text && !isSelected(time)) time.textContent = text;
    const limit = Number(time.dataset.staleAfter);
    const stale = limit > 0 && seconds > limit;
    if (stale !== time.hasAttribute("data-stale")) time.toggleAttribute("data-stale", stale);
  }

  function writeAll() {
    if (document.visibilityState === "visible") document.querySelectorAll("time[data-age]").forEach(write);
  }

  function moveForward(time, at) {
    const known = Date.parse(time.dateTime);
    if (Number.isNaN(known) || known < Date.parse(at)) time.dateTime = at;
    write(time);
  }

  document.addEventListener("live:checked", ({ detail }) => {
    if (Number.isNaN(Date.parse(detail.at))) return;
    const kind = detail.source === "labs" ? "labs" : "cml";
    const sources = (detail.workers || []).map((id) => `${kind}:${id}`);
    if (detail.region) sources.push(`aws:${detail.region}`);
    for (const source of sources) {
      const selector = `time[data-checked="${CSS.escape(source)}"]`;
      document.querySelectorAll(selector).forEach((time) => moveForward(time, detail.at));
    }
  });

  document.addEventListener("live:hello", ({ detail }) => {
    const ahead = Date.parse(detail.at) - Date.now();
    // Up to two seconds are the network and the whole seconds in which the server tells its time.
    serverAhead = Math.abs(ahead) > 2000 ? ahead : 0;
  });

  document.addEventListener("htmx:afterSettle", writeAll);
  document.addEventListener("visibilitychange", writeAll);
  document.addEventListener("DOMContentLoaded", writeAll);
  setInterval(writeAll, 1000);
})();
