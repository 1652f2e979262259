// Who sleeps and who must wake whom: the whole protocol, apart from the bytes, so that a test can run these functions
// in every order that two threads can come to.

/** What of Atomics is used. A test passes its own. */
export type AtomicWords = Pick<typeof Atomics, "load" | "store" | "exchange">;

/**
 * The writer, once its bytes are in place: shows the reader that they are. Whoever publishes must ask `mustWake` next.
 */
export function publish(words: Int32Array, tailWord: number, tail: number, atomics: AtomicWords): void {
  atomics.store(words, tailWord, tail | 0);
}

/**
 * Whether the other side sleeps and this thread must wake it. It has to be asked after publishing, never before: all
 * of these accesses have one order, so either this load sees that the other side sleeps, or the other side, which
 * looks again after it has said that it will sleep, sees what was published. One of several askers is told to.
 */
export function mustWake(words: Int32Array, sleepWord: number, atomics: AtomicWords): boolean {
  return atomics.load(words, sleepWord) !== 0 && atomics.exchange(words, sleepWord, 0) !== 0;
}

/** Says that this side is going to sleep. It must look again before it does, and not sleep if it finds something. */
export function announceSleep(words: Int32Array, sleepWord: number, atomics: AtomicWords): void {
  atomics.store(words, sleepWord, 1);
}

/** Takes that back. */
export function withdrawSleep(words: Int32Array, sleepWord: number, atomics: AtomicWords): void {
  atomics.store(words, sleepWord, 0);
}

/** A position of the other side: bytes modulo 2^32. */
export function position(words: Int32Array, word: number, atomics: AtomicWords): number {
  return atomics.load(words, word) >>> 0;
}
