// Before the page is shown: the colours that the reader chose, where the browser keeps such a choice.
try {
  const kept = window.localStorage.getItem("layergrid-scheme");
  if (kept === "light" || kept === "dark") { document.documentElement.dataset.scheme = kept; }
} catch (refused) {
  // A browser that keeps nothing shows the page in its own colours.
}
