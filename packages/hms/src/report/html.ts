import { round, type Span, timeAxisSvg } from "./charts.ts";
import { escapeMarkup } from "./clean.ts";
import { count, counted, duration, pagesSize, size } from "./format.ts";
import { looksOf } from "./looks.ts";
import { SCRIPT, STYLE } from "./page-parts.ts";
import { letterOf, UNTOUCHED } from "./recording.ts";
import { causeText, movedPages, type Report, type RunInfo } from "./report.ts";
import { columnsOf, mapSvg, thinned } from "./residency-map.ts";
import { endText, eventText, sentence } from "./text.ts";
import { dataHtml, timelineHtml } from "./timeline.ts";

/** Regions whose residency is drawn. */
const MAPS_MAX = 12;
const REGIONS_MAX = 40;

/** The report as one page that needs nothing else: no network, no other file. The same report gives the same bytes. */
export function renderReportHtml(reports: readonly Report[], run: RunInfo): string {
  const ended = endText(run);
  const body = reports.map((report, i) => reportHtml(report, run, reports.length > 1 ? i + 1 : 0)).join("");
  const none = '<p class="none">The program did not open hms: there is nothing to report.</p>';
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark"><title>${escapeMarkup(run.command)} – memory report</title><style>${STYLE}</style></head>
<body><header><p class="kicker">hms memory report</p><h1>${escapeMarkup(run.command)}</h1>${ended === "" ? "" : `<p class="ended">${escapeMarkup(ended)}</p>`}</header>
<main>${body === "" ? none : body}</main><div id="tip" hidden></div><script>${SCRIPT}</script></body></html>
`;
}

function reportHtml(report: Report, run: RunInfo, number: number): string {
  const { recording } = report;
  const span: Span = { from: recording.opened, to: Math.max(recording.ended, recording.opened + 1) };
  const title = number === 0 ? "" : `<h2>hms, opened ${number === 1 ? "first" : `as number ${number}`}</h2>`;
  const partial = recording.complete
    ? ""
    : '<p class="ended">The process ended without closing hms: its last half second may be missing.</p>';
  return `<section class="report">${title}${partial}${tilesHtml(report, run)}${eventsHtml(report)}${adviceHtml(report)}${timelineHtml(report, span)}${mapsHtml(report, span)}${waysHtml(report)}${regionsHtml(report)}${dataHtml(report, span)}</section>`;
}

function tilesHtml(report: Report, run: RunInfo): string {
  const {
    cpuFaults,
    deviceFaults,
    movedToDevice,
    movedToHost,
    evicted,
    duplicated,
    swappedOut,
    swappedIn,
    droppedClean,
  } = report.statistics;
  const device = report.devices.length > 0;
  type Tile = [title: string, value: string, note: string];
  const forDevices: Tile[] = [
    [
      "To devices",
      pagesSize(movedToDevice),
      duplicated === 0 ? counted(movedToDevice, "page") : `and ${pagesSize(duplicated)} of copies`,
    ],
    ["Home from devices", pagesSize(movedToHost), counted(movedToHost, "page")],
    ["Evicted", pagesSize(evicted), evicted === 0 ? "devices had room" : "no room on the device"],
  ];
  const tiles: Tile[] = [
    ["Time", duration(run.wallNs), `hms open for ${duration(report.openNs)}`],
    [
      "Waiting for pages",
      duration(report.cpuWaitNs + report.deviceWaitNs),
      device ? `CPU ${duration(report.cpuWaitNs)} · devices ${duration(report.deviceWaitNs)}` : "by the CPU",
    ],
    [
      "Faults",
      count(cpuFaults + deviceFaults),
      device ? `CPU ${count(cpuFaults)} · devices ${count(deviceFaults)}` : "of the CPU",
    ],
    ...(device ? forDevices : []),
    ...(swappedOut + swappedIn === 0
      ? []
      : [
          [
            "To disk",
            pagesSize(swappedOut),
            `${pagesSize(swappedOut - droppedClean)} written · ${pagesSize(swappedIn)} back`,
          ] as Tile,
        ]),
    ...report.peaks.map(
      ({ target, bytes, limitBytes }): Tile => [
        `Peak of ${target}`,
        size(bytes),
        limitBytes === null ? "no bound" : `of ${size(limitBytes)}`,
      ],
    ),
  ];
  return `<div class="tiles">${tiles
    .map(
      ([title, value, note]) =>
        `<div class="tile"><span>${escapeMarkup(title)}</span><b>${escapeMarkup(value)}</b><small>${escapeMarkup(note)}</small></div>`,
    )
    .join("")}</div>`;
}

function eventsHtml({ events }: Report): string {
  if (events.length === 0) return "";
  const items = events.map((event) => `<li>${escapeMarkup(eventText(event))}</li>`).join("");
  return `<div class="events"><h2>Out of the ordinary</h2><ul>${items}</ul></div>`;
}

function adviceHtml({ advice }: Report): string {
  if (advice.length === 0)
    return '<h2>Advice</h2><p class="none">None: no region moved more than its use needs.</p>';
  const items = advice
    .map(
      ({ what, remedy }) =>
        `<li><p>${code(what)}</p><p class="remedy">${code(`${sentence(remedy)}.`)}</p></li>`,
    )
    .join("");
  return `<h2>Advice</h2><ol class="advice">${items}</ol>`;
}

/** Escaped, with what is in backquotes as code. */
function code(text: string): string {
  return escapeMarkup(text).replace(/`([^`]*)`/g, "<code>$1</code>");
}

function mapsHtml({ recording, regions }: Report, span: Span): string {
  const shown = regions
    .map((region, i) => ({ region, i }))
    .filter(({ i }) => recording.snapshots.some(({ strips }) => strips.some((strip) => strip.region === i)))
    .slice(0, MAPS_MAX);
  if (shown.length === 0) return "";
  const looks = looksOf(recording);
  const cells = Math.max(
    1,
    ...recording.snapshots.flatMap(({ strips }) => strips.map((strip) => strip.cells.length)),
  );
  const snapshots = thinned(recording, shown.length, cells);
  const when = snapshots.map((snapshot) => snapshot.when);
  const columns = columnsOf(
    snapshots,
    shown.map(({ i }) => i),
  );
  const figures = shown.map(({ region }, i) => {
    const of = columns[i];
    if (of === undefined) return "";
    const svg = mapSvg(
      of,
      when,
      span,
      looks.map(({ look }) => look),
      region.name,
    );
    return `<figure><figcaption><b>${escapeMarkup(region.name)}</b> <span>${escapeMarkup(size(region.size))}${region.gone ? ", freed" : ""} · ${escapeMarkup(pagesSize(movedPages(region.traffic)))} moved</span></figcaption>${svg}</figure>`;
  });
  const seen = new Set(columns.flatMap((one) => one.columns).flatMap((cells) => [...new Set(cells)]));
  const keys = [
    ...looks
      .filter((_, i) => seen.has(letterOf(i)))
      .map(({ name, look }) => ({ name: name === "file" ? "in memory, of a file" : name, look })),
    ...(seen.has(UNTOUCHED) ? [{ name: "never touched, or in its file only", look: "untouched" }] : []),
  ];
  const list = keys.map(({ name, look }) => `<li class="${look}">${escapeMarkup(name)}</li>`).join("");
  return `<h2>Where the pages were</h2><p class="lead">Each strip is a region: its first address on top, time to the right, on the scale of the timeline. The colour is where most pages of a piece were.</p><ul class="keys big">${list}</ul><div class="plots maps">${figures.join("")}${timeAxisSvg(span)}</div>`;
}

function waysHtml({ ways, unexplainedPages }: Report): string {
  if (ways.length === 0 && unexplainedPages === 0) return "";
  const most = Math.max(1, ...ways.map(({ pages }) => pages));
  const rows = ways
    .map(({ from, to, pages, moves, causes }) => {
      const why = causes
        .map((cause) => `${escapeMarkup(causeText(cause))} <i>${escapeMarkup(pagesSize(cause.pages))}</i>`)
        .join("<br>");
      return `<tr><th>${escapeMarkup(from)} → ${escapeMarkup(to)}</th><td class="n">${escapeMarkup(pagesSize(pages))}</td><td class="n">${count(pages)}</td><td class="n">${count(moves)}</td><td class="bar"><span style="width:${round((100 * pages) / most)}%"></span></td><td>${why}</td></tr>`;
    })
    .join("");
  const rest =
    unexplainedPages === 0
      ? ""
      : `<tr><th>not recorded why</th><td class="n">${escapeMarkup(pagesSize(unexplainedPages))}</td><td class="n">${count(unexplainedPages)}</td><td></td><td></td><td></td></tr>`;
  return `<h2>What moved, and why</h2><div class="scroll"><table><thead><tr><th>Way</th><th class="n">Bytes</th><th class="n">Pages</th><th class="n">Moves</th><th></th><th>Why</th></tr></thead><tbody>${rows}${rest}</tbody></table></div>`;
}

function regionsHtml({ regions, recording }: Report): string {
  if (regions.length === 0) return "";
  const moved = (pages: number): string =>
    `<td class="n">${pages === 0 ? "–" : escapeMarkup(pagesSize(pages))}</td>`;
  const rows = regions
    .slice(0, REGIONS_MAX)
    .map(({ name, size: bytesOf, kind, traffic: t }) => {
      const cells = [t.toDevice, t.toHost - t.evicted, t.evicted, t.duplicated, t.swappedOut, t.swappedIn];
      return `<tr><th>${escapeMarkup(name)}</th><td>${escapeMarkup(kind)}</td><td class="n">${escapeMarkup(size(bytesOf))}</td><td class="n">${count(t.cpuFaults)}</td><td class="n">${count(t.deviceFaults)}</td><td class="n">${escapeMarkup(duration(t.faultNs))}</td>${cells.map(moved).join("")}</tr>`;
    })
    .join("");
  const left = recording.regionsTotal - Math.min(regions.length, REGIONS_MAX);
  const more =
    left > 0
      ? `<p class="none">And ${counted(left, "more region")} not listed; what moved of them is in the moves above.</p>`
      : "";
  return `<h2>Regions</h2><div class="scroll"><table><thead><tr><th>Region</th><th>Kind</th><th class="n">Size</th><th class="n">CPU faults</th><th class="n">Device faults</th><th class="n">Waiting</th><th class="n">To device</th><th class="n">Home</th><th class="n">Evicted</th><th class="n">Copies</th><th class="n">To disk</th><th class="n">Back</th></tr></thead><tbody>${rows}</tbody></table></div>${more}`;
}
