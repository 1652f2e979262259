import { count, duration, pagesSize } from "./format.ts";
import type { Recording } from "./recording.ts";

/** One line about a program that runs. */
export function progressText(recordings: readonly Recording[], wallNs: number): string {
  const sum = (of: (recording: Recording) => number): number =>
    recordings.reduce((all, recording) => all + of(recording), 0);
  if (recordings.length === 0) return `${duration(wallNs)} · hms is not open yet`;
  const parts = [
    `${count(sum(({ statistics }) => statistics.cpuFaults))} CPU faults`,
    `${count(sum(({ statistics }) => statistics.deviceFaults))} device faults`,
    `${pagesSize(sum(({ statistics }) => statistics.movedToDevice))} to devices`,
    `${pagesSize(sum(({ statistics }) => statistics.movedToHost))} home`,
  ];
  const out = sum(({ statistics }) => statistics.swappedOut);
  if (out > 0) parts.push(`${pagesSize(out)} to disk`);
  return `${duration(wallNs)} · ${parts.join(" · ")}`;
}
