/* hx-swap="patch": new content goes into the elements that are there, so that focus, selection, checked boxes, open menus and scroll
   positions stay. hx-ext="sse, patch": in this order, with the comma.

   What the answer is: if it holds the target itself (same tag; same id where the target has one, else alone), the target is patched
   from it; otherwise its nodes become the target's children. An answer without any element changes nothing.
   What belongs together: elements with the same id or data-part; the others by tag and order. Rows of a re-read table therefore
   move, come and go by id. What is equal is not touched.
   What is left alone: what a person entered in inputs, unless they have data-follow (filters: the answer says what holds); open of
   details and dialogs; class htmx-* and is-*; data-ui-* and the aria attributes that scripts set; the text of time[data-age]; all of
   an element with data-keep on the page, unless the new one has data-keep too: that is how the actions, which only the page renders
   for its viewer, outlive a row from the stream.
   What gives way: an answer, to news that came over the stream after it had been asked for (element by element: order, removal and
   data-keep are the answer's), and to another answer for the same target that was asked for later. See "What is newer".
   What is marked: the nearest td, th or [data-part] around a change gets the class `changed` for a moment, and so does a row that came
   by itself; the CSS says how it looks, with motion and without. It gets the event live:changed { from } too: the element whose text or
   attributes changed, for announce.js. */
(() => {
  "use strict";

  const MARKED = { moving: 1200, still: 3000 };
  const TEXTLESS = new Set(["TABLE", "THEAD", "TBODY", "TFOOT", "TR", "UL", "OL", "DL", "SELECT", "COLGROUP"]);
  const INPUTS = new Set(["INPUT", "SELECT", "TEXTAREA", "OPTION"]);
  const OWN_ATTRIBUTES = new Set(["aria-expanded", "aria-selected", "data-stale", "style"]);
  const INPUT_ATTRIBUTES = new Set(["checked", "value", "selected"]);
  const OPENABLE = new Set(["DETAILS", "DIALOG"]);
  const OWN_CLASS = /^(htmx-|is-|changed$)/;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  let api = null;
  let pageLoaded = document.readyState === "complete";
  window.addEventListener("load", () => (pageLoaded = true));

  // ── Marks ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  const markTimers = new WeakMap();
  function mark(element) {
    // Rows that come, go or move are no change of the panel around their table.
    const cell = TEXTLESS.has(element.tagName) ? null : element.closest("td, th, [data-part]");
    if (!cell || !pageLoaded) return;
    light(cell);
    cell.dispatchEvent(new CustomEvent("live:changed", { detail: { from: element }, bubbles: true }));
  }

  function light(element) {
    clearTimeout(markTimers.get(element));
    element.classList.add("changed");
    const moment = calm.matches ? MARKED.still : MARKED.moving;
    markTimers.set(element, setTimeout(() => element.classList.remove("changed"), moment));
  }

  // ── Attributes ─────────────────────────────────────────────────────────────────────────────────────────────────────
  function isOwn(element, name) {
    if (OWN_ATTRIBUTES.has(name) || name.startsWith("data-ui-")) return true;
    if (name === "open") return OPENABLE.has(element.tagName);
    return INPUT_ATTRIBUTES.has(name) && INPUTS.has(element.tagName) && !element.closest("[data-follow]");
  }

  function patchClass(element, wanted) {
    const kept = [...element.classList].filter((name) => OWN_CLASS.test(name) && !wanted.classList.contains(name));
    const value = [...wanted.classList, ...kept].join(" ");
    const current = [...element.classList].join(" ");
    if (value === current) return false;
    if (value) element.setAttribute("class", value);
    else element.removeAttribute("class");
    return true;
  }

  function setAttribute(element, name, value) {
    if (name === "sse-connect" && value !== null) {
      const from = element.getAttribute(name);
      element.setAttribute(name, value);
      element.dispatchEvent(new CustomEvent("live:channels", { detail: { from, to: value }, bubbles: true }));
    } else if (value === null) element.removeAttribute(name);
    else element.setAttribute(name, value);
  }

  /* Whether an attribute of `element` had to change; what htmx reads only once is read again. */
  function patchAttributes(element, wanted, context) {
    let changed = false;
    let behaviour = false;
    const names = new Set([...element.getAttributeNames(), ...wanted.getAttributeNames()]);
    names.delete("class");
    for (const name of names) {
      const value = wanted.getAttribute(name);
      if (isOwn(element, name) || element.getAttribute(name) === value) continue;
      setAttribute(element, name, value);
      changed = true;
      behaviour ||= name.startsWith("hx-") || name === "sse-swap";
    }
    if (behaviour) context.altered.push(element);
    return patchClass(element, wanted) || changed;
  }

  /* Of two times at which a source was read the younger is true: a `checked` event may have overtaken the row. */
  function patchTime(element, wanted, context) {
    const known = Date.parse(element.dateTime);
    if (element.hasAttribute("data-checked") && known > Date.parse(wanted.dateTime)) wanted.dateTime = element.dateTime;
    patchAttributes(element, wanted, context);
  }

  // ── Children ───────────────────────────────────────────────────────────────────────────────────────────────────────
  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.part || "" : "");

  function isIgnored(node) {
    if (node.nodeType === Node.COMMENT_NODE) return true;
    return node.nodeType === Node.TEXT_NODE && TEXTLESS.has(node.parentNode.nodeName) && !node.data.trim();
  }

  const childrenOf = (parent) => [...parent.childNodes].filter((node) => !isIgnored(node));

  /* The old node for each new one (or undefined), and the old ones that nobody wants. */
  function match(oldNodes, newNodes) {
    const keyed = new Map();
    const others = new Map();
    for (const node of oldNodes) {
      const key = keyOf(node);
      if (key) keyed.set(`${node.nodeName} ${key}`, node);
      else if (others.has(node.nodeName)) others.get(node.nodeName).push(node);
      else others.set(node.nodeName, [node]);
    }
    const partners = newNodes.map((node) => {
      const key = keyOf(node);
      if (!key) return others.get(node.nodeName)?.shift();
      const partner = keyed.get(`${node.nodeName} ${key}`);
      keyed.delete(`${node.nodeName} ${key}`);
      return partner;
    });
    return { partners, unwanted: [...keyed.values(), ...[...others.values()].flat()] };
  }

  const isKept = (node) => node.nodeType === Node.ELEMENT_NODE && node.matches("[data-keep], [hx-preserve]");

  function remove(node) {
    if (node.nodeType === Node.ELEMENT_NODE) {
      mark(node.parentElement);
      // htmx lets go of the element and its listeners only when it removes it itself.
      api.swap(node, "", { swapStyle: "delete", settleDelay: 0, transition: false, ignoreTitle: true });
    } else node.remove();
  }

  function place(parent, node, before) {
    // moveBefore keeps focus, open popovers and animations of what moves; Chromium 133 and Firefox 144 have it.
    if (node.parentNode === parent && parent.moveBefore) parent.moveBefore(node, before);
    else parent.insertBefore(node, before);
  }

  /* Walks the old children with a cursor; what is left of it is in its final order. */
  function patchChildren(parent, wanted, context) {
    const newNodes = childrenOf(wanted);
    const { partners, unwanted } = match(childrenOf(parent), newNodes);
    const kept = new Set(unwanted.filter(isKept));
    for (const node of unwanted) if (!kept.has(node)) remove(node);
    const next = (node) => {
      while (node && (kept.has(node) || isIgnored(node))) node = node.nextSibling;
      return node;
    };
    let cursor = next(parent.firstChild);
    newNodes.forEach((node, index) => {
      const partner = partners[index];
      if (!partner) {
        insert(parent, node, cursor, context);
        return;
      }
      const follower = cursor && next(cursor.nextSibling);
      // When the follower is wanted here, the node at the cursor itself has moved down: it gets its place later.
      if (partner === cursor || partner === follower) cursor = next(partner.nextSibling);
      else place(parent, partner, cursor);
      patchNode(partner, node, context);
    });
  }

  function insert(parent, node, before, context) {
    parent.insertBefore(node, before);
    if (node.nodeType === Node.ELEMENT_NODE) context.inserted.push(node);
    mark(parent);
    // What a person's own choice of a filter or page brings is no news.
    if (node.nodeName === "TR" && pageLoaded && !context.isChosen) light(node);
  }

  // ── What is newer ──────────────────────────────────────────────────────────────────────────────────────────────────
  /* An answer says how things were when the server rendered it, which the page does not know, but it was after the request was sent.
     What the stream brought since then may be newer, and if it is not, its successor is on its way: so it stays. Moments are counted,
     not timed: two of a clock's may be equal. */
  let moment = 0;
  const sentAt = new WeakMap(); // XMLHttpRequest: when
  const newsAt = new WeakMap(); // element: when it got its latest news
  const latest = new WeakMap(); // target: when the latest of the answers that it got had been asked for, by itself and by others
  let answer = null; // the one that htmx is swapping: { verb, sent, isChosen }; null while it is the stream's news

  const noteNews = (element) => newsAt.set(element, ++moment);
  const isNewer = (element, context) => newsAt.get(element) > context.sent;

  /* An element that is its own target re-reads itself. That knows nothing of what a person has chosen meanwhile, so a choice
     (a filter, a page, a column) gives way to later choices only, and a re-read to whatever was asked for later. */
  const isReread = ({ elt, target, verb }) => verb === "get" && elt === target && elt.hasAttribute("hx-get");

  function isOvertaken(target, sent, own) {
    const before = latest.get(target) || { own: 0, others: 0 };
    if (sent < before.others || (own && sent < before.own)) return true;
    latest.set(target, own ? { ...before, own: sent } : { ...before, others: sent });
    return false;
  }

  function beforeSwap(detail) {
    const { xhr, target, requestConfig } = detail;
    const { elt, verb, path } = requestConfig;
    answer = { verb, sent: sentAt.get(xhr), isChosen: verb === "get" && !isReread(requestConfig) };
    queueMicrotask(() => (answer = null)); // htmx swaps before it returns
    if (verb !== "get" || !detail.shouldSwap || api.getSwapSpecification(elt, detail.swapOverride).swapStyle !== "patch") return;
    const own = isReread(requestConfig);
    const address = elt.getAttribute("hx-get");
    const hasMoved = own && address !== path;
    if (hasMoved || isOvertaken(target, answer.sent, own)) detail.shouldSwap = false;
    // What it was to bring is still wanted, of what the element shows now; this replaces a request that waits with the former address.
    // htmx tells of failures by its events.
    if (hasMoved) htmx.ajax("GET", address, { source: elt, target }).catch(() => {});
  }

  /* What the stream's fragments do not have, an answer brings even to an element with newer content. */
  function patchKept(element, wanted, context) {
    const own = [...element.querySelectorAll("[data-keep]")];
    for (const part of wanted.querySelectorAll("[data-keep]")) {
      const partner = own.find((node) => node.nodeName === part.nodeName && keyOf(node) === keyOf(part));
      if (partner) patchNode(partner, part, context);
    }
  }

  // ── Nodes ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  function patchNode(node, wanted, context) {
    if (node.isEqualNode(wanted)) return;
    if (node.nodeType === Node.TEXT_NODE) {
      const words = node.data.trim();
      node.data = wanted.data;
      if (words !== wanted.data.trim()) mark(node.parentElement);
    } else if (node.nodeType === Node.ELEMENT_NODE) patchElement(node, wanted, context);
  }

  function patchElement(element, wanted, context) {
    if (isKept(element) && !wanted.hasAttribute("data-keep")) return;
    if (isNewer(element, context)) {
      patchKept(element, wanted, context);
      return;
    }
    if (element.matches("time[data-age]")) {
      patchTime(element, wanted, context);
      return;
    }
    if (patchAttributes(element, wanted, context) && element !== context.root) mark(element);
    if (element.tagName !== "TEXTAREA" || element.hasAttribute("data-follow")) patchChildren(element, wanted, context);
  }

  /* The attributes of the answer are here by now; what a person did is beside them, invisible to a comparison. */
  function follow(input) {
    if (input === document.activeElement) return;
    if (input.tagName === "SELECT") for (const option of input.options) option.selected = option.defaultSelected;
    else if (input.type === "checkbox" || input.type === "radio") input.checked = input.defaultChecked;
    else input.value = input.defaultValue;
  }

  function rootIn(fragment, target) {
    const alike = [...fragment.children].filter((child) => child.tagName === target.tagName);
    if (target.id) return alike.find((child) => child.id === target.id) || null;
    return alike.length === 1 && fragment.children.length === 1 ? alike[0] : null;
  }

  /* The focused element stays or, where it had to go, its successor with the same id gets the focus. */
  function keepingFocus(work) {
    const focused = document.activeElement;
    work();
    if (!focused || focused === document.body || focused === document.activeElement) return;
    const successor = focused.isConnected ? focused : focused.id && document.getElementById(focused.id);
    if (successor) successor.focus({ preventScroll: true });
  }

  function patch(target, fragment) {
    if (fragment.children.length === 0) return [];
    const context = { root: target, inserted: [], altered: [], sent: answer ? answer.sent : Infinity, isChosen: answer?.isChosen };
    const root = rootIn(fragment, target);
    keepingFocus(() => {
      if (root) patchNode(target, root, context);
      else if (isNewer(target, context)) patchKept(target, fragment, context);
      else patchChildren(target, fragment, context);
    });
    target.querySelectorAll("[data-follow]").forEach(follow);
    // Whoever acts on something learns from the answer how it is now, as from the stream.
    if (answer?.verb !== "get") noteNews(target);
    // htmx would initialise them when they have settled; they would not hear what the stream says until then.
    context.inserted.forEach((node) => htmx.process(node));
    return [...context.altered, ...context.inserted];
  }

  // ── The extension ──────────────────────────────────────────────────────────────────────────────────────────────────
  /* The SSE extension registers an element again whenever htmx initialises it anew, and forgets its former listener. */
  const registered = new WeakMap();

  function forget(element) {
    const former = registered.get(element);
    if (!former) return;
    for (const name of former.names) former.source.removeEventListener(name, former.listener);
    registered.delete(element);
  }

  function namesHeard(element) {
    const swaps = (element.getAttribute("sse-swap") || "").split(",").map((name) => name.trim());
    const triggers = [...(element.getAttribute("hx-trigger") || "").matchAll(/sse:([^\s,[]+)/g)].map((found) => found[1]);
    return [...swaps, ...triggers].filter(Boolean);
  }

  function remember(element) {
    const listener = api.getInternalData(element).sseEventListener;
    const owner = api.getClosestMatch(element, (node) => api.getInternalData(node).sseEventSource != null);
    if (!listener || !owner || registered.get(element)?.listener === listener) return;
    forget(element);
    registered.set(element, { source: api.getInternalData(owner).sseEventSource, listener, names: namesHeard(element) });
  }

  const EVENTS = {
    "htmx:afterProcessNode": ({ target }) => remember(target),
    "htmx:beforeCleanupElement": ({ target }) => forget(target),
    "htmx:beforeSend": ({ detail }) => sentAt.set(detail.xhr, ++moment),
    "htmx:beforeSwap": ({ detail }) => beforeSwap(detail),
    "htmx:oobBeforeSwap": ({ target }) => {
      if (!answer) noteNews(target);
    },
  };

  htmx.defineExtension("patch", {
    init: (internal) => {
      api = internal;
    },
    isInlineSwap: (style) => style === "patch",
    handleSwap: (style, target, fragment) => (style === "patch" ? patch(target, fragment) : false),
    onEvent: (name, event) => {
      if (event.target instanceof Element && Object.hasOwn(EVENTS, name)) EVENTS[name](event);
    },
  });
})();
