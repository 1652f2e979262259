import { writeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

/** What ends in an orderly way before the thread does. */
const closers = new Set<() => void>();
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
let watching = false;
let catching = false;

/** Has something closed at the end of the thread: by itself, `process.exit`, or an exception that nobody caught. */
export function atExit(close: () => void): void {
  closers.add(close);
  if (watching) return;
  watching = true;
  process.on("exit", closeAll);
}

export function notAtExit(close: () => void): void {
  closers.delete(close);
}

function closeAll(): void {
  for (const close of [...closers]) {
    closers.delete(close);
    try {
      close();
    } catch (error) {
      writeSync(2, `hms: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    }
  }
}

/**
 * From now on there is something to lose when a signal ends the process: what was written to file regions. So these
 * signals are caught, everything is closed, and then the signal ends the process as it would have. If the program itself
 * listens for a signal, that one is the program's.
 */
export function catchSignals(): void {
  if (catching || !isMainThread) return;
  catching = true;
  for (const signal of SIGNALS) {
    const caught = (): void => {
      if (process.listenerCount(signal) > 1) return;
      closeAll();
      process.removeListener(signal, caught);
      process.kill(process.pid, signal);
    };
    process.on(signal, caught);
  }
}
