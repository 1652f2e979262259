import { printable } from "./clean.ts";
import { count, counted, duration, pagesSize, size } from "./format.ts";
import type { RecordedEvent, RecordedRegion, RegionTraffic } from "./recording.ts";
import { causeText, type Peak, type Report, type RunInfo } from "./report.ts";

/** How a report is written for a terminal. */
export interface TextOptions {
  /** Columns; 100 without it. */
  readonly width?: number;
  /** With the colours of a terminal; not without it. */
  readonly colour?: boolean;
}

/** Regions that are listed. */
const REGIONS_MAX = 10;
const EVENTS_MAX = 8;
const BAR_CELLS = 20;
/** Characters of a region's name in the table. */
const NAME_MAX = 18;

interface Pen {
  readonly width: number;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly warn: (text: string) => string;
}

function penOf({ width = 100, colour = false }: TextOptions): Pen {
  const sgr =
    (code: string) =>
    (text: string): string =>
      colour && text !== "" ? `\u001b[${code}m${text}\u001b[0m` : text;
  return { width: Math.max(40, width), bold: sgr("1"), dim: sgr("2"), warn: sgr("33") };
}

/** The report for a terminal: what happened, why, and what to do about it. Ends with a line break. */
export function renderReportText(report: Report, run: RunInfo, options: TextOptions = {}): string {
  const pen = penOf(options);
  const sections = [
    headLines(report, run, pen),
    wayLines(report, pen),
    peakLines(report, pen),
    regionLines(report, pen),
    eventLines(report.events, pen),
    adviceLines(report, pen),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}

/** How a program that was run ended, when it did not end well; nothing else. */
export function endText({ code, signal }: RunInfo): string {
  if (signal !== null) return `killed by ${signal}`;
  return code === 0 ? "" : `ended with exit code ${code}`;
}

function headLines(report: Report, run: RunInfo, pen: Pen): string[] {
  const ended = endText(run);
  const title = `${pen.bold("MEMORY REPORT")}  ${printable(run.command)}`;
  const rows = headRows(report, run);
  return [
    ended === "" ? title : `${title}  ${pen.warn(`(${ended})`)}`,
    ...table(rows, ["left", "right", "left"], pen).map((line) => `  ${line}`),
  ];
}

function headRows(report: Report, run: RunInfo): string[][] {
  const { cpuWaitNs, deviceWaitNs, recording } = report;
  const { cpuFaults, deviceFaults, evicted, swappedOut, swappedIn, droppedClean } = report.statistics;
  const device = report.devices.length > 0;
  const whole = recording.complete ? "" : "; its last half second may be missing";
  const written = droppedClean === 0 ? "" : ` (${pagesSize(swappedOut - droppedClean)} had to be written)`;
  return [
    ["time", duration(run.wallNs), `hms was open for ${duration(report.openNs)} of it${whole}`],
    [
      "waiting",
      duration(cpuWaitNs + deviceWaitNs),
      device
        ? `for pages: CPU ${duration(cpuWaitNs)}, devices ${duration(deviceWaitNs)}`
        : "for pages, by the CPU",
    ],
    [
      "faults",
      count(cpuFaults + deviceFaults),
      device ? `CPU ${count(cpuFaults)}, devices ${count(deviceFaults)}` : "of the CPU",
    ],
    ...(device
      ? [
          [
            "evictions",
            count(evicted),
            evicted === 0
              ? "no device was short of memory"
              : `pages that devices had no room for (${pagesSize(evicted)})`,
          ],
        ]
      : []),
    ...(swappedOut + swappedIn === 0
      ? []
      : [["disk", pagesSize(swappedOut), `left RAM for it${written}, ${pagesSize(swappedIn)} came back`]]),
  ];
}

function wayLines(report: Report, pen: Pen): string[] {
  const title = pen.bold("MOVES");
  if (report.ways.length === 0 && report.unexplainedPages === 0)
    return [`${title}  no page moved between memories`];
  const rows: string[][] = [];
  for (const { from, to, pages, moves, causes } of report.ways) {
    rows.push([`${from} → ${to}`, pagesSize(pages), counted(pages, "page"), `in ${counted(moves, "move")}`]);
    for (const cause of causes)
      rows.push([`  ${causeText(cause)}`, pagesSize(cause.pages), counted(cause.pages, "page"), ""]);
  }
  if (report.unexplainedPages > 0)
    rows.push([
      "not recorded why",
      pagesSize(report.unexplainedPages),
      counted(report.unexplainedPages, "page"),
      "",
    ]);
  const lines = table(rows, ["left", "right", "right", "left"], pen);
  return [title, ...lines.map((line) => `  ${line.trimStart() === line ? line : pen.dim(line)}`)];
}

function peakLines({ peaks }: Report, pen: Pen): string[] {
  const rows = peaks.map((peak) => [peak.target, size(peak.bytes), limitText(peak), bar(peak)]);
  return [
    `${pen.bold("PEAKS")}  the most that was in use of each memory`,
    ...table(rows, ["left", "right", "left", "left"], pen).map((line) => `  ${line}`),
  ];
}

function limitText({ limitBytes }: Peak): string {
  return limitBytes === null ? "of what there is" : `of ${size(limitBytes)}`;
}

function bar({ bytes, limitBytes }: Peak): string {
  if (limitBytes === null) return "";
  const share = bytes / Math.max(1, limitBytes);
  const full = Math.min(BAR_CELLS, Math.round(share * BAR_CELLS));
  return `${"█".repeat(full)}${"░".repeat(BAR_CELLS - full)} ${Math.round(share * 100)} %`;
}

/** A column of the table of regions. */
interface RegionColumn {
  readonly title: string;
  readonly cell: (region: RecordedRegion) => string;
  /** What must have happened to some region for it to be shown. */
  readonly count?: (traffic: RegionTraffic) => number;
}

const moved = (pages: number): string => (pages === 0 ? "–" : pagesSize(pages));

const COLUMNS: readonly RegionColumn[] = [
  {
    title: "region",
    cell: ({ name }) => (name.length > NAME_MAX ? `${name.slice(0, NAME_MAX - 1)}…` : name),
  },
  { title: "size", cell: (region) => size(region.size) },
  { title: "CPU faults", cell: ({ traffic }) => count(traffic.cpuFaults) },
  { title: "dev. faults", cell: ({ traffic }) => count(traffic.deviceFaults), count: (t) => t.deviceFaults },
  { title: "to device", cell: ({ traffic }) => moved(traffic.toDevice), count: (t) => t.toDevice },
  { title: "home", cell: ({ traffic: t }) => moved(t.toHost - t.evicted), count: (t) => t.toHost },
  { title: "evicted", cell: ({ traffic }) => moved(traffic.evicted), count: (t) => t.evicted },
  { title: "copies", cell: ({ traffic }) => moved(traffic.duplicated), count: (t) => t.duplicated },
  { title: "to disk", cell: ({ traffic }) => moved(traffic.swappedOut), count: (t) => t.swappedOut },
  { title: "back", cell: ({ traffic }) => moved(traffic.swappedIn), count: (t) => t.swappedIn },
];

function regionLines({ regions, recording }: Report, pen: Pen): string[] {
  if (regions.length === 0) return [];
  const shown = regions.slice(0, REGIONS_MAX);
  const columns = COLUMNS.filter(
    ({ count: counts }) => counts === undefined || shown.some(({ traffic }) => counts(traffic) > 0),
  );
  const head = columns.map(({ title }) => title);
  const rows = shown.map((region) => columns.map(({ cell }) => cell(region)));
  const align = columns.map((_, i): Align => (i === 0 ? "left" : "right"));
  const left = recording.regionsTotal - shown.length;
  const [titles = "", ...lines] = table([head, ...rows], align, pen);
  return [
    `${pen.bold("REGIONS")}  those that moved most first`,
    `  ${pen.dim(titles)}`,
    ...lines.map((line) => `  ${line}`),
    ...(left > 0
      ? [
          pen.dim(
            `  and ${counted(left, "more region")} not listed; what moved of them is in the moves above`,
          ),
        ]
      : []),
  ];
}

function eventLines(events: readonly RecordedEvent[], pen: Pen): string[] {
  if (events.length === 0) return [];
  const lines = events
    .slice(0, EVENTS_MAX)
    .flatMap((event) => wrap(eventText(event), pen.width - 4, "  ! ", "    "));
  const left = events.length - EVENTS_MAX;
  return [
    pen.bold("OUT OF THE ORDINARY"),
    ...lines.map(pen.warn),
    ...(left > 0 ? [`    and ${counted(left, "more event", "more events")}`] : []),
  ];
}

function adviceLines({ advice, ways }: Report, pen: Pen): string[] {
  const title = pen.bold("ADVICE");
  if (advice.length === 0) {
    return [
      `${title}  ${ways.length > 0 ? "none: no region moved more than its use needs" : "none: nothing moved"}`,
    ];
  }
  const lines = advice.flatMap(({ what, remedy }, i) => {
    const [first = "", ...rest] = wrap(what, pen.width - 5, `  ${i + 1}. `, "     ");
    return [first, ...rest, ...wrap(`${sentence(remedy)}.`, pen.width - 7, "     → ", "       ")];
  });
  return [title, ...lines];
}

/** What happened, and how often. */
export function eventText({ text, count: times }: RecordedEvent): string {
  return times === 1 ? text : `${text} (${count(times)} times)`;
}

/** With a capital letter. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

type Align = "left" | "right";

/** Rows with aligned columns, cut to the width. */
function table(rows: readonly (readonly string[])[], align: readonly Align[], pen: Pen): string[] {
  const widths = align.map((_, c) => Math.max(...rows.map((row) => [...(row[c] ?? "")].length)));
  return rows.map((row) => {
    const cells = align.map((side, c) => {
      const text = row[c] ?? "";
      const space = " ".repeat((widths[c] ?? 0) - [...text].length);
      return side === "left" ? text + space : space + text;
    });
    const line = [...cells.join("  ").trimEnd()];
    return line.length > pen.width - 2 ? `${line.slice(0, pen.width - 3).join("")}…` : line.join("");
  });
}

/** A sentence in lines. */
function wrap(text: string, width: number, first: string, rest: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && [...line].length + 1 + [...word].length > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((one, i) => (i === 0 ? first : rest) + one);
}
