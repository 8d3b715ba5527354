/* Values under the pointer, the finger or the arrow keys in the charts of a worker's page.

   <section data-charts>                     charts that are read together; data-ui-at: the moment being read, in seconds since 1970
     <p role="status" data-spoken>           what the arrow keys read, for those who hear the page
     <figure data-readings data-start data-step>   a line a step, "time|value|value…"; when the first step begins, and how long each is
       <svg class="chart-picture" tabindex="0"> … <line class="chart-guide">
       [data-reading="…"] [data-now-head] [data-now="…"]   the caption, the column's head and its cells, with what they say of themselves

   All listeners are the document's, and the moment is kept in the section: what a swap brings new is read on where one was. */
(() => {
  "use strict";

  const FAR = 10; // steps of Page Up and Page Down
  const figuresOf = (section) => [...section.querySelectorAll("[data-readings]")];
  const linesOf = (figure) => figure.dataset.readings.split("\n");
  const sectionOf = (picture) => picture.closest("[data-charts]");

  function indexIn(figure, section) {
    const { start, step } = figure.dataset;
    if (section.dataset.uiAt === undefined) return null;
    const index = Math.round((Number(section.dataset.uiAt) - Number(start)) / Number(step));
    return index < 0 ? null : Math.min(index, linesOf(figure).length - 1);
  }

  function draw(figure, index) {
    const lines = linesOf(figure);
    const reads = index !== null;
    const [time, ...values] = lines[reads ? index : lines.length - 1].split("|");
    const guide = figure.querySelector(".chart-guide");
    guide.setAttribute("visibility", reads ? "visible" : "hidden");
    const x = reads ? `${(index / Math.max(1, lines.length - 1)) * 100}%` : "0";
    for (const end of ["x1", "x2"]) guide.setAttribute(end, x);
    const caption = figure.querySelector("[data-reading]");
    caption.textContent = reads ? time : caption.dataset.reading;
    figure.querySelector("[data-now-head]").textContent = reads ? "Then" : "Latest";
    figure.querySelectorAll("[data-now]").forEach((cell, row) => {
      cell.textContent = reads ? values[row] : cell.dataset.now;
    });
  }

  function drawAll(section) {
    for (const figure of figuresOf(section)) draw(figure, indexIn(figure, section));
  }

  /* Read step `index` of `figure`, and the same moment of its neighbours; null ends the reading. */
  function read(figure, index) {
    const section = sectionOf(figure);
    const { start, step } = figure.dataset;
    if (index === null) delete section.dataset.uiAt;
    else section.dataset.uiAt = Number(start) + index * Number(step);
    drawAll(section);
  }

  function speak(figure, index) {
    const [time, ...values] = linesOf(figure)[index].split("|");
    const names = [...figure.querySelectorAll("tbody th")].map((cell) => cell.textContent.trim());
    const words = values.map((value, row) => `${names[row]} ${value === "–" ? "not measured" : value}`);
    sectionOf(figure).querySelector("[data-spoken]").textContent = `${time}: ${words.join(", ")}`;
  }

  // ── Mouse, pen and finger ──────────────────────────────────────────────────────────────────────────────────────────
  function point({ target, clientX }) {
    const picture = target.closest?.(".chart-picture");
    if (!picture) return;
    const box = picture.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
    const figure = picture.closest("[data-readings]");
    read(figure, Math.round(share * (linesOf(figure).length - 1)));
  }

  function endAll(except) {
    for (const section of document.querySelectorAll("[data-charts][data-ui-at]")) {
      if (section.contains(except)) continue;
      delete section.dataset.uiAt;
      drawAll(section);
    }
  }

  document.addEventListener("pointermove", point);
  document.addEventListener("pointerdown", (event) => {
    const picture = event.target.closest?.(".chart-picture");
    endAll(picture);
    if (picture) point(event);
  });
  // A finger that is lifted leaves its value standing until the next touch elsewhere.
  document.addEventListener("pointerout", ({ target, relatedTarget, pointerType }) => {
    const picture = pointerType !== "touch" && target.closest?.(".chart-picture");
    if (picture && !picture.contains(relatedTarget)) read(picture.closest("[data-readings]"), null);
  });

  // ── Keys ───────────────────────────────────────────────────────────────────────────────────────────────────────────
  const MOVES = {
    ArrowLeft: (index) => index - 1,
    ArrowRight: (index) => index + 1,
    PageUp: (index) => index - FAR,
    PageDown: (index) => index + FAR,
    Home: () => 0,
    End: (index, last) => last,
  };

  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.(".chart-picture") || event.ctrlKey || event.metaKey || event.altKey) return;
    const figure = event.target.closest("[data-readings]");
    if (event.key === "Escape") read(figure, null);
    if (!Object.hasOwn(MOVES, event.key)) return;
    event.preventDefault();
    const last = linesOf(figure).length - 1;
    const from = indexIn(figure, sectionOf(figure));
    // The first key reads the latest value.
    const to = from === null && event.key !== "Home" ? last : MOVES[event.key](from, last);
    const index = Math.min(last, Math.max(0, to));
    read(figure, index);
    speak(figure, index);
  });

  // From one chart to its neighbour, by key or by finger, one reads on.
  document.addEventListener("focusout", ({ target, relatedTarget }) => {
    if (!target.matches?.(".chart-picture")) return;
    const follower = relatedTarget?.closest(".chart-picture");
    if (!follower || sectionOf(follower) !== sectionOf(target)) read(target.closest("[data-readings]"), null);
  });

  // ── Swaps ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  document.addEventListener("htmx:afterSettle", () => {
    document.querySelectorAll("[data-charts][data-ui-at]").forEach(drawAll);
  });
})();
