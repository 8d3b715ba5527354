/* The page's connection to the live stream. docs/live.md tells how a page stays right.

   htmx's SSE extension makes its connections through htmx.createEventSource, so it works on what this file gives it: an object like an
   EventSource that never fails. It reconnects by itself (back-off with jitter, a time limit, a probe that learns why), rests while
   tabs.js says so, and follows when the page wants other channels. Load it after htmx and the extension.

   In:  GET <sse-connect> and <body data-live-channel>, text/event-stream; events hello, heartbeat, reread, powers, checked, stream-error,
        alerts.bell, fleet.counts, and the page's own (sse-swap). CustomEvents on document: live:rest, live:wake { reason } and live:doubt
        (tabs.js); live:read (reread.js); session:ended (session.js).
   Out: CustomEvents on document: live:behind { within, lost }: the page has missed something (reread.js); live:checked, live:hello (age.js);
        live:bell (bell.js); live:counts, live:state { state, heartbeatAt, eventAt } (badge.js); live:powers (session.js); live:final
        { state } (tabs.js, session.js). */
(() => {
  "use strict";

  const FIRST_DELAY = 1000;
  const LONGEST_DELAY = 8000; // right again within ten seconds of the path being back
  const OPEN_WITHIN = 5000; // an attempt that was lost on the way is not heard of again: the next one may pass
  const STEADY = 5000; // a connection that lasted this long was a good one: the next delay is the first again
  const LOST = 30000; // not open for longer: not "reconnecting" any more
  const SPREAD = 1000; // the server's reread reaches every page at once: they come over a second
  const YOUNG = 15000; // a page whose stream opens later than this after it was rendered may have missed something
  const SLEPT = { visible: 10000, hidden: 150000 }; // hidden pages' timers come once a minute
  const CHECK_EVERY = 8000; // how often a silent stream's path is tried
  const READ_WITHIN = { polling: 20000, hidden: 150000 }; // a page without a stream is right while its re-reads succeed

  const sources = new Set();
  const resting = new Set(); // why this page holds no stream: "offline", "left", "tabs"
  let heartbeatAt = null;
  let eventAt = null;
  let behind = null; // since when the page has missed something: { since, lost }
  let readAt = 0;
  let readFails = false;

  const now = () => performance.now();
  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(name, { detail }));
  function fallBehind(within, lost) {
    behind ||= { since: now(), lost };
    behind.lost ||= lost;
    tell("live:behind", { within, lost });
  }

  document.addEventListener("live:read", ({ detail }) => {
    readFails = !detail.ok;
    if (detail.ok) readAt = now();
    if (detail.ok && detail.all) behind = null;
    showState();
  });

  function parse(event) {
    try {
      return JSON.parse(event.data);
    } catch {
      return {};
    }
  }

  class LiveSource {
    static CONNECTING = 0;
    static OPEN = 1;
    static CLOSED = 2;

    constructor(url) {
      this.url = url;
      this.withCredentials = true;
      this.onopen = null;
      this.onmessage = null;
      this.onerror = null; // never called: the extension's own back-off would open second connections
      this.final = null;
      this.closed = false;
      this.lostAt = now();
      this._listeners = new Map();
      this._relay = (event) => this._hear(event);
      this._native = null;
      this._next = null;
      this._timer = null;
      this._opens = 0;
      this.openedAt = null;
      this._failures = 0;
      this._triedAt = -Infinity;
      this._checkedAt = 0;
      this._renewed = false;
      sources.add(this);
      for (const type of Object.keys(OWN)) this.addEventListener(type, (event) => OWN[type](this, event));
      if (resting.size === 0) this._connect();
    }

    get readyState() {
      if (this.closed) return LiveSource.CLOSED;
      return this.isOpen ? LiveSource.OPEN : LiveSource.CONNECTING;
    }

    get isOpen() {
      return this._native !== null && this._native.readyState === EventSource.OPEN;
    }

    addEventListener(type, listener) {
      if (!this._listeners.has(type)) {
        this._listeners.set(type, new Set());
        for (const native of [this._native, this._next]) native?.addEventListener(type, this._relay);
      }
      this._listeners.get(type).add(listener);
    }

    removeEventListener(type, listener) {
      const group = this._listeners.get(type);
      if (!group || !group.delete(listener) || group.size > 0) return;
      this._listeners.delete(type);
      for (const native of [this._native, this._next]) native?.removeEventListener(type, this._relay);
    }

    close() {
      this.closed = true;
      this._disconnect();
      sources.delete(this);
      if (byUrl.get(this.url) === this) byUrl.delete(this.url);
    }

    /* Other channels, without a gap: the old connection stays until the new one is open. */
    retarget(url) {
      if (this.closed || url === this.url) return;
      const same = sameChannels(url, this.url);
      byUrl.delete(this.url);
      this.url = url;
      byUrl.set(url, this);
      if (same || resting.size > 0 || this.final || this._native === null) return;
      if (!this.isOpen) {
        this._disconnect();
        this._connect();
        return;
      }
      this._renew();
    }

    resume() {
      if (this.closed || this.final || this._native !== null) return;
      this.lostAt = now();
      this._failures = 0;
      this._disconnect();
      this._connect();
    }

    /* Something tells that the path may be back, or that what is open may be dead: what waits for its turn does not wait on. */
    hurry(inDoubt) {
      if (this.closed || this.final || resting.size > 0) return;
      if (this.isOpen && inDoubt) this._renew(true);
      else if (this.isOpen) this.check();
      else if (this._native === null && now() - this._triedAt > FIRST_DELAY) {
        this._failures = 0;
        this._disconnect();
        this._connect();
      }
    }

    /* Silence has two causes: nothing to hear (Redis or the beat is away: the connection is well, and the server will say when to read
       again), or a connection that died without a word. A new one tells which, once; from then on a small question does, now and then. */
    check() {
      if (!this.isOpen || this._next || this.silence < patience()) return;
      if (now() - this._checkedAt < CHECK_EVERY) return;
      this._checkedAt = now();
      if (this._renewed) this._question();
      else this._renew(true);
    }

    get silence() {
      return now() - Math.max(eventAt || 0, this.openedAt || 0);
    }

    /* Ends the stream of somebody who may no longer listen, and loses the one whose server cannot be reached. */
    async _question() {
      const native = this._native;
      const status = await ask(this.url);
      if (native === null || this._native !== native) return;
      if (status === 401) this.end("signed-out");
      else if (status === 0) this._lost(false);
    }

    _renew(inDoubt = false) {
      this._renewed ||= inDoubt;
      this._next?.close();
      this._next = this._make(this.url);
    }

    end(final) {
      this.final = final;
      this._disconnect();
      tell("live:final", { state: final });
      showState();
    }

    /* The server ended the stream for a reason that will pass. */
    retryLater() {
      this._lost(true);
    }

    _connect() {
      this._triedAt = now();
      this._native = this._make(this.url);
    }

    _make(url) {
      const native = new EventSource(withPageChannel(url));
      for (const type of this._listeners.keys()) native.addEventListener(type, this._relay);
      native.onmessage = (event) => this.onmessage?.(event);
      native.onopen = (event) => this._opened(native, event);
      native.onerror = () => this._failed(native, native.readyState === EventSource.CLOSED);
      setTimeout(() => {
        if (native.readyState === EventSource.CONNECTING) this._failed(native, false, FIRST_DELAY);
      }, OPEN_WITHIN);
      return native;
    }

    _failed(native, ask, delay) {
      if (native === this._next) this._takeOver(); // the new channels are what the page wants: try on with them
      if (native === this._native) this._lost(ask, delay);
    }

    _takeOver() {
      this._native?.close();
      this._native = this._next;
      this._next = null;
    }

    _opened(native, event) {
      const lost = native !== this._next || this._renewed;
      if (native === this._next) this._takeOver();
      if (native !== this._native) return;
      this._opens += 1;
      this.openedAt = now();
      this.onopen?.(event);
      if (this._opens > 1 || now() > YOUNG) fallBehind(0, lost);
      showState();
    }

    /* EventSource gives up after an answer other than 200, and does not say which: `ask` means that we ask before we try again. */
    _lost(ask, longest = LONGEST_DELAY) {
      const steady = this.openedAt && now() - this.openedAt > STEADY;
      if (steady) this._failures = 0;
      if (this.openedAt) this.lostAt = now();
      this.openedAt = null;
      this._disconnect();
      const delay = Math.min(longest, FIRST_DELAY * 2 ** this._failures) * (0.5 + Math.random() / 2);
      this._failures += 1;
      this._timer = setTimeout(() => (ask ? this._probe() : this._connect()), delay);
      showState();
    }

    async _probe() {
      const timer = this._timer;
      const status = await ask(this.url);
      if (this._timer !== timer || this.closed) return; // suspended, resumed or closed meanwhile
      if (status === 401) this.end("signed-out");
      else if (status === 403) this.end("forbidden");
      else if (status === 200) this._connect();
      else this._lost(true);
    }

    _disconnect() {
      clearTimeout(this._timer);
      this._timer = null;
      this._native?.close();
      this._next?.close();
      this._native = this._next = null;
    }

    _hear(event) {
      if (event.target !== this._native && event.target !== this._next) return;
      eventAt = now();
      this._renewed = false;
      for (const listener of [...(this._listeners.get(event.type) || [])]) listener.call(this, event);
    }
  }

  /* A table sorted otherwise asks for the same channels in another order. */
  function sameChannels(one, other) {
    const sorted = (url) => url.split(/[?&]/).sort().join("&");
    return sorted(one) === sorted(other);
  }

  /* What the header of every page wants to hear of is asked for with whatever else the page shows: one stream a page. */
  function withPageChannel(url) {
    const wanted = (document.body.dataset.liveChannel || "").split(" ").filter(Boolean);
    const asked = new URL(url, location.href).searchParams.getAll("channel");
    return url + wanted.filter((name) => !asked.includes(name)).map((name) => `&channel=${name}`).join("");
  }

  /* The status of the answer, 0 without one. */
  async function ask(url) {
    try {
      const options = { headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(OPEN_WITHIN) };
      return (await fetch(withPageChannel(url), options)).status;
    } catch {
      return 0;
    }
  }

  /* What every stream says, whatever the page shows. */
  const OWN = {
    hello: (_, event) => tell("live:hello", parse(event)),
    checked: (_, event) => tell("live:checked", parse(event)),
    reread: () => fallBehind(SPREAD, false),
    powers: () => tell("live:powers"),
    "alerts.bell": (_, event) => tell("live:bell", { html: event.data }),
    "fleet.counts": (_, event) => tell("live:counts", { html: event.data }),
    heartbeat: () => {
      heartbeatAt = now();
      showState();
    },
    "stream-error": (source, event) => {
      const { condition } = parse(event);
      if (condition === "signed-out" || condition === "forbidden") source.end(condition);
      else source.retryLater();
    },
  };

  /* One connection for one address: htmx asks again for the same one whenever it initialises an element anew. */
  const byUrl = new Map();
  htmx.createEventSource = (url) => {
    if (!byUrl.has(url)) byUrl.set(url, new LiveSource(url));
    return byUrl.get(url);
  };

  document.addEventListener("live:channels", ({ detail }) => byUrl.get(detail.from)?.retarget(detail.to));
  // ── When to rest, and when to hurry ────────────────────────────────────────────────────────────────────────────────
  function rest(reason) {
    resting.add(reason);
    for (const source of sources) source._disconnect();
    showState();
  }

  function wake(reason) {
    resting.delete(reason);
    if (resting.size > 0) return;
    for (const source of sources) source.resume();
    showState();
  }

  const hurry = (inDoubt) => sources.forEach((source) => source.hurry(inDoubt));

  document.addEventListener("live:rest", ({ detail }) => rest(detail.reason));
  document.addEventListener("live:wake", ({ detail }) => wake(detail.reason));
  document.addEventListener("session:ended", () => sources.forEach((source) => source.final || source.end("signed-out")));
  document.addEventListener("live:doubt", () => {
    for (const source of sources) if (source.isOpen) source._question();
  });
  // A page kept for the back button would hold its connection, and after five of them the browser has none left.
  window.addEventListener("pagehide", () => rest("left"));
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) wake("left");
  });
  document.addEventListener("freeze", () => rest("left"));
  document.addEventListener("resume", () => wake("left"));
  window.addEventListener("offline", () => rest("offline"));
  window.addEventListener("online", () => wake("offline"));
  window.addEventListener("focus", () => hurry(false));
  navigator.connection?.addEventListener("change", () => hurry(false));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") hurry(false);
  });

  // ── How it is ──────────────────────────────────────────────────────────────────────────────────────────────────────
  const WORST_FIRST = ["signed-out", "forbidden", "disconnected", "reconnecting", "stale", "polling", "connected"];

  const patience = () => 3000 * (Number(document.getElementById("live-badge")?.dataset.heartbeatSeconds) || 10);

  /* Without a stream by choice: one of many tabs. It reads itself again now and then. */
  function stateAtRest() {
    const limit = document.visibilityState === "visible" ? READ_WITHIN.polling : READ_WITHIN.hidden;
    if (now() - readAt < limit) return readFails ? "reconnecting" : "polling";
    return "disconnected";
  }

  function stateOf(source) {
    if (source.final) return source.final;
    if (!navigator.onLine) return "disconnected";
    if (resting.size > 0) return stateAtRest();
    if (!source.isOpen) return now() - source.lostAt < LOST ? "reconnecting" : "disconnected";
    // What was missed is not here yet.
    if (behind && now() - behind.since > LOST) return "stale";
    if (behind && (behind.lost || now() - behind.since > 2 * SPREAD)) return "reconnecting";
    // A stream that has just opened has had no time to bring a heartbeat.
    return now() - Math.max(heartbeatAt || 0, source.openedAt || 0) < patience() ? "connected" : "stale";
  }

  function showState() {
    if (sources.size === 0) return;
    const states = [...sources].map(stateOf);
    tell("live:state", { state: WORST_FIRST.find((candidate) => states.includes(candidate)), heartbeatAt, eventAt });
  }

  let tickedAt = Date.now();
  setInterval(() => {
    // The machine slept (its other clock may have, too): whatever seems open has probably gone.
    const slept = Date.now() - tickedAt > SLEPT[document.visibilityState];
    tickedAt = Date.now();
    for (const source of sources) source.check();
    if (slept) hurry(true);
    showState();
  }, 1000);
})();
