const FRAME = 500;
const FOLLOW = 30000;
const MEMORY = `imgcycle ${location.pathname}`;

const pictures = () => document.querySelector(".samples");
const slider = () => document.querySelector("#time");
const moments = () => JSON.parse(pictures()?.dataset.moments ?? "[]");

function kindOf(figure) {
  return figure.querySelector(".kinds input:checked")?.value ?? "0";
}

/* Of all images of a figure, the one of its kind at this moment, or the last one before. */
function expose(figure, moment) {
  const kind = kindOf(figure);
  let shown = null;
  for (const image of figure.querySelectorAll(".after")) {
    image.hidden = true;
    if (image.dataset.kind === kind && Number(image.dataset.moment ?? 0) <= moment) shown = image;
  }
  if (shown) shown.hidden = false;
}

function travel(moment) {
  const range = slider();
  if (!range) return;
  const steps = moments();
  range.value = Math.max(0, Math.min(steps.length - 1, moment));
  const step = steps[range.value];
  document.querySelector(".time output").textContent = step.toLocaleString("en");
  range.setAttribute("aria-valuetext", `step ${step.toLocaleString("en")}`);
  document.querySelectorAll(".timed").forEach((figure) => expose(figure, Number(range.value)));
  point(Number(range.value) === steps.length - 1 ? null : step);
}

/* Every chart's value at a step; null is the newest one, as the page was written. */
function point(step) {
  for (const chart of document.querySelectorAll(".chart")) {
    const points = JSON.parse(chart.dataset.points);
    const near = step === null ? null : points.reduce((a, b) => (Math.abs(b[2] - step) < Math.abs(a[2] - step) ? b : a));
    const [line, dot] = [chart.querySelector(".cursor"), chart.querySelector(".dot")];
    for (const mark of [line, dot]) mark.toggleAttribute("hidden", !near);
    chart.querySelector("output").textContent = near ? `${near[3]} at ${near[2].toLocaleString("en")}` : chart.dataset.now;
    if (!near) continue;
    line.setAttribute("x1", near[0]);
    line.setAttribute("x2", near[0]);
    line.setAttribute("y1", 8);
    line.setAttribute("y2", 110);
    dot.setAttribute("cx", near[0]);
    dot.setAttribute("cy", near[1]);
  }
}

let playing = null;

function play(on) {
  clearInterval(playing);
  playing = null;
  const button = document.querySelector("#play");
  button.setAttribute("aria-pressed", String(on));
  button.textContent = on ? "Pause" : "Play";
  if (!on) return;
  if (slider().value === slider().max) travel(0);
  playing = setInterval(() => {
    travel(Number(slider().value) + 1);
    if (slider().value === slider().max) play(false);
  }, FRAME);
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "time") return;
  if (playing) play(false);
  travel(Number(event.target.value));
});

document.addEventListener("change", (event) => {
  const radio = event.target;
  if (!radio.matches(".kinds input")) return;
  const figure = radio.closest("figure");
  expose(figure, Number(slider().value));
  figure.querySelector(".tag.right").textContent = radio.parentElement.textContent.trim();
});

document.addEventListener("click", (event) => {
  if (event.target.id === "play") play(!playing);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !slider()) return;
  if (event.key !== "," && event.key !== ".") return;
  play(false);
  travel(Number(slider().value) + (event.key === "." ? 1 : -1));
  event.preventDefault();
});

/* Over a chart, all charts tell their values there. */
document.addEventListener("pointermove", (event) => {
  const drawn = event.target.closest?.(".chart svg");
  if (!drawn) return;
  const box = drawn.getBoundingClientRect();
  const x = (320 * (event.clientX - box.left)) / box.width;
  const points = JSON.parse(drawn.closest(".chart").dataset.points);
  point(points.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a))[2]);
});

document.addEventListener("pointerout", (event) => {
  if (event.target.closest?.(".chart svg") && !event.relatedTarget?.closest?.(".chart svg")) {
    travel(Number(slider()?.value ?? 0));
    if (!slider()) point(null);
  }
});

/* While the run goes on the page is read again now and then, and looks as it did. */
function remember() {
  const range = slider();
  const state = {
    moment: range && range.value !== range.max ? moments()[range.value] : null,
    kinds: [...document.querySelectorAll(".kinds input:checked")].map((radio) => [radio.name, radio.value]),
    dividers: [...document.querySelectorAll(".view input")].map((divider) => divider.value),
    follow: document.querySelector("#follow")?.checked ?? true,
    open: document.querySelector("details")?.open ?? false,
    scroll: scrollY,
  };
  try {
    sessionStorage.setItem(MEMORY, JSON.stringify(state));
  } catch {
    /* A browser that keeps nothing for files shows the newest. */
  }
}

function recall() {
  let state = null;
  try {
    state = JSON.parse(sessionStorage.getItem(MEMORY));
    sessionStorage.removeItem(MEMORY);
  } catch {
    return;
  }
  if (!state) return;
  for (const [name, value] of state.kinds) {
    const radio = document.querySelector(`input[name="${name}"][value="${value}"]`);
    if (radio) radio.click();
  }
  document.querySelectorAll(".view input").forEach((divider, n) => {
    if (state.dividers[n] === undefined) return;
    divider.value = state.dividers[n];
    show(divider);
  });
  const follow = document.querySelector("#follow");
  if (follow) follow.checked = state.follow;
  const details = document.querySelector("details");
  if (details) details.open = state.open;
  const at = state.moment === null ? -1 : moments().findIndex((step) => step >= state.moment);
  if (at >= 0) travel(at);
  scrollTo({ top: state.scroll, behavior: "instant" });
}

document.addEventListener("DOMContentLoaded", () => {
  recall();
  if (!document.querySelector("#follow")) return;
  setInterval(() => {
    if (document.hidden || playing || held || !document.querySelector("#follow").checked) return;
    remember();
    location.reload();
  }, FOLLOW);
});
