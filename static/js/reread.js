/* Reading the page again, until it has been read: what the stream did not bring, this does. Load it after htmx and before live.js.

   In:  CustomEvents on document: live:behind { within (ms), lost }: something was missed.
   Out: CustomEvent on body: live:reread: read your part again (in the hx-trigger of whatever has a part to read);
        on document: live:read { ok, all }: an answer came, or failed; all: everything that was asked for is here.

   A part that cannot be had now (no answer, a server's error, too many requests) is asked for again within seconds; one that is no
   longer to be had (it is gone, it is forbidden) is left to the page. */
(() => {
  "use strict";

  const PARTS = '[hx-trigger*="live:reread"]';
  const TIMEOUT = 10000; // of one answer
  const RETRY = { first: 1000, longest: 5000, ofSome: 60000 }; // when others come, the server is well and one part is not: no hurry
  const WITHOUT_NEWS = 12000; // a part that has not asked by then does not mean to

  let timer = null;
  let deadline = null;
  let failures = 0;
  let pathWasLost = false;
  let someCame = false; // since the page last asked for all
  let waiting = new Set();
  const fresh = new WeakSet(); // requests that were sent after the page fell behind
  const underWay = new Map(); // part: its request
  const given = new WeakSet(); // requests that were given up for a fresh one

  const tell = (ok, all) => document.dispatchEvent(new CustomEvent("live:read", { detail: { ok, all } }));

  function ask(delay) {
    if (timer === null) timer = setTimeout(readAll, delay);
  }

  function readAll() {
    timer = null;
    waiting = new Set(document.querySelectorAll(PARTS));
    if (pathWasLost) giveUp();
    pathWasLost = someCame = false;
    clearTimeout(deadline);
    deadline = setTimeout(finish, WITHOUT_NEWS);
    document.body.dispatchEvent(new CustomEvent("live:reread", { bubbles: true }));
    if (waiting.size === 0) finish();
  }

  /* What was asked for over a path that is gone may never be answered, and its successor would queue behind it. */
  function giveUp() {
    for (const [part, xhr] of underWay) {
      given.add(xhr);
      htmx.trigger(part, "htmx:abort");
    }
  }

  function finish() {
    if (timer !== null) return; // some failed, and are asked for again
    clearTimeout(deadline);
    waiting = new Set();
    failures = 0;
    tell(true, true);
  }

  function retry() {
    if (timer !== null) return;
    const longest = someCame && failures > 3 ? RETRY.ofSome : RETRY.longest;
    const delay = Math.min(longest, RETRY.first * 2 ** failures);
    failures += 1;
    tell(false, false);
    ask(delay * (0.5 + Math.random() / 2));
  }

  const willPass = (status) => status === 0 || status === 429 || status >= 500;

  document.addEventListener("live:behind", ({ detail }) => {
    if (detail.lost) {
      failures = 0;
      pathWasLost = true;
      clearTimeout(timer);
      timer = null;
    }
    ask(Math.random() * detail.within);
  });

  document.addEventListener("htmx:configRequest", ({ detail }) => {
    if (detail.verb === "get" && detail.elt.matches(PARTS)) detail.timeout = TIMEOUT;
  });

  document.addEventListener("htmx:beforeSend", ({ detail }) => {
    if (!detail.elt.matches(PARTS) || detail.requestConfig.verb !== "get") return;
    underWay.set(detail.elt, detail.xhr);
    if (timer === null && waiting.has(detail.elt)) fresh.add(detail.xhr);
  });

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const part = [...underWay].find(([, xhr]) => xhr === detail.xhr)?.[0];
    if (!part) return;
    underWay.delete(part);
    if (given.has(detail.xhr)) return;
    if (willPass(detail.xhr.status)) {
      if (part.isConnected) retry();
      return;
    }
    someCame = true;
    if (fresh.has(detail.xhr)) waiting.delete(part);
    for (const one of waiting) if (!one.isConnected) waiting.delete(one);
    if (waiting.size === 0) finish();
    else tell(true, false);
  });
})();
