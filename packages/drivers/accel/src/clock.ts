// A clock that all threads of the process read alike: the monotonic one, in microseconds. `performance.now` counts
// from the start of its thread; the difference is taken once, from the time of day that each thread began at being
// no clock to compare by.
function offset(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1e3 - performance.now() * 1e3;
}

const OFFSET = offset();

/** Microseconds of the machine's monotonic clock, the same for all threads. */
export function microseconds(): number {
  return performance.now() * 1e3 + OFFSET;
}
