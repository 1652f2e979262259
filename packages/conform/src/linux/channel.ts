import type { EventFd } from "@hms/host-linux";
import { type ErrnoName, HmsError } from "@hms/topology";
import type { Calls } from "./face.ts";

/** The longest call or answer, as JSON. */
const TEXT_BYTES = 1 << 20;

const IDLE = 0;
const ASKED = 1;
const ANSWERED = 2;

/** How long a wait lasts before it looks again: milliseconds. */
const LOOK_MS = 1000;

/** Memory of a caller and the kernel thread: one call at a time. */
export interface Channel {
  /** State, and the length of the text in bytes. */
  readonly state: Int32Array;
  readonly text: Uint8Array;
}

interface Asked {
  readonly name: keyof Calls;
  readonly args: readonly unknown[];
}

type Answer =
  | { readonly value: unknown }
  | { readonly message: string; readonly code: string | null; readonly errno: ErrnoName | null };

export function newChannel(): Channel {
  return {
    state: new Int32Array(new SharedArrayBuffer(8)),
    text: new Uint8Array(new SharedArrayBuffer(TEXT_BYTES)),
  };
}

function put({ state, text }: Channel, value: Asked | Answer, next: number): void {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  if (bytes.length > TEXT_BYTES) throw new Error(`a call of ${bytes.length} bytes is too long`);
  text.set(bytes);
  Atomics.store(state, 1, bytes.length);
  Atomics.store(state, 0, next);
  Atomics.notify(state, 0);
}

function take({ state, text }: Channel): unknown {
  return JSON.parse(new TextDecoder().decode(text.slice(0, Atomics.load(state, 1))));
}

/** The program's end: a call waits for its answer, as a system call does. */
export class Caller {
  readonly #channel: Channel;
  readonly #wake: EventFd;

  constructor(channel: Channel, wake: EventFd) {
    this.#channel = channel;
    this.#wake = wake;
  }

  /** Throws the HmsError that the call ended with. */
  call<Name extends keyof Calls>(name: Name, ...args: Parameters<Calls[Name]>): ReturnType<Calls[Name]> {
    const { state } = this.#channel;
    put(this.#channel, { name, args }, ASKED);
    this.#wake.signal();
    while (Atomics.load(state, 0) === ASKED) Atomics.wait(state, 0, ASKED, LOOK_MS);
    const answer = take(this.#channel) as Answer;
    Atomics.store(state, 0, IDLE);
    if ("value" in answer) return answer.value as ReturnType<Calls[Name]>;
    if (answer.code !== null) throw new HmsError(answer.code, answer.errno, answer.message);
    throw new Error(answer.message);
  }
}

/** What the kernel thread does for a call. */
export type Handler = (name: keyof Calls, args: readonly unknown[]) => unknown;

/** The kernel thread's end: answers a call if there is one. How many it was. */
export function answer(channel: Channel, handler: Handler): number {
  if (Atomics.load(channel.state, 0) !== ASKED) return 0;
  const { name, args } = take(channel) as Asked;
  put(channel, outcome(handler, name, args), ANSWERED);
  return 1;
}

function outcome(handler: Handler, name: keyof Calls, args: readonly unknown[]): Answer {
  try {
    return { value: handler(name, args) ?? null };
  } catch (error) {
    if (HmsError.is(error)) return { message: error.message, code: error.code, errno: error.errno };
    return { message: String(error instanceof Error ? error.stack : error), code: null, errno: null };
  }
}

/** Waits for a call without answering it. */
export function awaitCall({ state }: Channel): void {
  while (Atomics.load(state, 0) !== ASKED) Atomics.wait(state, 0, Atomics.load(state, 0), LOOK_MS);
}
