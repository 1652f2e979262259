// The program's second thread, for races: it does its calls while the first one does others.
import { parentPort, receiveMessageOnPort, Worker, workerData } from "node:worker_threads";
import { EventFd } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import type { Advice, Protection } from "../format/case.ts";
import type { PageSpan } from "../host.ts";
import { Caller, type Channel } from "./channel.ts";
import { ProgramMemory } from "./memory.ts";

/** One thing that the second thread does. */
export type Act =
  | { readonly act: "unmap" | "touch"; readonly span: PageSpan }
  | { readonly act: "protect"; readonly span: PageSpan; readonly protection: Protection }
  | { readonly act: "advise"; readonly span: PageSpan; readonly advice: Advice }
  | { readonly act: "store"; readonly page: number; readonly bytes: Uint8Array };

/** What it is told to do. */
export interface Plan {
  readonly acts: readonly Act[];
  readonly times: number;
}

interface Told {
  readonly channel: Channel;
  readonly wake: number;
  /** See the numbers below. */
  readonly state: Int32Array;
}

/** Places of `state`: what it is at, whether it is to stop, rounds done, and the number of its failure. */
const DOING = 0;
const STOP = 1;
const FAILED = 3;
/** What it is at. */
const STARTING = 0;
const IDLE = 1;
const RUNNING = 2;

/** A first round begins after up to so many turns of nothing: a race is not always won by the same one. */
const DELAY_TURNS = 20_000;
const LOOK_MS = 1000;

/** The second thread, as the first one sees it. */
export class RivalThread {
  readonly #worker: Worker;
  readonly #state = new Int32Array(new SharedArrayBuffer(16));

  constructor(channel: Channel, wake: number) {
    const told: Told = { channel, wake, state: this.#state };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: { rival: told }, name: "hms rival" });
    this.#worker.unref();
  }

  /** It begins; `stop` waits for its end. */
  start(plan: Plan): void {
    this.#wait(STARTING);
    Atomics.store(this.#state, STOP, 0);
    Atomics.store(this.#state, FAILED, 0);
    this.#worker.postMessage(plan);
    Atomics.store(this.#state, DOING, RUNNING);
    Atomics.notify(this.#state, DOING);
  }

  /** Waits until it has done everything once at least. Answers whether something failed. */
  stop(): boolean {
    Atomics.store(this.#state, STOP, 1);
    this.#wait(RUNNING);
    return Atomics.load(this.#state, FAILED) !== 0;
  }

  #wait(while_: number): void {
    while (Atomics.load(this.#state, DOING) === while_) Atomics.wait(this.#state, DOING, while_, LOOK_MS);
  }
}

function live({ channel, wake, state }: Told): void {
  const memory = new ProgramMemory(new Caller(channel, EventFd.of(wake)), "system-call");
  for (;;) {
    Atomics.store(state, DOING, IDLE);
    Atomics.notify(state, DOING);
    while (Atomics.load(state, DOING) === IDLE) Atomics.wait(state, DOING, IDLE, LOOK_MS);
    if (parentPort === null) return;
    const plan = receiveMessageOnPort(parentPort)?.message as Plan;
    try {
      run(memory, plan, () => Atomics.load(state, STOP) !== 0);
    } catch (error) {
      process.stderr.write(`the second thread failed: ${String(error)}\n`);
      Atomics.store(state, FAILED, 1);
    }
  }
}

function run(memory: ProgramMemory, { acts, times }: Plan, stopped: () => boolean): void {
  for (let turns = Math.random() * DELAY_TURNS; turns > 0 && !stopped(); turns--);
  for (let round = 0; round < times && (round === 0 || !stopped()); round++) {
    for (const act of acts) while (!done(memory, act));
  }
}

/** False: it would have had to wait, and is to be asked again. */
function done(memory: ProgramMemory, act: Act): boolean {
  try {
    perform(memory, act);
    return true;
  } catch (error) {
    if (HmsError.is(error) && error.errno === "EAGAIN") return false;
    throw error;
  }
}

function perform(memory: ProgramMemory, act: Act): void {
  switch (act.act) {
    case "unmap":
      memory.unmap(act.span);
      break;
    case "touch":
      memory.touch(act.span);
      break;
    case "protect":
      memory.protect(act.span, act.protection);
      break;
    case "advise":
      memory.advise(act.span, act.advice);
      break;
    case "store":
      memory.store(act.page, act.bytes);
      break;
  }
}

if (workerData?.rival !== undefined) live(workerData.rival as Told);
