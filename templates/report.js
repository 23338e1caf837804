(function () {
  "use strict";
  // The page's own script: draws the charts in the mode of the reader, marks the cells of a fact, follows the contents.
  function read(id) { return JSON.parse(document.getElementById("data-" + id).textContent); }
  var specs = read("charts"), darkened = read("darkened"), facts = read("facts"), maps = read("grids");
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var views = [];

  function recoloured(value, colours) {
    if (typeof value === "string") { return Object.prototype.hasOwnProperty.call(colours, value) ? colours[value] : value; }
    if (Array.isArray(value)) { return value.map(function (one) { return recoloured(one, colours); }); }
    if (value && typeof value === "object") {
      var made = {};
      Object.keys(value).forEach(function (key) { made[key] = key === "data" ? value[key] : recoloured(value[key], colours); });
      return made;
    }
    return value;
  }

  function draw(isDark) {
    views.forEach(function (view) { view.finalize(); });
    views = [];
    document.querySelectorAll("[data-chart]").forEach(function (host) {
      var spec = specs[host.dataset.chart];
      var inner = host.querySelector(".drawing") || host.appendChild(document.createElement("div"));
      inner.className = "drawing";
      window.vegaEmbed(inner, isDark ? recoloured(spec, darkened) : spec, {
        ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: { disableDefaultStyle: true }
      }).then(function (result) {
        views.push(result);
        host.classList.add("drawn");
      });
    });
  }

  function unlight() {
    document.querySelectorAll("svg.lit").forEach(function (one) { one.remove(); });
    document.querySelectorAll(".fact.held").forEach(function (one) { one.classList.remove("held"); });
  }

  function light(element) {
    unlight();
    var fact = facts[element.dataset.fact];
    if (!fact) { return; }
    element.classList.add("held");
    var name = maps[fact.grid], host = name && document.querySelector('[data-chart="' + CSS.escape(name) + '"]');
    if (!host) { return; }
    var spec = specs[name], where = spec.usermeta.layergrid, pad = spec.padding, space = "http" + "://www.w3.org/2000/svg";
    var svg = document.createElementNS(space, "svg");
    svg.setAttribute("class", "lit");
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("viewBox", [0, 0, pad.left + spec.width + pad.right, pad.top + spec.height + pad.bottom].join(" "));
    fact.cells.forEach(function (cell) {
      var rect = document.createElementNS(space, "rect");
      var band = where.per ? Math.floor(cell[1] / where.per) : 0, column = where.per ? cell[1] % where.per : cell[1];
      var layer = [band * (where.pitch || 0) + where.order.indexOf(cell[0]) * where.row, where.row];
      var position = [column * where.step, where.step];
      var across = where.across === "layer" ? layer : position, down = where.across === "layer" ? position : layer;
      rect.setAttribute("x", pad.left + across[0] + 0.75);
      rect.setAttribute("y", pad.top + down[0] + 0.75);
      rect.setAttribute("width", Math.max(0.5, across[1] - 1.5));
      rect.setAttribute("height", Math.max(0.5, down[1] - 1.5));
      svg.appendChild(rect);
    });
    host.appendChild(svg);
  }

  document.querySelectorAll(".fact").forEach(function (element) {
    var fact = facts[element.dataset.fact];
    element.title = element.dataset.fact;
    if (!fact || !fact.cells.length) { return; }
    element.tabIndex = 0;
    element.addEventListener("mouseenter", function () { light(element); });
    element.addEventListener("mouseleave", unlight);
    element.addEventListener("focus", function () { light(element); });
    element.addEventListener("blur", unlight);
  });

  var links = {};
  document.querySelectorAll(".contents a").forEach(function (link) { links[link.hash.slice(1)] = link; });
  var watcher = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (!entry.isIntersecting) { return; }
      Object.keys(links).forEach(function (id) { links[id].classList.toggle("here", id === entry.target.id); });
    });
  }, { rootMargin: "-5% 0px -80% 0px" });
  document.querySelectorAll("main section[id], main figure[id]").forEach(function (one) { if (links[one.id]) { watcher.observe(one); } });

  dark.addEventListener("change", function () { draw(dark.matches); });
  window.addEventListener("beforeprint", function () { if (dark.matches) { draw(false); } });
  window.addEventListener("afterprint", function () { if (dark.matches) { draw(true); } });
  draw(dark.matches);
})();
