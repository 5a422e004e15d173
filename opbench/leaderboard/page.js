"use strict";
const all = (query, within = document) => [...within.querySelectorAll(query)];
const form = document.querySelector("form"), told = document.querySelector("output"), nothing = document.querySelector("#nothing");
const many = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
let ranked = "";

function show() {
  const want = Object.fromEntries(new FormData(form));
  const fits = (row) => ["loss", "track"].every((key) => !want[key] || row.dataset[key] === want[key]) && row.dataset.model.includes(want.model.trim().toLowerCase());
  const misplaced = (place) => ["task", "device"].some((key) => want[key] && place.dataset[key] !== want[key]);
  let rows = 0, tables = 0;
  for (const row of all("tr[data-task]")) row.hidden = misplaced(row);
  for (const overview of all(".overview")) overview.hidden = all("tr[data-task]", overview).every((row) => row.hidden);
  for (const board of all(".board")) {
    const bodies = all("tbody", board);
    for (const body of bodies) body.hidden = !fits(body);
    const left = bodies.filter((body) => !body.hidden).length;
    const heads = all("thead th", board);
    const seen = heads.filter(({ dataset: { metric, split, usual } }) => metric === want.metric && (want.split ? split === want.split : usual !== undefined));
    board.hidden = !left || !seen.length || misplaced(board);
    rows += board.hidden ? 0 : left;
    tables += !board.hidden;
    const body = all("tr:not(.more)", board);
    heads.forEach((head, i) => {
      if (!head.dataset.metric || head.hidden === !seen.includes(head)) return;
      for (const row of body) row.cells[i].hidden = !seen.includes(head);
    });
    if (seen.length && ranked !== want.metric + want.split) sort(seen[0], true);
  }
  ranked = want.metric + want.split;
  nothing.hidden = tables > 0;
  told.textContent = `${many(rows, "row")} in ${many(tables, "table")}`;
  keep(want);
}

function keep(want) {
  const query = new URLSearchParams(Object.entries(want).filter(([name, value]) => value !== (form.elements[name].options?.[0].value ?? "")));
  try { history.replaceState(null, "", (`${query}` ? `?${query}` : location.pathname) + location.hash); } catch { /* a page opened as a file has no history of its own */ }
}

function arrive() {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!place?.hidden) return;
  form.reset();
  show();
  place.scrollIntoView();
}

function clear() { document.documentElement.style.scrollPaddingTop = `${getComputedStyle(form).position === "sticky" ? form.offsetHeight + 8 : 8}px`; }

function sort(head, rising = head.getAttribute("aria-sort") !== "ascending") {
  const table = head.closest("table"), i = head.cellIndex;
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
addEventListener("hashchange", arrive);
addEventListener("resize", clear);
for (const [name, value] of new URLSearchParams(location.search)) if (form.elements[name]) form.elements[name].value = value;
for (const select of all("select", form)) if (select.selectedIndex < 0) select.selectedIndex = 0;
ranked = form.elements.metric.options[0]?.value ?? "";
clear();
show();
arrive();
