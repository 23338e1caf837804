// Finding one's way: the current section in the contents, the choice of colours, frames that scroll by keyboard.
const entries = new Map(); // id of a section or figure -> its links
all(".contents a").forEach((entry) => {
  const id = decodeURIComponent(entry.hash.slice(1));
  entries.set(id, [...(entries.get(id) || []), entry]);
});

const passing = new IntersectionObserver((seen) => {
  seen.filter((one) => one.isIntersecting).forEach((one) => {
    entries.forEach((found, id) => found.forEach((entry) => {
      const here = id === (one.target.id || "main"); // the head of the report has no id of its own
      entry.classList.toggle("here", here);
      if (here) { entry.setAttribute("aria-current", "true"); } else { entry.removeAttribute("aria-current"); }
    }));
  });
}, { rootMargin: "-5% 0px -80% 0px" });
all("main > header, main section[id], main figure[id]").filter((one) => entries.has(one.id || "main"))
  .forEach((one) => passing.observe(one));

all("details.contents").forEach((folded) => {
  folded.addEventListener("click", (event) => { if (event.target.closest("a")) { folded.open = false; } });
});

function colour(choice) {
  if (choice === "auto") { delete root.dataset.scheme; } else { root.dataset.scheme = choice; }
  try {
    if (choice === "auto") { localStorage.removeItem("layergrid-scheme"); } else { localStorage.setItem("layergrid-scheme", choice); }
  } catch (refused) {
    // The choice then lasts as long as the page is open.
  }
  all(".scheme button").forEach((one) => one.setAttribute("aria-pressed", String(one.value === choice)));
  drawAnew();
}

all(".scheme").forEach((group) => {
  ["auto", "light", "dark"].forEach((choice) => {
    const pressed = String((root.dataset.scheme || "auto") === choice);
    const button = made("button", { type: "button", value: choice, "aria-pressed": pressed }, choice);
    button.addEventListener("click", () => colour(choice));
    group.append(button);
  });
  group.hidden = false;
});

const frames = new ResizeObserver((seen) => seen.forEach(({ target }) => {
  const scrolls = target.scrollWidth > target.clientWidth + 1;
  if (!scrolls) { ["tabindex", "role", "aria-label"].forEach((name) => target.removeAttribute(name)); return; }
  const title = target.querySelector("caption > b") || target.parentElement.querySelector("figcaption > b");
  target.tabIndex = 0;
  target.setAttribute("role", target.matches(".charts") ? "group" : "region");
  target.setAttribute("aria-label", (title ? title.textContent.replace(/\.$/, "") : "Table") + ", scrolls sideways");
}));
all(".sheet, .charts, .answers").forEach((one) => frames.observe(one));
