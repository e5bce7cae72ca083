// Keeps a page up to date while tasks work on what it shows.
//
// An element with data-live="<address>" asks that address for JSON once a second. In it, data-bind="name" shows the
// value of that name, <progress data-bind="name" data-bind-max="other"> moves, and data-step="name" is marked when
// the list "reached" has it. When the answer says "finished", the page is loaded anew: the server draws the result.
"use strict";

const EVERY = 1000;
const SLOWEST = 15000;

function show(live, state) {
  for (const element of live.querySelectorAll("[data-bind]")) {
    const value = state[element.dataset.bind];
    if (element instanceof HTMLProgressElement) {
      element.max = Math.max(1, state[element.dataset.bindMax]);
      element.value = value;
    } else {
      element.textContent = value;
    }
  }
  for (const element of live.querySelectorAll("[data-step]")) {
    element.classList.toggle("reached", state.reached.includes(element.dataset.step));
  }
}

async function follow(live) {
  let pause = EVERY;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    try {
      const answer = await fetch(live.dataset.live, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.statusText);
      const state = await answer.json();
      show(live, state);
      if (state.finished) return window.location.reload();
      pause = EVERY;
    } catch {
      // A restart of the server, or no network: ask again, less often.
      pause = Math.min(SLOWEST, pause * 2);
    }
  }
}

document.querySelectorAll("[data-live]").forEach(follow);

// The sum of an order form: fields with data-price="<cents>" add up in its <output>.
function total(form) {
  let cents = 0;
  for (const field of form.querySelectorAll("[data-price]")) {
    cents += Number(field.dataset.price) * Number(field.value || 0);
  }
  form.querySelector("output").textContent = "€" + (cents / 100).toFixed(2);
}

for (const form of document.querySelectorAll("form[data-total]")) {
  form.addEventListener("input", () => total(form));
  total(form);
}
