import { type Chart, chartSvg, type Span, timeAxisSvg, xOf } from "./charts.ts";
import { escapeMarkup } from "./clean.ts";
import { count, duration, PAGE_BYTES, size } from "./format.ts";
import { deviceLook } from "./looks.ts";
import type { Recording, TimelineSample } from "./recording.ts";
import type { Report } from "./report.ts";

/** The charts over time. */
export function timelineHtml(report: Report, span: Span): string {
  const { recording } = report;
  if (recording.timeline.length < 2) return "";
  const charts = chartsOf(recording)
    .map((chart) => {
      const keys = [
        ...chart.series,
        ...chart.limits.map(({ name, look }) => ({ name, look: `${look} dashed` })),
      ]
        .map(({ name, look }) => `<li class="${look}">${escapeMarkup(name)}</li>`)
        .join("");
      return `<figure><figcaption><b>${escapeMarkup(chart.title)}</b> <span>${escapeMarkup(chart.note)}</span><ul class="keys">${keys}</ul></figcaption>${chartSvg(chart, span)}</figure>`;
    })
    .join("");
  return `<h2>Timeline</h2><div class="plots">${charts}${timeAxisSvg(span)}</div>`;
}

/** Change per second between samples; the first has none before it. */
function rates(samples: readonly TimelineSample[], of: (sample: TimelineSample) => number): number[] {
  return samples.map((sample, i) => {
    const before = samples[i - 1];
    if (before === undefined || sample.when <= before.when) return 0;
    return ((of(sample) - of(before)) * 1e9) / (sample.when - before.when);
  });
}

const bytes = (value: number): string => (value === 0 ? "0" : size(value));
const perSecond =
  (format: (value: number) => string) =>
  (value: number): string =>
    value === 0 ? "0" : `${format(value)}/s`;

function chartsOf(recording: Recording): Chart[] {
  const { timeline, devices, ramBytes, snapshots } = recording;
  const when = timeline.map((sample) => sample.when);
  const series = (
    name: string,
    look: string,
    values: readonly number[],
    area = false,
  ): Chart["series"][number] => ({
    name,
    look,
    values,
    area,
  });
  const one = devices.length === 1 ? devices[0]?.name : undefined;
  const inUse =
    devices.length > 1
      ? devices.map(({ name }, i) => series(name, deviceLook(i), deviceUse(snapshots, i, when)))
      : one === undefined
        ? []
        : [
            series(
              one,
              "device0",
              timeline.map(({ deviceBytes }) => deviceBytes),
              true,
            ),
          ];
  const disk = timeline.some(({ swappedIn, swappedOut }) => swappedIn + swappedOut > 0);
  const device = devices.length > 0;
  const plain = { when, limits: [], binary: false, height: 112 } as const;
  return [
    {
      ...plain,
      title: "Memory in use",
      note: "by target",
      series: [
        series(
          "host",
          "host",
          timeline.map(({ residentBytes }) => residentBytes),
          true,
        ),
        ...inUse,
      ],
      limits: [
        ...(ramBytes === null ? [] : [{ name: "RAM budget", value: ramBytes, look: "host" }]),
        ...devices.map(({ name, memoryBytes }, i) => ({
          name: `memory of ${name}`,
          value: memoryBytes,
          look: deviceLook(i),
        })),
      ],
      format: bytes,
      binary: true,
      height: 160,
    },
    {
      ...plain,
      title: "Page faults",
      note: "by whom",
      series: [
        series(
          "CPU",
          "host",
          rates(timeline, (s) => s.cpuFaults),
        ),
        ...(device
          ? [
              series(
                "devices",
                "device0",
                rates(timeline, (s) => s.deviceFaults),
              ),
            ]
          : []),
      ],
      format: perSecond(count),
    },
    ...(device
      ? [
          {
            ...plain,
            title: "Migration",
            note: "to devices upwards, home downwards",
            series: [
              series(
                "to devices",
                "device0",
                rates(timeline, (s) => s.movedToDevice * PAGE_BYTES),
                true,
              ),
              series(
                "home",
                "host",
                rates(timeline, (s) => -s.movedToHost * PAGE_BYTES),
                true,
              ),
            ],
            format: perSecond(bytes),
            binary: true,
          },
        ]
      : []),
    ...(disk
      ? [
          {
            ...plain,
            title: "Disk",
            note: "out of RAM upwards, back downwards",
            series: [
              series(
                "out",
                "swap",
                rates(timeline, (s) => s.swappedOut * PAGE_BYTES),
                true,
              ),
              series(
                "back",
                "file",
                rates(timeline, (s) => -s.swappedIn * PAGE_BYTES),
                true,
              ),
            ],
            format: perSecond(bytes),
            binary: true,
          },
        ]
      : []),
  ];
}

/** What a device had in use by points of time, of the last look before each. */
function deviceUse(snapshots: Recording["snapshots"], device: number, when: readonly number[]): number[] {
  let at = 0;
  return when.map((time) => {
    while (at + 1 < snapshots.length && (snapshots[at + 1]?.when ?? 0) <= time) at++;
    return snapshots[at]?.deviceBytes[device] ?? 0;
  });
}

/** What the script shows where the pointer is: texts that are ready, by where they begin. */
export function dataHtml({ recording }: Report, span: Span): string {
  const { timeline } = recording;
  const series = chartsOf(recording).map(({ title, series: list, format }) => ({
    title,
    rows: list.map(({ name, values }) => [name, values.map((value) => format(Math.abs(value)))]),
  }));
  const data = {
    x: timeline.map(({ when }) => Math.round(xOf(when, span))),
    t: timeline.map(({ when }) => duration(when - span.from)),
    charts: series,
  };
  return `<script type="application/json" class="data">${JSON.stringify(data).replace(/</g, "\\u003c")}</script>`;
}
