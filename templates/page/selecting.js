// From cells to words: a map takes the focus, arrow keys move a cursor over its cells, Enter or a click selects one, and
// a panel below the figure tells its numbers and the sentences that speak of it.
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function selectable(figure) {
  const { host } = figure;
  host.classList.add("selectable");
  host.tabIndex = 0;
  host.setAttribute("role", "application");
  host.setAttribute("aria-roledescription", "map of cells");
  host.setAttribute("aria-label", (host.getAttribute("aria-label") || "Map") +
    " Arrow keys go from cell to cell, Enter tells of one and of the sentences about it, Escape leaves.");
  host.addEventListener("keydown", (event) => pressed(event, figure));
  host.addEventListener("blur", () => hideCursor(figure));
  host.addEventListener("click", (event) => {
    const box = host.getBoundingClientRect();
    const cell = cellAt(figure, (event.clientX - box.left) / box.width * figure.width,
      (event.clientY - box.top) / box.height * figure.height);
    if (cell) { figure.cursor = cell; select(figure, cell); } else { leave(figure); }
  });
}

function pressed(event, figure) {
  if (event.ctrlKey || event.metaKey || event.altKey) { return; }
  if (event.key === "Escape") { leave(figure); return; }
  if ((event.key === "Enter" || event.key === " ") && figure.cursor) {
    event.preventDefault();
    select(figure, figure.cursor);
    return;
  }
  const way = KEYS[event.key], end = { Home: -1, End: 1 }[event.key];
  if (!way && !end) { return; }
  event.preventDefault();
  figure.cursor = figure.pointed ? moved(figure, way || [end * 1e4, 0], end) : figure.cursor || start(figure);
  point(figure);
}

function start(figure) { return [0, figure.where.order[0], 0]; }

function moved(figure, [right, down], whole) { // the next cell in a direction, going on into the next band or map
  const [k, i, j] = figure.cursor, { where, per } = figure, turned = where.across === "layer";
  const at = where.order.indexOf(i), band = Math.floor(j / per);
  const [along, across] = turned ? [down, right] : [right, down];
  const within = (value, n) => Math.max(0, Math.min(n - 1, value));
  if (whole) {
    return turned ? [k, where.order[within(at + across, figure.layers)], j]
      : [k, i, within(along > 0 ? (band + 1) * per - 1 : band * per, figure.positions)];
  }
  const column = j + along, row = at + across, columns = where.columns || 1;
  if (row >= figure.layers || row < 0) {
    const below = j + Math.sign(across) * per, next = k + Math.sign(across) * (turned ? 1 : columns);
    if (per < figure.positions && below >= 0 && below < figure.positions) {
      return [k, where.order[row < 0 ? figure.layers - 1 : 0], below];
    }
    return figure.maps[next] ? [next, where.order[row < 0 ? figure.layers - 1 : 0], j] : figure.cursor;
  }
  if (column >= figure.positions || column < 0) {
    const next = k + Math.sign(along) * (turned ? columns : 1);
    return figure.maps[next] ? [next, i, column < 0 ? figure.positions - 1 : 0] : figure.cursor;
  }
  return [k, where.order[row], column];
}

function hideCursor(figure) {
  all("svg.cursor, .tip", figure.host).forEach((one) => one.remove());
  figure.pointed = false;
}

function point(figure) { // the cursor with a tooltip beside it
  hideCursor(figure);
  figure.pointed = true;
  const [x, y, w, h] = place(figure, figure.cursor), rim = outlined(figure, [figure.cursor], "rim");
  drawnOver(figure, "cursor").append(outlined(figure, [figure.cursor], "halo"), rim);
  const rows = told(figure, figure.cursor);
  const tip = made("div", { class: "tip", "aria-hidden": "true" }, listed(rows));
  figure.host.append(tip);
  const scale = figure.host.clientWidth / figure.width, wide = figure.host.clientWidth;
  const beside = (x + w) * scale + 8;
  tip.style.left = (beside + tip.offsetWidth > wide ? Math.max(0, x * scale - tip.offsetWidth - 8) : beside) + "px";
  tip.style.top = (y + h / 2) * scale - tip.offsetHeight / 2 + "px";
  rim.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
  say(spoken(rows));
}

const spoken = (rows) => rows.map(([title, words]) => title + " " + words).join(", ");

function listed(rows) {
  const list = made("dl", {});
  rows.forEach(([title, words]) => list.append(made("div", {}, made("dt", {}, title), made("dd", {}, words))));
  return list;
}

function leave(figure) {
  hideCursor(figure);
  all("svg.chosen").forEach((one) => one.remove());
  all(".told").forEach((one) => one.remove());
}

function about(figure, [, i, j]) { // sentences that cite a cell, those that cite fewest cells first, each text once
  const number = i * figure.positions + j, found = new Map();
  lighting.forEach((sentence) => {
    const here = factsOf(sentence).filter((id) => facts[id].grid === figure.where.grid);
    const speaking = here.map((id) => indices(facts[id])).filter((cells) => cells.includes(number));
    const words = (sentence.closest(".key-figures li") || sentence).textContent.trim(); // "0.83" alone says nothing
    if (!speaking.length || found.has(words)) { return; }
    found.set(words, { sentence, words, many: Math.min(...speaking.map((cells) => cells.length)) });
  });
  return [...found.values()].sort((a, b) => a.many - b.many);
}

function whereIs(sentence) {
  const figure = sentence.closest("figure, .sheet");
  const title = figure && figure.querySelector("figcaption > b, caption > b");
  if (title) { return title.textContent.replace(/\.$/, ""); }
  const section = sentence.closest("section");
  const heading = section && section.querySelector("h2");
  return heading ? heading.textContent : (section && section.getAttribute("aria-label")) || "";
}

function link({ sentence, words }, k) {
  sentence.id = sentence.id || "sentence-" + (lighting.indexOf(sentence) + 1);
  const anchor = made("a", { href: "#" + sentence.id }, words);
  anchor.addEventListener("click", (event) => {
    event.preventDefault();
    sentence.scrollIntoView({ block: "center" });
    sentence.focus({ preventScroll: true });
    sentence.classList.add("found");
    window.setTimeout(() => sentence.classList.remove("found"), 2500);
  });
  const from = whereIs(sentence);
  return made("li", {}, anchor, ...(from ? [" ", made("span", { class: "from" }, from)] : []));
}

function select(figure, cell) {
  leave(figure);
  drawnOver(figure, "chosen").append(outlined(figure, [cell], "halo"), outlined(figure, [cell], "rim"));
  const rows = told(figure, cell), found = about(figure, cell);
  const close = made("button", { type: "button", class: "close", "aria-label": "Close" }, "\u00d7");
  close.addEventListener("click", () => { leave(figure); figure.host.focus({ preventScroll: true }); });
  const panel = made("div", { class: "told", role: "group", "aria-label": "The cell selected" }, close, listed(rows));
  const said = found.length + (found.length === 1 ? " sentence speaks" : " sentences speak") + " of this cell";
  if (found.length) {
    panel.append(made("p", {}, said + ":"), made("ul", {}, ...found.slice(0, 5).map(link)));
  } else {
    panel.append(made("p", {}, "No sentence of this report speaks of this cell."));
  }
  if (found.length > 5) {
    const more = made("ul", {}, ...found.slice(5).map(link));
    panel.append(made("details", {}, made("summary", {}, found.length - 5 + " more"), more));
  }
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") { close.click(); } });
  (figure.host.closest(".charts") || figure.host).after(panel);
  say(spoken(rows) + ". " + (found.length ? said : "No sentence of this report speaks of this cell") + ".");
}
