// Draws the charts: the library is unpacked once, charts in view come first, the others when the reader comes near or
// the browser has time; all before printing, in light colours.
const darkened = read("darkened");
const wishes = window.matchMedia("(prefers-color-scheme: dark)");
const hosts = all("[data-chart]");
const views = new Map(); // host -> what Vega made of it, and whether in dark colours
let specs = {};
let printing = false;

const isDark = () => !printing && (root.dataset.scheme ? root.dataset.scheme === "dark" : wishes.matches);

function recoloured(value, colours) {
  if (typeof value === "string") { return Object.hasOwn(colours, value) ? colours[value] : value; }
  if (Array.isArray(value)) { return value.map((one) => recoloured(one, colours)); }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, k === "data" ? v : recoloured(v, colours)]));
  }
  return value;
}

function embedded(element, spec) {
  return window.vegaEmbed(element, spec, {
    ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: { disableDefaultStyle: true },
  });
}

function draw(host) {
  const spec = specs[host.dataset.chart], dark = isDark(), before = views.get(host);
  if (before && before.dark === dark) { return; }
  views.set(host, { dark });
  if (!spec) { host.classList.add("drawn"); return; }
  const inner = host.querySelector(".drawing") || host.insertBefore(made("div", { class: "drawing" }), host.firstChild);
  inner.setAttribute("aria-hidden", "true"); // the host says in words what is drawn
  if (before && before.result) { before.result.finalize(); }
  embedded(inner, dark ? recoloured(spec, darkened) : spec).then((result) => {
    if (views.get(host).dark !== dark) { result.finalize(); return; }
    views.set(host, { dark, result });
    host.classList.add("drawn");
  });
}

const near = new IntersectionObserver((entries) => {
  entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
    near.unobserve(entry.target);
    draw(entry.target);
  });
}, { rootMargin: "400px 0px" });

const later = window.requestIdleCallback || ((run) => window.setTimeout(run, 60));

function drawNext() {
  const next = hosts.find((host) => !views.has(host) || views.get(host).dark !== isDark());
  if (next) { draw(next); later(drawNext); }
}

function drawAnew() {
  if (!window.vegaEmbed) { return; }
  hosts.filter((host) => views.has(host)).sort((a, b) => away(a) - away(b)).slice(0, 4).forEach(draw);
  later(drawNext);
}

const away = (host) => Math.abs(host.getBoundingClientRect().top);

async function begin() {
  if (!hosts.length || !held("vega")) { return; } // a template may leave out the charts, or what they are made of
  if (!window.DecompressionStream) {
    const said = "This browser is too old to draw the charts of this page; the PDF beside it shows them.";
    hosts.forEach((host) => host.replaceChildren(made("p", { class: "note" }, said)));
    return;
  }
  const [charts, library] = await Promise.all([opened("charts"), opened("vega")]);
  const packed = JSON.parse(charts);
  specs = Object.fromEntries(Object.entries(packed.each).map(([name, spec]) => [name, { ...packed.all, ...spec }]));
  const script = document.createElement("script");
  script.textContent = library; // the policy of the page names its digest
  document.head.append(script);
  script.remove();
  hosts.forEach((host) => near.observe(host));
  hosts.forEach(prepare);
  later(drawNext);
}

wishes.addEventListener("change", drawAnew);
window.addEventListener("beforeprint", () => { printing = true; if (window.vegaEmbed) { hosts.forEach(draw); } });
window.addEventListener("afterprint", () => { printing = false; drawAnew(); });
