/* A picture that is wider than its frame begins at its middle, where topologies have most to show. Without this it begins at its left. */
(() => {
  "use strict";

  function centre() {
    const frame = document.getElementById("topology-frame");
    if (!frame || "uiCentred" in frame.dataset) return;
    frame.dataset.uiCentred = "";
    frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
  }

  document.addEventListener("DOMContentLoaded", centre);
  document.addEventListener("htmx:afterSettle", centre);
})();
