import { count, duration, pagesSize } from "./format.ts";
import type { Recording } from "./recording.ts";

/** One line about a program that runs. */
export function progressText(recordings: readonly Recording[], wallNs: number): string {
  const sum = (of: (recording: Recording) => number): number =>
    recordings.reduce((all, recording) => all + of(recording), 0);
  if (recordings.length === 0) return `${duration(wallNs)} · hms is not open yet`;
  const faults = sum(({ statistics }) => statistics.cpuFaults + statistics.deviceFaults);
  const moved = sum(movedOf);
  const out = sum(({ statistics }) => statistics.swappedOut);
  const parts = [`${count(faults)} faults`];
  if (moved > 0) parts.push(`${pagesSize(moved)} moved`);
  if (out > 0) parts.push(`${pagesSize(out)} to disk`);
  return `${duration(wallNs)} · ${parts.join(" · ")}`;
}

function movedOf({ statistics }: Recording): number {
  const { movedToDevice, movedToHost, movedBetweenDevices, duplicated } = statistics;
  return movedToDevice + movedToHost + movedBetweenDevices + duplicated;
}
