// A line chart as SVG text: x in powers of two, y from zero, colours that suit light and dark pages.

const width = 720, height = 400;
const plot = { left: 64, right: 24, top: 72, bottom: 56 };
const colours = ["#2f7ed8", "#d9742b", "#3a9d5d", "#a05fc4"];

const escape = text => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** The smallest 1, 2 or 5 times a power of ten that makes at most `count` steps to `max`. */
function niceStep(max, count) {
  const power = 10 ** Math.floor(Math.log10(max / count));
  return [1, 2, 5, 10].map(factor => factor * power).find(step => max / step <= count);
}

/** `series`: [{ name, points: [[x, y], …] }], x above zero. */
export function lineChart({ title, subtitle, xLabel, series }) {
  const all = series.flatMap(({ points }) => points);
  const xs = [...new Set(all.map(([x]) => x))].sort((a, b) => a - b);
  const step = niceStep(Math.max(...all.map(([, y]) => y), 1e-9), 6);
  const maxY = Math.ceil(Math.max(...all.map(([, y]) => y)) / step) * step;
  const span = Math.log2(xs.at(-1) / xs[0]) || 1;
  const px = x => plot.left + Math.log2(x / xs[0]) / span * (width - plot.left - plot.right);
  const py = y => height - plot.bottom - y / maxY * (height - plot.top - plot.bottom);
  const at = number => number.toFixed(1);

  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title)}">`,
    "<style>text{font:13px system-ui,sans-serif;fill:#333}.title{font-size:17px;font-weight:600}.small{font-size:12px;opacity:.75}"
      + ".grid{stroke:#8886;stroke-width:1}.line{fill:none;stroke-width:2.5;stroke-linejoin:round}"
      + "@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>",
    `<text class="title" x="${plot.left}" y="28">${escape(title)}</text>`,
    `<text class="small" x="${plot.left}" y="48">${escape(subtitle)}</text>`,
  ];
  for (let y = 0; y <= maxY + step / 2; y += step) {
    parts.push(`<line class="grid" x1="${plot.left}" x2="${width - plot.right}" y1="${at(py(y))}" y2="${at(py(y))}"/>`);
    parts.push(`<text x="${plot.left - 8}" y="${at(py(y) + 4)}" text-anchor="end">${Number(y.toPrecision(6))}</text>`);
  }
  for (const x of xs) parts.push(`<text x="${at(px(x))}" y="${height - plot.bottom + 20}" text-anchor="middle">${x}</text>`);
  parts.push(`<text x="${at((plot.left + width - plot.right) / 2)}" y="${height - 12}" text-anchor="middle">${escape(xLabel)}</text>`);
  series.forEach(({ name, points }, index) => {
    const colour = colours[index % colours.length];
    const line = points.map(([x, y]) => `${at(px(x))},${at(py(y))}`).join(" ");
    parts.push(`<polyline class="line" stroke="${colour}" points="${line}"/>`);
    for (const [x, y] of points) {
      parts.push(`<circle cx="${at(px(x))}" cy="${at(py(y))}" r="3.5" fill="${colour}"><title>${x}: ${y.toFixed(0)}</title></circle>`);
    }
    parts.push(`<text x="${plot.left + 12}" y="${plot.top + 8 + 18 * index}" style="fill:${colour}">${escape(name)}</text>`);
  });
  parts.push("</svg>");
  return parts.join("\n") + "\n";
}
