// Saves a figure as the reader asks: SVG and PNG in light colours with the fonts that they need, the cells as CSV.
const SIDE_BY_SIDE = 660; // pixels that charts of one figure take before the next goes below
const EDGE = 8; // pixels of white around a saved drawing
const names = (document.querySelector("[data-report]") || { dataset: {} }).dataset.report || "report";
const called = names.replace(/^.*[/\\]/, "").replace(/\.ya?ml$/i, "").replace(/[^\p{L}\p{N}_.-]+/gu, "-") || "report";

function offer(content, kind, name) {
  const address = URL.createObjectURL(new Blob([content], { type: kind }));
  const anchor = document.body.appendChild(made("a", { href: address, download: name }));
  anchor.click();
  anchor.remove();
  window.setTimeout(() => URL.revokeObjectURL(address), 20000);
}

function within(ranges, codes) {
  if (!ranges) { return true; }
  return ranges.split(",").some((range) => {
    const [first, last] = range.trim().replace(/^U\+/i, "").split("-").map((end) => parseInt(end, 16));
    return codes.some((code) => code >= first && code <= (last === undefined ? first : last));
  });
}

function fontsFor(svg) { // the page's own faces that a drawing uses, as CSS
  const source = svg.outerHTML, codes = [...new Set(svg.textContent)].map((one) => one.codePointAt(0));
  const rules = Array.from(document.styleSheets).flatMap((sheet) => Array.from(sheet.cssRules));
  return rules.filter((rule) => rule instanceof CSSFontFaceRule).filter((rule) => {
    const given = (name) => rule.style.getPropertyValue(name).replace(/"/g, "");
    const weight = given("font-weight") || "400";
    const weighs = weight === "400" || source.includes('font-weight="' + weight) || source.includes("font-weight: " + weight);
    return source.includes(given("font-family")) && weighs && given("font-style") !== "italic" &&
      within(given("unicode-range"), codes);
  }).map((rule) => rule.cssText).join("\n");
}

function inlined(svg) { // a drawing of the page with the colours and faces that its classes give it, as they are in light
  const before = root.dataset.scheme, copy = svg.cloneNode(true), kept = all("*", copy);
  root.dataset.scheme = "light";
  all("*", svg).forEach((one, at) => {
    const style = window.getComputedStyle(one);
    ["fill", "stroke"].forEach((name) => kept[at].setAttribute(name, style.getPropertyValue(name)));
    if (one instanceof SVGTextElement) { kept[at].setAttribute("font-family", style.fontFamily.replace(/"/g, "'")); }
    kept[at].removeAttribute("class");
  });
  if (before) { root.dataset.scheme = before; } else { delete root.dataset.scheme; }
  const [, , width, height] = svg.getAttribute("viewBox").split(/[ ,]+/);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  return copy;
}

async function drawing(part) { // one chart of a figure as an SVG element in light colours
  const spec = specs[part.dataset.chart];
  if (!spec) { return inlined(part.querySelector("svg")); }
  const { view, finalize } = await embedded(document.createElement("div"), spec);
  const source = await view.toSVG();
  finalize();
  return document.importNode(new DOMParser().parseFromString(source, "image/svg+xml").documentElement, true);
}

async function whole(figure) { // all charts of a figure in one SVG, beside each other where they fit
  const parts = await Promise.all(all("[data-chart], .strip", figure).map(drawing));
  const svg = document.createElementNS(SVG, "svg");
  let x = EDGE, y = EDGE, high = 0, width = 0;
  parts.forEach((part) => {
    const [wide, tall] = ["width", "height"].map((name) => parseFloat(part.getAttribute(name)));
    if (x > EDGE && x + wide > SIDE_BY_SIDE) { [x, y, high] = [EDGE, y + high, 0]; }
    part.setAttribute("x", x);
    part.setAttribute("y", y);
    svg.append(part);
    [x, high] = [x + wide, Math.max(high, tall)];
    width = Math.max(width, x + EDGE);
  });
  const height = y + high + EDGE;
  Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }).forEach(([k, v]) => svg.setAttribute(k, v));
  const ground = document.createElementNS(SVG, "rect"), style = document.createElementNS(SVG, "style");
  Object.entries({ width: "100%", height: "100%", fill: "#ffffff" }).forEach(([k, v]) => ground.setAttribute(k, v));
  style.textContent = fontsFor(svg);
  svg.prepend(style, ground);
  return { source: new XMLSerializer().serializeToString(svg), width, height };
}

async function pixels({ source, width, height }) { // a PNG of two pixels a pixel
  const image = new Image(), canvas = document.createElement("canvas");
  const bytes = new TextEncoder().encode(source);
  let packed = "";
  for (let i = 0; i < bytes.length; i += 8192) { packed += String.fromCharCode(...bytes.subarray(i, i + 8192)); }
  image.src = "data:image/svg+xml;base64," + window.btoa(packed);
  await image.decode();
  [canvas.width, canvas.height] = [Math.round(2 * width), Math.round(2 * height)];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function table(figure) { // the cells of a figure, a line each
  const { where } = figure, many = Boolean(where.maps);
  const head = [...(many ? ["map"] : []), "layer", "position", ...(where.labels ? ["token"] : []),
    "value", "low", "high", "n", "status", "note"];
  const lines = figure.maps.flatMap(([, , title], k) => where.layers.flatMap((layer, i) => where.positions.map((position, j) => {
    const cell = (name) => field(figure, [k, i, j], name);
    const status = cell("status") || (cell("value") === null ? "missing" : "ok");
    return [...(many ? [title] : []), layer, position, ...(where.labels ? [where.labels[j]] : []),
      cell("value"), cell("low"), cell("high"), cell("n"), status, cell("note")];
  })));
  const quoted = (one) => (/[",\n\r]/.test(one) ? '"' + one.replace(/"/g, '""') + '"' : one);
  return [head, ...lines].map((row) => row.map((one) => quoted(one === null ? "" : String(one))).join(",")).join("\n") + "\n";
}

const SAVED = {
  SVG: async (figure, name) => offer((await whole(figure)).source, "image/svg+xml", name + ".svg"),
  PNG: async (figure, name) => offer(await pixels(await whole(figure)), "image/png", name + ".png"),
  CSV: async (figure, name) => offer(table(cellsIn(figure)), "text/csv", name + ".csv"),
};

const cellsIn = (figure) => figures.get(all("[data-chart]", figure).find((host) => figures.has(host)));

function savable(figure) {
  const kinds = Object.keys(SAVED).filter((kind) => kind !== "CSV" || cellsIn(figure));
  const buttons = kinds.map((kind) => {
    const title = "Save " + (figure.id || "figure").replace("-", " ") + " as " + kind;
    const button = made("button", { type: "button", "aria-label": title }, kind);
    button.addEventListener("click", () => SAVED[kind](figure, called + "-" + (figure.id || "figure"))
      .then(() => say("Saved as " + kind + "."), () => say("This browser could not save the figure as " + kind + ".")));
    return button;
  });
  figure.append(made("p", { class: "save" }, "Save: ", ...buttons));
}
