/* The page's connection to the live stream, and the badge that says how it is.

   htmx's SSE extension makes its connections through htmx.createEventSource, so it works on what this file gives it: an object like an
   EventSource that never fails. It reconnects by itself (back-off with jitter, a probe that learns why), closes while nobody looks,
   and follows when the page wants other channels. Load it after htmx and the extension.

   In:  GET <sse-connect> and <body data-live-channel>, text/event-stream; events hello, heartbeat, reread, checked, stream-error,
        alerts.bell, and the page's own (sse-swap).
   Out: CustomEvents: live:reread (body): read your part of the page again; live:checked, live:hello (document): for age.js;
        live:bell (document): for bell.js.
        <html data-live="…">, and #live-badge (data-state, data-heartbeat-seconds, data-sign-in; text in [data-live-text]). */
(() => {
  "use strict";

  const FIRST_DELAY = 1000;
  const LONGEST_DELAY = 30000;
  const STEADY = 5000; // a connection that lasted this long was a good one: the next delay is the first again
  const HIDDEN = 10000; // a tab hidden for longer gives its connection back: browsers have six to a host
  const LOST = 30000; // not open for longer: not "reconnecting" any more
  const SPREAD = 1000; // the server's reread reaches every page at once: they come over a second

  const sources = new Set();
  let suspended = false;
  let heartbeatAt = null;

  const tell = (target, name, detail) => target.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));

  let rereadTimer = null;
  function reread(within) {
    if (rereadTimer !== null) return;
    const now = () => {
      rereadTimer = null;
      tell(document.body, "live:reread", {});
    };
    rereadTimer = setTimeout(now, Math.random() * within);
  }

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
      this.lostAt = performance.now();
      this._listeners = new Map();
      this._relay = (event) => this._hear(event);
      this._native = null;
      this._next = null;
      this._timer = null;
      this._opens = 0;
      this.openedAt = null;
      this._failures = 0;
      sources.add(this);
      for (const type of Object.keys(OWN)) this.addEventListener(type, (event) => OWN[type](this, event));
      if (!suspended) this._connect();
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
      if (same || suspended || this.final || this._native === null) return;
      if (!this.isOpen) {
        this._disconnect();
        this._connect();
        return;
      }
      this._next?.close();
      this._next = this._make(url);
    }

    suspend() {
      this._disconnect();
    }

    resume() {
      if (this.closed || this.final || this._native !== null) return;
      this._failures = 0;
      this.lostAt = performance.now();
      this._disconnect();
      this._connect();
    }

    end(final) {
      this.final = final;
      this._disconnect();
      showState();
    }

    /* The server ended the stream for a reason that will pass. */
    retryLater() {
      this._lost(true);
    }

    _connect() {
      this._native = this._make(this.url);
    }

    _make(url) {
      const native = new EventSource(withPageChannel(url));
      for (const type of this._listeners.keys()) native.addEventListener(type, this._relay);
      native.onmessage = (event) => this.onmessage?.(event);
      native.onopen = (event) => this._opened(native, event);
      native.onerror = () => {
        if (native === this._next) this._takeOver(); // the new channels are what the page wants: try on with them
        if (native === this._native) this._lost(native.readyState === EventSource.CLOSED);
      };
      return native;
    }

    _takeOver() {
      this._native?.close();
      this._native = this._next;
      this._next = null;
    }

    _opened(native, event) {
      if (native === this._next) this._takeOver();
      if (native !== this._native) return;
      this._opens += 1;
      this.openedAt = performance.now();
      this.onopen?.(event);
      if (this._opens > 1) reread(0);
      showState();
    }

    /* EventSource gives up after an answer other than 200, and does not say which: asked means that we ask before we try again. */
    _lost(ask) {
      const steady = this.openedAt && performance.now() - this.openedAt > STEADY;
      if (steady) this._failures = 0;
      if (this.openedAt) this.lostAt = performance.now();
      this.openedAt = null;
      this._disconnect();
      const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this._failures) * (0.5 + Math.random() / 2);
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
      for (const listener of [...(this._listeners.get(event.type) || [])]) listener.call(this, event);
    }
  }

  /* A table sorted otherwise asks for the same channels in another order. */
  function sameChannels(one, other) {
    const [first, second] = [one, other].map((url) => {
      const { pathname, searchParams } = new URL(url, location.href);
      return `${pathname}?${[...searchParams].map(([name, value]) => `${name}=${value}`).sort().join("&")}`;
    });
    return first === second;
  }

  /* What the header of every page wants to hear of is asked for with whatever else the page shows: one stream a page. */
  function withPageChannel(url) {
    const channel = document.body.dataset.liveChannel;
    return channel ? `${url}&channel=${channel}` : url;
  }

  async function ask(url) {
    try {
      const response = await fetch(withPageChannel(url), { headers: { Accept: "application/json" }, cache: "no-store" });
      return response.status;
    } catch {
      return 0;
    }
  }

  /* What every stream says, whatever the page shows. */
  const OWN = {
    hello: (_, event) => tell(document, "live:hello", parse(event)),
    checked: (_, event) => tell(document, "live:checked", parse(event)),
    reread: () => reread(SPREAD),
    "alerts.bell": (_, event) => tell(document, "live:bell", { html: event.data }),
    heartbeat: () => {
      heartbeatAt = performance.now();
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

  // ── Who looks ──────────────────────────────────────────────────────────────────────────────────────────────────────
  function suspend() {
    suspended = true;
    for (const source of sources) source.suspend();
  }

  function resume() {
    if (!navigator.onLine || document.visibilityState === "hidden") return;
    suspended = false;
    for (const source of sources) source.resume();
    showState();
  }

  let hiddenTimer = null;
  function look() {
    clearTimeout(hiddenTimer);
    if (document.visibilityState === "hidden") hiddenTimer = setTimeout(suspend, HIDDEN);
    else resume();
  }
  document.addEventListener("visibilitychange", look);
  look(); // a page may open in a tab behind
  // A page kept for the back button would hold its connection, and after five of them the browser has none left.
  window.addEventListener("pagehide", suspend);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) resume();
  });
  window.addEventListener("offline", () => {
    suspend();
    showState();
  });
  window.addEventListener("online", resume);

  // ── The badge ──────────────────────────────────────────────────────────────────────────────────────────────────────
  const TEXTS = {
    connected: "Live",
    reconnecting: "Reconnecting",
    stale: "Stale",
    disconnected: "Disconnected",
    "signed-out": "Signed out",
    forbidden: "No access",
  };
  const WORST_FIRST = ["signed-out", "forbidden", "disconnected", "reconnecting", "stale", "connected"];

  function stateOf(source, badge) {
    if (source.final) return source.final;
    if (!navigator.onLine) return "disconnected";
    const now = performance.now();
    if (!source.isOpen) return now - source.lostAt < LOST ? "reconnecting" : "disconnected";
    const patience = 3000 * (Number(badge.dataset.heartbeatSeconds) || 10);
    // A stream that has just opened has had no time to bring a heartbeat.
    return now - Math.max(heartbeatAt || 0, source.openedAt || 0) < patience ? "connected" : "stale";
  }

  function heartbeatText() {
    if (heartbeatAt === null) return "No heartbeat yet";
    return `Last heartbeat ${Math.floor((performance.now() - heartbeatAt) / 1000)} s ago`;
  }

  function writeText(badge, state) {
    const place = badge.querySelector("[data-live-text]") || badge;
    place.textContent = TEXTS[state];
    if (state !== "signed-out" || !badge.dataset.signIn) return;
    const address = new URL(badge.dataset.signIn, location.href);
    address.searchParams.set("next", location.pathname + location.search);
    let link = badge;
    if (badge.tagName !== "A") {
      link = document.createElement("a");
      link.textContent = TEXTS[state];
      place.replaceChildren(link);
    }
    link.href = address.href;
  }

  function showState() {
    const badge = document.getElementById("live-badge");
    if (!badge || sources.size === 0) return;
    const states = [...sources].map((source) => stateOf(source, badge));
    const state = WORST_FIRST.find((candidate) => states.includes(candidate));
    if (badge.dataset.state !== state || document.documentElement.dataset.live !== state) {
      badge.dataset.state = state;
      document.documentElement.dataset.live = state;
      writeText(badge, state);
    }
    const title = heartbeatText();
    if (badge.title !== title) badge.title = title;
  }

  setInterval(() => {
    if (document.visibilityState === "visible") showState();
  }, 1000);
})();
