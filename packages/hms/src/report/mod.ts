// The memory report: what a program that ran with hms did to memory, in text and as a page.
export type { Advice } from "./advice.ts";
export { readRecordings } from "./collect.ts";
export { renderReportHtml } from "./html.ts";
export { renderReportJson } from "./json.ts";
export { progressText } from "./progress.ts";
export {
  type Flow,
  parseRecording,
  type RecordedDevice,
  type RecordedEvent,
  type RecordedRegion,
  type Recording,
  type Snapshot,
  type Strip,
} from "./recording.ts";
export { makeReport, type Peak, type Report, type RunInfo, type Way, type WayCause } from "./report.ts";
export { renderReportText, type TextOptions } from "./text.ts";
