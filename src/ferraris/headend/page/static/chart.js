// Lets a reader ask a chart for its values: by pointer, or with the arrow keys when it has focus.
// The values are those of the table below the chart, so nothing is said twice.

export function watchCharts(root) {
  root.querySelectorAll("figure .plot").forEach(watch);
}

function watch(plot) {
  const rows = [...plot.closest("figure").querySelectorAll("tbody tr[data-from]")].map((row) => ({
    from: Number(row.dataset.from),
    until: Number(row.dataset.until),
    text: [...row.cells].map((cell) => cell.textContent.trim()).filter(Boolean).join(" · "),
  })).sort((one, other) => one.from - other.from);
  const told = plot.closest("figure").querySelector(".told");
  if (!rows.length || !told) return;
  let at = -1;

  function drawn() {
    return [...plot.querySelectorAll("svg")].find((each) => each.getClientRects().length);
  }

  function tell(next) {
    at = Math.max(0, Math.min(rows.length - 1, next));
    told.textContent = rows[at].text;
    for (const svg of plot.querySelectorAll("svg")) {
      const { left, right, top, bottom, start, end } = svg.dataset;
      const middle = (rows[at].from + rows[at].until) / 2;
      const x = Number(left) + ((middle - start) / (end - start)) * (right - left);
      let line = svg.querySelector(".cursor");
      if (!line) {
        line = document.createElementNS(svg.namespaceURI, "path");
        line.setAttribute("class", "cursor");
        svg.append(line);
      }
      line.setAttribute("d", `M${x.toFixed(1)} ${top}V${bottom}`);
    }
  }

  plot.addEventListener("pointermove", (event) => {
    const svg = drawn();
    if (!svg) return;
    const box = svg.getBoundingClientRect();
    const { left, right, start, end } = svg.dataset;
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const when = Number(start) + ((x - left) / (right - left)) * (end - start);
    const next = rows.findIndex((row) => row.from <= when && when < row.until);
    if (next >= 0) tell(next);
  });
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -rows.length, End: rows.length }[event.key];
    if (!step) return;
    event.preventDefault();
    tell(at < 0 && step === -1 ? rows.length - 1 : at + step);
  });
}
