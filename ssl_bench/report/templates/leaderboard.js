// What is drawn and moved on the page; the work is DataTables' and Plotly's.
const QUIET = { displaylogo: false, responsive: true, displayModeBar: false };

// The libraries lie on the page as gzip in base64: this makes an address of one.
async function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return URL.createObjectURL(new Blob([await new Response(stream).arrayBuffer()], { type: "text/javascript" }));
}
async function plotly() {
  const script = document.createElement("script");
  script.src = await unpacked("plotly");
  const loaded = new Promise((resolve, reject) => { script.onload = resolve; script.onerror = reject; });
  document.head.append(script);
  await loaded;
  URL.revokeObjectURL(script.src);
}
await plotly();

// A dark screen has light ink: what is drawn in black or grey changes, colours of configurations stay.
const dark = matchMedia("(prefers-color-scheme: dark)");
let printing = false;
const PAPER = 600; // px of height that a page has beside a caption
const LIGHT_INK = { "#000000": "#f2f2f2", "#595959": "#b8b8b8" };
const inked = (trace) => JSON.parse(JSON.stringify(trace), (key, value) => (key === "color" && LIGHT_INK[value]) || value);
function scheme(layout) {
  const night = dark.matches && !printing, ink = night ? "#e8e8e8" : "#222", grid = night ? "#3a3d42" : "#e5e5e5";
  const axis = { gridcolor: grid, linecolor: night ? "#8a8a8a" : "#bfbfbf", tickfont: { color: ink } };
  const shapes = (layout.shapes || []).map((shape) => ({ ...shape, line: { ...shape.line, color: ink } }));
  const notes = (layout.annotations || []).map((note) => ({ ...note, font: { ...note.font, color: night ? "#ff9d57" : "#b34e00" } }));
  const height = printing ? Math.min(layout.height, PAPER) : layout.height;
  return { ...layout, height, font: { ...layout.font, color: ink }, xaxis: { ...layout.xaxis, ...axis }, yaxis: { ...layout.yaxis, ...axis }, shapes, annotations: notes };
}
const plots = [...document.querySelectorAll(".plot > script")].map((holder) => ({ place: holder.parentElement, ...JSON.parse(holder.textContent) }));
function plotAll() {
  for (const { place, data, layout } of plots) Plotly.react(place, dark.matches && !printing ? data.map(inked) : data, scheme(layout), QUIET);
}
plotAll();
dark.addEventListener("change", plotAll);

// On paper nothing can be opened, and paper is light.
const closed = [];
addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not([open])").forEach((one) => { one.open = true; closed.push(one); });
  printing = true;
  plotAll();
});
addEventListener("afterprint", () => {
  closed.splice(0).forEach((one) => { one.open = false; });
  printing = false;
  plotAll();
});

const plain = (html) => new DOMParser().parseFromString(html, "text/html").body.textContent;

async function sortable() {
  const url = await unpacked("datatables");
  const { default: DataTable } = await import(url);
  URL.revokeObjectURL(url);
  const grid = document.getElementById("leaderboard");
  const texts = [...grid.tHead.rows[0].cells].map((_, n) => n).filter((n) => !grid.tBodies[0].rows[0].cells[n].dataset.order);
  const table = new DataTable(grid, {
    paging: false, autoWidth: false, order: [], // as written: by protocol and rank
    columnDefs: [{ targets: texts, orderSequence: ["asc", "desc"] }, { targets: "_all", orderSequence: ["desc", "asc"] }],
    language: { search: "search", info: "_TOTAL_ rows", infoFiltered: "of _MAX_", infoEmpty: "no row", zeroRecords: "no row fits the filters" },
    layout: { topStart: "search", topEnd: null, bottomStart: "info", bottomEnd: null },
  });
  for (const choice of document.querySelectorAll("#filters select")) {
    const column = table.column(Number(choice.dataset.column));
    choice.addEventListener("change", () => column.search((cell) => !choice.value || plain(cell) === choice.value).draw());
  }
  const roles = { thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell", "tbody th": "rowheader", "thead th": "columnheader" };
  for (const [tags, role] of Object.entries(roles)) // on a narrow screen a row is a card, and must stay a row to a screen reader
    grid.querySelectorAll(tags).forEach((element) => element.setAttribute("role", role));
  document.documentElement.dataset.ready = "yes";
}
await sortable();

function reveal() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.closest("details")) {
    target.closest("details").open = true;
    target.focus();
    target.scrollIntoView();
  }
}
addEventListener("hashchange", reveal);
document.addEventListener("click", (event) => event.target.closest("a[href^='#origin']") && setTimeout(reveal));
reveal();

const source = document.getElementById("map-data");
if (source) {
  const { maps, pictures } = JSON.parse(source.textContent);
  const plot = document.getElementById("map-plot"), encoder = document.getElementById("map-encoder");
  const variable = document.getElementById("map-variable"), picture = document.getElementById("map-picture");
  const escaped = (text) => new Option(text).innerHTML;

  function offer() {
    const before = variable.value;
    variable.replaceChildren(...maps[encoder.value].variables.map((one) => new Option(one.name)));
    if ([...variable.options].some((one) => one.value === before)) variable.value = before;
  }
  function draw() {
    const shown = maps[encoder.value], colour = shown.variables.find((one) => one.name === variable.value);
    if (!colour) return;
    const traces = colour.values.map((value, code) => {
      const rows = shown.x.map((_, row) => row).filter((row) => colour.codes[row] === code);
      const told = rows.map((row) => shown.variables.map((one) => `${escaped(one.name)}: ${escaped(one.values[one.codes[row]].name)}`).join("<br>"));
      return { type: "scatter", mode: "markers", name: escaped(`${value.name} (${rows.length})`), x: rows.map((row) => shown.x[row]), y: rows.map((row) => shown.y[row]),
        customdata: rows, text: told, hovertemplate: "%{text}<extra></extra>", marker: { color: value.color, symbol: value.symbol, size: 7, opacity: 0.85, line: { color: "#444", width: 0.5 } } };
    }).filter((trace) => trace.x.length);
    const bare = { showticklabels: false, zeroline: false, showgrid: false, showline: true, mirror: true, linecolor: "#BFBFBF" };
    Plotly.react(plot, traces, scheme({ height: 520, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 10, r: 10, t: 10, b: 10 }, hovermode: "closest", xaxis: bare, yaxis: bare,
      font: { family: "system-ui, sans-serif", size: 13 }, legend: { orientation: "h", title: { text: escaped(colour.name) } } }), QUIET);
  }
  function show(event) {
    const shown = maps[encoder.value], row = event.points[0].customdata;
    if (!picture || !shown.pictures) return;
    const image = new Image();
    const told = shown.variables.map((one) => `${one.name}: ${one.values[one.codes[row]].name}`).join(", ");
    image.src = `data:image/jpeg;base64,${pictures[shown.pictures[row]]}`;
    image.alt = `Test image; ${told}`;
    picture.replaceChildren(image, told);
  }
  encoder.addEventListener("change", () => { offer(); draw(); });
  variable.addEventListener("change", draw);
  dark.addEventListener("change", draw);
  offer();
  draw();
  plot.on("plotly_hover", show);
  plot.on("plotly_click", show);
}
document.documentElement.dataset.drawn = "yes";
