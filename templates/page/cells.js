// Where the cells of a figure are and what each of them says. A cell is [map, layer index, position index].
const facts = read("facts");
const figures = new Map(); // host -> the figure of cells that it shows

function figureOf(host) {
  const spec = specs[host.dataset.chart], where = spec && spec.usermeta && spec.usermeta.layergrid;
  if (!where || !where.order || !where.positions) { return null; } // no map: a profile, or a chart of another kind
  const pad = spec.padding, rows = spec.layer[0].data.values, same = {};
  spec.layer[0].transform.forEach((one) => { // what all cells have in common stands as a constant
    if (one.as && /^("|-?\d|null|true|false)/.test(one.calculate) && !(one.as in same)) {
      try { same[one.as] = JSON.parse(one.calculate); } catch (formula) { /* a formula, no constant */ }
    }
  });
  return {
    host, where, rows, same, left: pad.left, top: pad.top, per: where.per || where.positions.length,
    width: pad.left + spec.width + pad.right, height: pad.top + spec.height + pad.bottom,
    maps: where.maps || [[0, 0, ""]], layers: where.order.length, positions: where.positions.length,
  };
}

function place(figure, [k, i, j]) { // left, top, width, height in pixels of the drawing
  const { where, per } = figure, band = Math.floor(j / per);
  const layer = [band * (where.pitch || 0) + where.order.indexOf(i) * where.row, where.row];
  const position = [(j - band * per) * where.step, where.step];
  const [across, down] = where.across === "layer" ? [layer, position] : [position, layer];
  const [x, y] = figure.maps[k];
  return [figure.left + x + across[0], figure.top + y + down[0], across[1], down[1]];
}

function cellAt(figure, x, y) { // the cell under a pixel of the drawing, or null
  const { where, per } = figure;
  for (let k = 0; k < figure.maps.length; k += 1) {
    const over = [x - figure.left - figure.maps[k][0], y - figure.top - figure.maps[k][1]];
    const [along, across] = where.across === "layer" ? [over[1], over[0]] : over;
    const band = where.pitch ? Math.floor(across / where.pitch) : 0;
    const column = Math.floor(along / where.step), j = band * per + column;
    const row = Math.floor((across - band * (where.pitch || 0)) / where.row);
    const inside = row >= 0 && row < figure.layers && column >= 0 && column < per && band >= 0 && j < figure.positions;
    if (inside) { return [k, where.order[row], j]; }
  }
  return null;
}

function field(figure, [k, i, j], name) { // a number or word of a cell, null where it has none
  const row = figure.rows[k * figure.layers + i], own = row[name];
  return Array.isArray(own) ? own[j] : own !== undefined ? own : name in figure.same ? figure.same[name] : null;
}

function written(value, digits) {
  const shown = Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return (value < 0 && /[1-9]/.test(shown) ? "\u2212" : "") + shown;
}

function shown(figure, cell) { // the value with its interval, as the tooltip has it
  const [value, low, high] = ["value", "low", "high"].map((name) => field(figure, cell, name));
  if (value === null) { return "no value"; }
  const between = low !== null && high !== null;
  const digits = figure.where.digits;
  return written(value, digits) + (between ? " [" + written(low, digits) + ", " + written(high, digits) + "]" : "");
}

function told(figure, cell) { // [title, words] of everything that is known of a cell
  const [k, i, j] = cell, { where } = figure;
  const layer = String(where.layers[i] + (where.shift || 0));
  const words = {
    map: figure.maps[k][2], shown: shown(figure, cell), position: where.labels && where.maps ? where.labels[j] : where.positions[j],
    label: where.labels && where.labels[j], layer: where.shift ? layer + " (" + where.layers[i] + " in the text)" : layer,
  };
  return where.tells.map(([name, title]) => [title, words[name] || String(field(figure, cell, name) ?? "")])
    .filter(([, word]) => word !== "");
}

function drawnOver(figure, name) { // an empty drawing over a figure, in its own pixels
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", name);
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("viewBox", [0, 0, figure.width, figure.height].join(" "));
  figure.host.append(svg);
  return svg;
}

function outlined(figure, cells, name) { // the rim of a set of cells: an edge where a cell has no neighbour of the set
  const { order } = figure.where, inside = new Set(cells.map((cell) => cell.join()));
  const layerAt = new Map(order.map((i, at) => [i, at]));
  const turned = figure.where.across === "layer";
  const path = cells.map((cell) => {
    const [k, i, j] = cell, [x, y, w, h] = place(figure, cell), at = layerAt.get(i);
    const before = inside.has([k, order[at - 1], j].join()), after = inside.has([k, order[at + 1], j].join());
    const left = j % figure.per > 0 && inside.has([k, i, j - 1].join());
    const right = (j + 1) % figure.per > 0 && inside.has([k, i, j + 1].join());
    const [n, s, e, o] = turned ? [left, right, after, before] : [before, after, right, left];
    return (n ? "" : `M${x} ${y}h${w}`) + (s ? "" : `M${x} ${y + h}h${w}`) + (o ? "" : `M${x} ${y}v${h}`) +
      (e ? "" : `M${x + w} ${y}v${h}`);
  }).join("");
  const drawn = document.createElementNS(SVG, "path");
  drawn.setAttribute("class", name);
  drawn.setAttribute("d", path);
  return drawn;
}

function indices(fact) { // the numbers of a fact's cells, from runs of them
  const found = [];
  for (let at = 0; at < fact.cells.length; at += 2) {
    for (let k = 0; k < fact.cells[at + 1]; k += 1) { found.push(fact.cells[at] + k); }
  }
  return found;
}

function cellsOf(figure, numbers) { // the same cells in every map of a figure
  return figure.maps.flatMap((_, k) => numbers.map((n) => [k, Math.floor(n / figure.positions), n % figure.positions]));
}

function prepare(host) {
  const figure = figureOf(host);
  if (!figure || !figure.layers || !figure.positions) { return; }
  figures.set(host, figure);
  selectable(figure);
}
