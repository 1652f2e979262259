// Runs the functions of the doorbell in every order that two threads can come to, and looks for one in which a thread
// sleeps for ever although there is something for it. The functions are those that the rings use: a step is one of
// their accesses to shared words. A thread is run again from its start for each step, with what it read before.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AtomicWords, announceSleep, mustWake, position, publish, withdrawSleep } from "./doorbell.ts";

const TAIL = 0;
const SERVICE_SLEEPS = 1;
const HEAD = 2;
const WANTS_ROOM = 3;
/** What the sleeper blocks on: an eventfd's counter. */
const BELL = 4;
const WORDS = 5;

/** A thread's way to the words, and to sleep. */
interface Steps {
  readonly atomics: AtomicWords;
  readonly words: Int32Array;
  wake(): void;
  /** Blocks until the bell was rung, and takes the ringing. */
  block(): void;
}
type Thread = (steps: Steps) => void;

const SUSPENDED = Symbol("the next step is another's turn");
const BLOCKED = Symbol("it sleeps");

interface State {
  readonly words: Int32Array;
  /** What each thread's accesses returned so far. */
  readonly logs: readonly (readonly number[])[];
}

/** Runs a thread up to and with its next access. Undefined: it sleeps; null: it has ended. */
function step(state: State, index: number, thread: Thread): State | null | undefined {
  const words = Int32Array.from(state.words);
  const log = state.logs[index] ?? [];
  const results: number[] = [];
  let fresh = false;
  const access = (run: () => number): number => {
    const known = log[results.length];
    if (known !== undefined) {
      results.push(known);
      return known;
    }
    if (fresh) throw SUSPENDED;
    const value = run();
    fresh = true;
    results.push(value);
    return value;
  };
  const atomics = {
    load: (_: Int32Array, word: number) => access(() => words[word] ?? 0),
    store: (_: Int32Array, word: number, value: number) =>
      access(() => {
        words[word] = value;
        return value;
      }),
    exchange: (_: Int32Array, word: number, value: number) =>
      access(() => {
        const before = words[word] ?? 0;
        words[word] = value;
        return before;
      }),
  } as AtomicWords;
  const steps: Steps = {
    atomics,
    words,
    wake: () => access(() => (words[BELL] = (words[BELL] ?? 0) + 1)),
    block: () =>
      access(() => {
        if (words[BELL] === 0) throw BLOCKED;
        words[BELL] = 0;
        return 0;
      }),
  };
  try {
    thread(steps);
  } catch (reason) {
    if (reason === BLOCKED) return undefined;
    if (reason !== SUSPENDED) throw reason;
  }
  if (!fresh) return null;
  return { words, logs: state.logs.map((one, i) => (i === index ? results : one)) };
}

interface Outcome {
  readonly states: number;
  /** Words in states where nobody can go on and somebody sleeps. */
  readonly stuck: readonly Int32Array[];
  readonly ends: number;
}

function explore(threads: readonly Thread[]): Outcome {
  const first: State = { words: new Int32Array(WORDS), logs: threads.map(() => []) };
  const seen = new Set<string>();
  const waiting: State[] = [first];
  const stuck: Int32Array[] = [];
  let ends = 0;
  for (let state = waiting.pop(); state !== undefined; state = waiting.pop()) {
    const key = `${state.words}|${state.logs.join("|")}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const current = state;
    const next = threads.map((thread, i) => step(current, i, thread));
    const moves = next.filter((one): one is State => one !== null && one !== undefined);
    if (moves.length === 0) {
      if (next.includes(undefined)) stuck.push(state.words);
      else ends++;
    }
    waiting.push(...moves);
  }
  return { states: seen.size, stuck, ends };
}

/** Submits so many, as RingClient does. */
function client(count: number, ask: typeof mustWake = mustWake): Thread {
  return ({ atomics, words, wake }) => {
    for (let tail = 1; tail <= count; tail++) {
      publish(words, TAIL, tail, atomics);
      if (ask(words, SERVICE_SLEEPS, atomics)) wake();
    }
  };
}

/** Takes what there is and sleeps until `count` have come, as the loop around RingServer does. */
function service(count: number, prepare = prepareToSleep): Thread {
  return (steps) => {
    const { atomics, words, block } = steps;
    let head = 0;
    for (;;) {
      while (position(words, TAIL, atomics) !== head) head++;
      if (head === count) return;
      if (prepare(steps, head)) block();
      withdrawSleep(words, SERVICE_SLEEPS, atomics);
    }
  };
}

function prepareToSleep({ atomics, words }: Steps, head: number): boolean {
  announceSleep(words, SERVICE_SLEEPS, atomics);
  if (position(words, TAIL, atomics) === head) return true;
  withdrawSleep(words, SERVICE_SLEEPS, atomics);
  return false;
}

describe("a wake-up is never lost", () => {
  for (const count of [1, 2, 3]) {
    test(`after ${count} submissions`, (t) => {
      const { states, stuck, ends } = explore([client(count), service(count)]);
      t.diagnostic(`${states} states`);
      assert.equal(stuck.length, 0, `stuck with the words ${stuck[0]}`);
      assert.ok(ends > 0 && states > 20);
    });
  }

  test("of two clients that wake one service", () => {
    // The second client's tail stands in the place of the head, which nobody else uses here.
    const second: Thread = ({ atomics, words, wake }) => {
      publish(words, HEAD, 1, atomics);
      if (mustWake(words, WANTS_ROOM, atomics)) wake();
    };
    const both: Thread = ({ atomics, words, block }) => {
      const flags = [SERVICE_SLEEPS, WANTS_ROOM];
      for (;;) {
        if (position(words, TAIL, atomics) === 1 && position(words, HEAD, atomics) === 1) return;
        for (const flag of flags) announceSleep(words, flag, atomics);
        const one = position(words, TAIL, atomics);
        const other = position(words, HEAD, atomics);
        if (one !== 1 || other !== 1) block();
        for (const flag of flags) withdrawSleep(words, flag, atomics);
      }
    };
    // What was taken before sleeping must be noticed again: the service of this test sleeps while one is missing.
    const { stuck, ends } = explore([client(1), second, both]);
    assert.equal(stuck.length, 0, `stuck with the words ${stuck[0]}`);
    assert.ok(ends > 0);
  });

  test("of a writer that waits for room, and a reader that makes some", () => {
    const room = 1;
    const count = 3;
    const writer: Thread = ({ atomics, words, block }) => {
      for (let tail = 1; tail <= count; tail++) {
        while (tail - position(words, HEAD, atomics) > room) {
          announceSleep(words, WANTS_ROOM, atomics);
          if (tail - position(words, HEAD, atomics) > room) block();
        }
        publish(words, TAIL, tail, atomics);
      }
    };
    const reader: Thread = ({ atomics, words, wake }) => {
      // It is awake: what it looks for will come, or the writer is the one that sleeps.
      for (let head = 1, looks = 0; head <= count && looks < 8; looks++) {
        if (position(words, TAIL, atomics) < head) continue;
        publish(words, HEAD, head++, atomics);
        if (mustWake(words, WANTS_ROOM, atomics)) wake();
      }
    };
    const { stuck, ends } = explore([writer, reader]);
    // A reader that gave up before the writer wrote leaves room unmade; else nobody sleeps.
    const lost = stuck.filter((words) => (words[TAIL] ?? 0) - (words[HEAD] ?? 0) < room);
    assert.equal(lost.length, 0, `stuck with the words ${lost[0]}`);
    assert.ok(ends > 0);
  });
});

describe("the search finds", () => {
  test("a service that looks before it says that it sleeps", () => {
    const careless = ({ atomics, words }: Steps, head: number): boolean => {
      if (position(words, TAIL, atomics) !== head) return false;
      announceSleep(words, SERVICE_SLEEPS, atomics);
      return true;
    };
    assert.ok(explore([client(1), service(1, careless)]).stuck.length > 0);
  });

  test("a client that asks before it publishes", () => {
    const careless: Thread = ({ atomics, words, wake }) => {
      const asleep = mustWake(words, SERVICE_SLEEPS, atomics);
      publish(words, TAIL, 1, atomics);
      if (asleep) wake();
    };
    assert.ok(explore([careless, service(1)]).stuck.length > 0);
  });

  test("a client that never asks", () => {
    assert.ok(explore([client(1, () => false), service(1)]).stuck.length > 0);
  });

  test("a bell that is forgotten when nobody sleeps yet", () => {
    const forgetful: Thread = (steps) => {
      const { atomics, words } = steps;
      publish(words, TAIL, 1, atomics);
      // It takes the flag, but rings before the service blocks: a condition variable without a state.
      if (mustWake(words, SERVICE_SLEEPS, atomics)) position(words, BELL, atomics);
    };
    assert.ok(explore([forgetful, service(1)]).stuck.length > 0);
  });
});
