"use strict";
const all = (query, within = document) => [...within.querySelectorAll(query)];
const form = document.querySelector("form"), told = document.querySelector("output");

function show() {
  const want = Object.fromEntries(new FormData(form));
  const fits = (row) => ["loss", "track"].every((key) => !want[key] || row.dataset[key] === want[key]) && row.dataset.model.includes(want.model.trim().toLowerCase());
  let rows = 0, tables = 0;
  for (const board of all(".board")) {
    const bodies = all("tbody", board);
    for (const body of bodies) body.hidden = !fits(body);
    const left = bodies.filter((body) => !body.hidden).length;
    board.hidden = !left || ["task", "device"].some((key) => want[key] && board.dataset[key] !== want[key]);
    rows += board.hidden ? 0 : left;
    tables += !board.hidden;
    const heads = all("thead th", board);
    heads.forEach((head, i) => {
      const { metric, split } = head.dataset;
      if (!metric) return;
      const off = metric !== want.metric || (want.split && split !== want.split);
      for (const row of all("tr:not(.more)", board)) row.cells[i].hidden = off;
    });
  }
  told.textContent = `${rows} rows in ${tables} tables`;
}

function sort(head) {
  const table = head.closest("table"), i = head.cellIndex, rising = head.getAttribute("aria-sort") !== "ascending";
  const key = (body) => { const cell = body.rows[0].cells[i]; return "v" in cell.dataset ? Number(cell.dataset.v) : head.dataset.words ? cell.textContent.toLowerCase() : NaN; };
  const missing = (value) => value !== value;
  const order = (a, b) => missing(a) || missing(b) ? missing(a) - missing(b) : (a < b ? -1 : a > b ? 1 : 0) * (rising ? 1 : -1);
  [...table.tBodies].map((body) => [key(body), body]).sort(([a], [b]) => order(a, b)).forEach(([, body]) => table.append(body));
  all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
}

form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(show));
document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button?.matches("thead button")) sort(button.closest("th"));
  if (button?.matches(".details")) {
    const more = button.closest("tbody").rows[1];
    more.hidden = !more.hidden;
    button.setAttribute("aria-expanded", String(!more.hidden));
  }
});
show();
