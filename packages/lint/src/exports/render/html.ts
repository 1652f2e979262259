import { CLASSES, type ExportClass } from "../classes.ts";
import type { MaintainerIndex } from "../maintainers.ts";
import type { ExportedSymbol, ExportReport } from "../report.ts";
import { summarize, sumOf } from "./summary.ts";

const COLOURS: Readonly<Record<ExportClass, string>> = {
  module: "#4c8f6b",
  "same-module": "#8fb8a0",
  "built-in": "#d9a441",
  tests: "#7a9cc6",
  headers: "#e08b5a",
  nobody: "#c8473f",
  undetermined: "#9a9a9a",
};

const WORDS: Readonly<Record<ExportClass, string>> = {
  module: "a module",
  "same-module": "its own module only",
  "built-in": "built-in users only",
  tests: "tests and samples only",
  headers: "headers that nothing uses",
  nobody: "nobody",
  undetermined: "undetermined",
};

/** One page that needs nothing else: a summary by directory, and a table to search. */
export function exportsHtml(
  report: ExportReport,
  symbols: readonly ExportedSymbol[],
  maintainers: MaintainerIndex | null,
): string {
  const rows = summarize(symbols, maintainers);
  const sum = sumOf(rows);
  const files = [
    ...new Set(symbols.flatMap((one) => [one.file, ...one.consumers.slice(0, 3).map((use) => use.file)])),
  ];
  const numbers = new Map(files.map((file, i) => [file, i]));
  const data = {
    files,
    rows: symbols.map((one) => [
      one.symbol,
      numbers.get(one.file),
      one.line,
      CLASSES.indexOf(one.class),
      `${one.gpl ? "GPL" : ""}${one.namespace === null ? "" : ` ${one.namespace}`}`.trim(),
      one.class === "module" || one.class === "nobody" ? "" : one.why,
      one.consumers.slice(0, 3).map((use) => [numbers.get(use.file), use.line]),
      one.rule ?? "",
    ]),
  };
  const legend = CLASSES.map(
    (one) =>
      `<button data-class="${CLASSES.indexOf(one)}" class="${one === "nobody" ? "on" : ""}"><i style="background:${COLOURS[one]}"></i>${WORDS[one]} <b>${sum.by[one].toLocaleString("en")}</b></button>`,
  ).join("\n");
  const bars = rows
    .map((row) => {
      const parts = CLASSES.filter((one) => row.by[one] > 0)
        .map(
          (one) =>
            `<i style="width:${((100 * row.by[one]) / row.total).toFixed(2)}%;background:${COLOURS[one]}" title="${row.by[one]} used by ${WORDS[one]}"></i>`,
        )
        .join("");
      return `<tr data-part="${escaped(row.part)}"><td>${escaped(row.part)}</td><td class="n">${row.total}</td><td class="n bad">${row.by.nobody === 0 ? "" : row.by.nobody}</td><td class="bar">${parts}</td></tr>`;
    })
    .join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Exports of ${escaped(report.tree)}</title>
<style>${STYLE}</style></head><body>
<header><h1>Exports of ${escaped(report.tree)}</h1>
<p>${report.release === null ? "" : `Linux ${escaped(report.release)} · `}${sum.total.toLocaleString("en")} exports in ${report.files.toLocaleString("en")} files · who uses them</p></header>
<div class="legend">${legend}</div>
<div class="whole">${CLASSES.filter((one) => sum.by[one] > 0)
    .map(
      (one) =>
        `<i style="width:${((100 * sum.by[one]) / Math.max(1, sum.total)).toFixed(3)}%;background:${COLOURS[one]}" title="${WORDS[one]}: ${sum.by[one]}"></i>`,
    )
    .join("")}</div>
<main><section class="parts"><h2>${maintainers === null ? "By directory" : "By maintainer"}</h2>
<div class="scroll"><table><thead><tr><th>${maintainers === null ? "directory" : "entry"}</th><th class="n">exports</th><th class="n">unused</th><th></th></tr></thead><tbody id="parts">${bars}</tbody></table></div></section>
<section class="list"><h2>Symbols <span id="count"></span></h2>
<input id="search" type="search" placeholder="a symbol, a file, a namespace…" aria-label="Search" autofocus>
<div class="scroll"><table><thead><tr><th>symbol</th><th>exported by</th><th>kind</th><th>used by</th></tr></thead><tbody id="rows"></tbody></table></div></section></main>
<script id="data" type="application/json">${JSON.stringify(data).replaceAll("<", "\\u003c")}</script>
<script>const COLOURS=${JSON.stringify(CLASSES.map((one) => COLOURS[one]))},WORDS=${JSON.stringify(CLASSES.map((one) => WORDS[one]))};${SCRIPT}</script>
</body></html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

const STYLE = `
:root{color-scheme:light dark;--bg:#fbfaf8;--fg:#26282b;--dim:#777c82;--line:#e3e0da;--card:#fff;--bad:#c8473f}
@media(prefers-color-scheme:dark){:root{--bg:#17191c;--fg:#dfe2e6;--dim:#8d949c;--line:#2d3136;--card:#1e2125;--bad:#e8786f}}
*{box-sizing:border-box}body{margin:0;padding:1.6rem 2rem;background:var(--bg);color:var(--fg);font:14px/1.45 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}header p{margin:.2rem 0 1rem;color:var(--dim)}h2{font-size:1rem;margin:0 0 .5rem}h2 span{color:var(--dim);font-weight:400}
.legend{display:flex;flex-wrap:wrap;gap:.4rem;margin-bottom:.6rem}
button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.25rem .6rem;cursor:pointer;opacity:.65}
button.on{opacity:1;border-color:var(--fg)}button i{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin-right:.45em}
.whole{display:flex;height:14px;border-radius:4px;overflow:hidden;margin-bottom:1.4rem}.whole i,.bar i{display:inline-block;height:100%}
main{display:grid;grid-template-columns:minmax(27rem,2fr) 5fr;gap:1.6rem}@media(max-width:60rem){main{grid-template-columns:1fr}}
.scroll{max-height:70vh;overflow:auto;border:1px solid var(--line);border-radius:6px;background:var(--card)}
table{border-collapse:collapse;width:100%}th{position:sticky;top:0;background:var(--card);text-align:left;color:var(--dim);font-weight:500}
td,th{padding:.25rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:var(--bad);font-weight:600}
#parts tr{cursor:pointer}#parts tr.on td:first-child{font-weight:700}.bar{width:8rem;min-width:8rem;white-space:nowrap;line-height:0;padding-top:.6rem}.bar i{height:9px}
#rows td{font:12.5px/1.45 ui-monospace,monospace;overflow-wrap:anywhere}#rows small{color:var(--dim);display:block;font:12px/1.4 system-ui}
.list table{table-layout:fixed}.list th:nth-child(3){width:9rem}.list th:nth-child(1){width:30%}.parts td:first-child{overflow-wrap:anywhere}
#rows i{display:inline-block;width:.65em;height:.65em;border-radius:2px;margin-right:.5em}
input{width:100%;font:inherit;padding:.45rem .7rem;margin-bottom:.6rem;border:1px solid var(--line);border-radius:6px;background:var(--card);color:inherit}`;

/** Rows that the page shows at a time: a browser draws that many without a pause. */
const SCRIPT = `
const SHOWN=400,data=JSON.parse(document.getElementById('data').textContent),files=data.files,body=document.getElementById('rows'),search=document.getElementById('search'),count=document.getElementById('count');
let part='';const buttons=[...document.querySelectorAll('button')];
const el=(tag,text)=>{const e=document.createElement(tag);if(text!==undefined)e.textContent=text;return e};
function show(){const on=new Set(buttons.filter(b=>b.classList.contains('on')).map(b=>+b.dataset.class)),words=search.value.toLowerCase().split(/\\s+/).filter(Boolean);
let n=0;const out=document.createDocumentFragment();
for(const [symbol,file,line,kind,gpl,why,uses,rule] of data.rows){if(on.size&&!on.has(kind))continue;const path=files[file];if(part&&!(path===part||path.startsWith(part+'/')))continue;
const text=(symbol+' '+path+' '+gpl).toLowerCase();if(!words.every(w=>text.includes(w)))continue;
if(n++<SHOWN){const tr=el('tr'),a=el('td'),d=el('i');d.style.background=COLOURS[kind];a.append(d,symbol);const u=el('td');u.append(WORDS[kind]);if(why)u.append(el('small',why));if(rule)u.append(el('small','by rule: '+rule));for(const [f,l] of uses)u.append(el('small',files[f]+':'+l));tr.append(a,el('td',path+':'+line),el('td',gpl),u);out.append(tr)}}
body.replaceChildren(out);count.textContent=n>SHOWN?n.toLocaleString('en')+', the first '+SHOWN+' shown':n.toLocaleString('en')}
for(const b of buttons)b.onclick=()=>{b.classList.toggle('on');show()};search.oninput=show;
for(const tr of document.querySelectorAll('#parts tr'))tr.onclick=()=>{const was=tr.classList.contains('on');for(const o of document.querySelectorAll('#parts tr.on'))o.classList.remove('on');part=was?'':tr.dataset.part;tr.classList.toggle('on',!was);show()};
show();`;
