// The API's documentation: finds operations by words, and opens the one that an address names.
"use strict";

(() => {
  const search = document.querySelector("[data-api-search]");
  const none = document.querySelector("[data-api-none]");

  const find = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const one of document.querySelectorAll("[data-api-words]")) {
      one.hidden = !words.every((word) => one.dataset.apiWords.includes(word));
      found += one.hidden ? 0 : 1;
    }
    for (const group of document.querySelectorAll("[data-api-group]")) {
      group.hidden = !group.querySelector("[data-api-words]:not([hidden])");
    }
    none.hidden = found > 0;
  };

  const open = () => {
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (named instanceof HTMLDetailsElement) {
      named.open = true;
      named.scrollIntoView();
    }
  };

  search.addEventListener("input", find);
  window.addEventListener("hashchange", open);
  open();
})();
