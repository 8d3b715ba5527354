/* Which of a browser's tabs hold a stream: the four that were looked at last, because over HTTP/1.1 a browser has six connections to a
   host for all its tabs. Load it after live.js.

   There is no leader who could die: each tab says on a BroadcastChannel when it was last looked at, hears the others, and decides for
   itself. A tab that was never looked at, or that four others came after, rests; it reads itself again when it is looked at. One that
   is in sight without being among the four (a wall of windows) reads itself again every five seconds.

   In:  CustomEvent live:final on document. Out: live:rest, live:wake, live:behind, live:doubt (live.js, reread.js). */
(() => {
  "use strict";

  const protocol = performance.getEntriesByType("navigation")[0]?.nextHopProtocol;
  const LIMIT = protocol === "h2" || protocol === "h3" ? 20 : 4; // one connection carries many streams there
  const SAY_EVERY = 2000;
  const SILENT = { seen: 7000, hidden: 150000 }; // a tab not heard of for longer is gone: timers of hidden ones come once a minute
  const POLL_EVERY = 5000;
  const GLANCE = 10000; // where tabs cannot hear each other, a hidden one keeps its stream for so long
  const SIGNING_OUT = 1500;

  const me = Math.random().toString(36).slice(2);
  const others = new Map(); // tab: { lookedAt, isSeen, heardAt }
  const isSeen = () => document.visibilityState === "visible";
  let lookedAt = isSeen() ? Date.now() : 0;
  let hiddenAt = 0;
  let channel = null;
  let polledAt = 0;

  const tell = (name, detail = {}) => document.dispatchEvent(new CustomEvent(name, { detail }));

  function say(extra = {}) {
    channel?.postMessage({ tab: me, lookedAt, isSeen: isSeen(), ...extra });
  }

  function hear({ tab, gone, asks, doubts, ...facts }) {
    if (doubts) setTimeout(() => tell("live:doubt"), SIGNING_OUT);
    if (gone) others.delete(tab);
    else others.set(tab, { ...facts, heardAt: Date.now() });
    if (asks) say();
    decide();
  }

  function countAhead() {
    let ahead = 0;
    for (const [tab, { lookedAt: at, isSeen: seen, heardAt }] of others) {
      if (Date.now() - heardAt > (seen ? SILENT.seen : SILENT.hidden)) others.delete(tab);
      else if (at > lookedAt || (at === lookedAt && tab > me)) ahead += 1;
    }
    return ahead;
  }

  function mayStream() {
    if (lookedAt === 0) return false;
    if (channel === null) return isSeen() || Date.now() - hiddenAt < GLANCE;
    return countAhead() < LIMIT;
  }

  let streams = true;
  function decide() {
    const may = mayStream();
    if (may !== streams) tell(may ? "live:wake" : "live:rest", { reason: "tabs" });
    streams = may;
    if (streams || !isSeen() || Date.now() - polledAt < POLL_EVERY) return;
    polledAt = Date.now();
    tell("live:behind", { within: 0, lost: false });
  }

  function look() {
    if (isSeen()) lookedAt = Date.now();
    else hiddenAt = Date.now();
    decide();
    say();
  }

  function join() {
    if (!("BroadcastChannel" in window) || channel) return;
    channel = new BroadcastChannel("live-tabs");
    channel.onmessage = ({ data }) => hear(data);
    say({ asks: true });
  }

  /* A frozen tab, or one kept for the back button, hears nobody and has no stream. */
  function leave() {
    say({ gone: true });
    channel?.close();
    channel = null;
    others.clear();
  }

  function comeBack() {
    join();
    look();
  }

  document.addEventListener("visibilitychange", look);
  window.addEventListener("focus", look);
  window.addEventListener("pagehide", leave);
  document.addEventListener("freeze", leave);
  document.addEventListener("resume", comeBack);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) comeBack();
  });

  // Who signs out in one tab does in all: the others ask whether they may still listen.
  document.addEventListener("submit", ({ target }) => {
    if (target.matches("form[data-signs-out]")) say({ doubts: true });
  });
  document.addEventListener("live:final", ({ detail }) => {
    if (detail.state === "signed-out") say({ doubts: true });
  });

  setInterval(() => {
    if (isSeen()) say();
    decide();
  }, SAY_EVERY);
  // Hidden tabs say so themselves, as often as the browser lets them.
  setInterval(() => say(), SILENT.hidden / 3);

  decide();
  join();
})();
