// What the page carries as data, and small things that all parts use. Every element may be missing: templates differ.
const root = document.documentElement;
const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
const held = (id) => (document.getElementById("data-" + id) || { textContent: "" }).textContent;
const read = (id) => JSON.parse(held(id) || "{}");
const SVG = "http" + "://www.w3.org/2000/svg"; // the name of a language, never fetched

async function opened(id) {
  const packed = window.atob(held(id).trim());
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i += 1) { bytes[i] = packed.charCodeAt(i); }
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

function made(tag, given, ...inner) {
  const element = document.createElement(tag);
  Object.entries(given || {}).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...inner);
  return element;
}

const line = document.body.appendChild(made("p", { class: "unseen", role: "status", "aria-live": "polite" }));
const say = (words) => { if (line.textContent !== words) { line.textContent = words; } };
