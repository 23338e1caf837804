// From words to cells: the sentence under the pointer or with the focus lights the cells that its facts speak of, on
// every map of their grid. A paragraph is one stop of the Tab key; arrow keys go from sentence to sentence in it.
const lighting = all(".sentence[data-facts]").filter((one) => factsOf(one).length);
const PARAGRAPHS = "p, li, caption, figcaption, td, th";
let pinned = null;

function factsOf(sentence) {
  return sentence.dataset.facts.split(" ").filter((id) => Object.hasOwn(facts, id) && facts[id].cells.length);
}

function unlight() {
  all("svg.lit").forEach((one) => one.remove());
  all(".held, .sentence.lighting").forEach((one) => one.classList.remove("held", "lighting"));
  if (pinned) { light(pinned); }
}

function light(sentence, part) {
  all("svg.lit").forEach((one) => one.remove());
  all(".held, .sentence.lighting").forEach((one) => one.classList.remove("held", "lighting"));
  sentence.classList.add("lighting");
  const strong = part && Object.hasOwn(facts, part.dataset.fact) ? part.dataset.fact : "";
  if (strong) { part.classList.add("held"); }
  figures.forEach((figure) => {
    const here = factsOf(sentence).filter((id) => facts[id].grid === figure.where.grid);
    if (!here.length) { return; }
    const svg = drawnOver(figure, "lit");
    const numbers = [...new Set(here.flatMap((id) => indices(facts[id])))];
    svg.append(outlined(figure, cellsOf(figure, numbers), "rim"));
    if (here.includes(strong)) { svg.append(outlined(figure, cellsOf(figure, indices(facts[strong])), "strong")); }
  });
}

function announce(sentence) {
  const numbers = new Set(factsOf(sentence).flatMap((id) => indices(facts[id]).map((n) => facts[id].grid + " " + n)));
  say(numbers.size + (numbers.size === 1 ? " cell is" : " cells are") + " marked in the figures.");
}

function pin(sentence) {
  pinned = pinned === sentence ? null : sentence;
  all(".pinned").forEach((one) => one.classList.remove("pinned"));
  if (pinned) { pinned.classList.add("pinned"); light(pinned); } else { unlight(); }
}

function step(event, sentence) {
  const group = lighting.filter((one) => one.parentElement.closest(PARAGRAPHS) ===
    sentence.parentElement.closest(PARAGRAPHS));
  const at = group.indexOf(sentence), last = group.length - 1;
  const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
  if (event.key === "Enter" || event.key === " ") { pin(sentence); event.preventDefault(); return; }
  if (event.key === "Escape") { pinned = sentence; pin(sentence); return; }
  if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) { return; }
  event.preventDefault();
  const other = group[Math.max(0, Math.min(last, next))];
  sentence.tabIndex = -1;
  other.tabIndex = 0;
  other.focus();
}

const starts = new Set();
lighting.forEach((sentence) => {
  const group = sentence.parentElement.closest(PARAGRAPHS);
  sentence.tabIndex = starts.has(group) ? -1 : 0;
  starts.add(group);
  sentence.addEventListener("pointerover", (event) => {
    if (event.pointerType !== "touch") { light(sentence, event.target.closest(".fact")); }
  });
  sentence.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") { unlight(); } });
  sentence.addEventListener("focus", () => { light(sentence); announce(sentence); });
  sentence.addEventListener("blur", unlight);
  sentence.addEventListener("keydown", (event) => step(event, sentence));
  sentence.addEventListener("click", (event) => {
    if (String(window.getSelection())) { return; } // the reader marks text
    const part = event.target.closest(".fact");
    pin(sentence);
    if (pinned) { light(sentence, part); }
  });
});
all(".fact").forEach((part) => { part.title = part.dataset.fact; });
document.addEventListener("click", (event) => {
  if (pinned && !event.target.closest(".sentence, [data-chart], .contents, .told")) { pin(pinned); }
});
