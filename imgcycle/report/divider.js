"use strict";

/* Listeners sit on the document, so that a long page answers before all of it has arrived. */
document.documentElement.classList.add("js");

const STEP = 2;
const LEAP = 10;
/* Pixels that a finger may move and still be a tap. */
const SLACK = 8;
const RANGES = ".view input";

function show(range) {
  const view = range.closest(".view");
  const share = Math.round(range.value);
  view.style.setProperty("--at", `${range.value}%`);
  view.dataset.end = share < 12 ? "left" : share > 88 ? "right" : "";
  range.setAttribute("aria-valuetext", `${share} % before, ${100 - share} % after`);
}

function place(view, x) {
  const box = view.getBoundingClientRect();
  const range = view.querySelector("input");
  range.value = (100 * (x - box.left)) / box.width;
  show(range);
}

document.addEventListener("input", (event) => {
  if (event.target.matches(RANGES)) show(event.target);
});

/* A finger on a range has to hit its thumb in some browsers; here any place of the picture will do. */
let held = null;

document.addEventListener("pointerdown", (event) => {
  const view = event.target.closest(".view");
  if (!view || !event.isPrimary || event.button) return;
  /* A finger may be about to scroll: it places the divider once it goes sideways, or is lifted where it came down. */
  held = { view, x: event.clientX, y: event.clientY, sure: event.pointerType === "mouse" };
  view.setPointerCapture(event.pointerId);
  view.querySelector("input").focus({ preventScroll: true });
  if (held.sure) place(view, event.clientX);
});

document.addEventListener("mousedown", (event) => {
  /* The focus stays where it was put. */
  if (event.target.closest(".view")) event.preventDefault();
});

document.addEventListener("pointermove", (event) => {
  if (!held || !event.isPrimary) return;
  const [right, down] = [Math.abs(event.clientX - held.x), Math.abs(event.clientY - held.y)];
  held.sure ||= right > SLACK && right > down;
  held.tap = Math.max(right, down) <= SLACK;
  if (held.sure) place(held.view, event.clientX);
});

document.addEventListener("pointerup", (event) => {
  if (held && event.isPrimary && (held.sure || held.tap !== false)) place(held.view, event.clientX);
  held = null;
});

document.addEventListener("pointercancel", () => {
  held = null;
});

function go(way) {
  const ranges = [...document.querySelectorAll(RANGES)];
  const here = document.activeElement.closest("figure");
  let at = ranges.findIndex((range) => range.closest("figure") === here);
  if (at < 0) {
    /* From nowhere, forward leads to the first picture that begins on the screen or below it. */
    const first = ranges.findIndex((range) => range.closest("figure").getBoundingClientRect().top >= 0);
    at = (first < 0 ? ranges.length : first) - (way > 0 ? 1 : 0);
  }
  const range = ranges[at + way];
  if (!range) return;
  range.closest("figure").scrollIntoView({ block: "center" });
  range.focus({ preventScroll: true });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "n" || event.key === "p") {
    go(event.key === "n" ? 1 : -1);
  } else if (event.target.matches(RANGES) && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
    const way = event.key === "ArrowRight" ? 1 : -1;
    event.target.value = Number(event.target.value) + way * (event.shiftKey ? LEAP : STEP);
    show(event.target);
  } else {
    return;
  }
  event.preventDefault();
});
