// Messages that no client would send: whatever comes, the service answers once, does nothing unless all is right, and
// gives a handler nothing that its registry does not allow.
import { Decoder } from "../decoder.ts";
import { Encoder } from "../encoder.ts";
import { type MethodPlan, plansOf } from "../plan.ts";
import { Service } from "../service.ts";
import type { MethodSpec, Registry } from "../spec.ts";
import { ANSWER, FAILURE, MANDATORY, REQUEST } from "../wire.ts";
import { attributeBytes, concat } from "./message.ts";
import { faultOf, type Random, randomValues } from "./random.ts";

export interface FuzzReport {
  readonly messages: number;
  /** How many were right after all, and were carried out. */
  readonly carriedOut: number;
  /** How many failed with each errno. */
  readonly failures: Readonly<Record<string, number>>;
}

interface Target {
  readonly plan: MethodPlan;
  readonly spec: MethodSpec;
}

/** One service that is sent messages, with what must hold after each. */
export class Fuzzer {
  readonly #registry: Registry;
  readonly #random: Random;
  readonly #targets: readonly Target[];
  readonly #encoder = new Encoder();
  readonly #decoder = new Decoder(false);
  readonly #connection;
  readonly #failures = new Map<string, number>();
  #messages = 0;
  #calls = 0;
  #fault: string | null = null;
  #answers = 0;
  #answer: Uint8Array = new Uint8Array();

  constructor(registry: Registry, random: Random) {
    this.#registry = registry;
    this.#random = random;
    const plans = plansOf(registry);
    this.#targets = Object.entries(registry.objects).flatMap(([object, { methods }]) =>
      Object.entries(methods).map(([name, spec]) => ({ spec, plan: plans.method(object, name) })),
    );
    const service = new Service(registry, { hasHandle: (_, handle) => handle < 6 });
    for (const { plan, spec } of this.#targets) this.#handle(service, plan, spec);
    this.#connection = service.connect({ transport: "direct", credentials: null }, (bytes) => {
      this.#answers++;
      this.#answer = bytes;
    });
  }

  get report(): FuzzReport {
    return {
      messages: this.#messages,
      carriedOut: this.#calls,
      failures: Object.fromEntries([...this.#failures].sort(([a], [b]) => (a < b ? -1 : 1))),
    };
  }

  #handle(service: Service<Registry>, plan: MethodPlan, spec: MethodSpec): void {
    const handler = (input: Record<string, unknown>): Record<string, unknown> => {
      this.#calls++;
      this.#fault ??= faultOf(this.#registry, spec.inputs, input);
      return randomValues(this.#registry, spec.outputs, this.#random);
    };
    service.on({ [plan.object]: { [plan.method]: handler } } as unknown as Parameters<typeof service.on>[0]);
  }

  /** A right request of a random method. */
  request(target: Target = this.#random.one(this.#targets)): Uint8Array {
    const { plan, spec } = target;
    this.#encoder.begin(plan.objectId, plan.methodId, REQUEST, this.#random.below(0xffff_ffff), 0);
    this.#encoder.request(plan.request, randomValues(this.#registry, spec.inputs, this.#random), []);
    return this.#encoder.end().slice();
  }

  /** Sends a message; whether it was carried out. Throws when something is not as it must be. */
  send(message: Uint8Array): boolean {
    const before = this.#calls;
    this.#messages++;
    this.#answers = 0;
    this.#connection.receive(message);
    const called = this.#calls - before;
    const kind = this.#check(message, called);
    if (kind === FAILURE) this.#count();
    return called > 0;
  }

  #check(message: Uint8Array, called: number): number {
    if (this.#answers !== 1) throw new Error(`it was answered ${this.#answers} times: ${hex(message)}`);
    if (this.#fault !== null)
      throw new Error(`a handler was given what is wrong, ${this.#fault}: ${hex(message)}`);
    const { length } = this.#answer;
    this.#decoder.room(length).set(this.#answer);
    const kind = this.#decoder.word(4) >>> 16;
    if (this.#decoder.word(0) !== length || (kind !== ANSWER && kind !== FAILURE))
      throw new Error(`the answer has a wrong header: ${hex(message)}`);
    if (called > 1 || (called === 1) !== (kind === ANSWER))
      throw new Error(`it was carried out ${called} times and answered with kind ${kind}: ${hex(message)}`);
    return kind;
  }

  #count(): void {
    const values = this.#decoder.attributes(
      (this.#targets[0] as Target).plan.answer,
      this.#answer.length,
      this.#decoder.word(4) & 0xffff,
    );
    const errno = String(values["~errno"]);
    this.#failures.set(errno, (this.#failures.get(errno) ?? 0) + 1);
  }

  /** Every truncation of a request: as it is, and with a header that says so. */
  truncations(request: Uint8Array): void {
    for (let length = 0; length < request.length; length++) {
      const cut = request.slice(0, length);
      if (this.send(cut)) throw new Error(`a message cut at ${length} was carried out: ${hex(request)}`);
      if (length < 4) continue;
      new DataView(cut.buffer).setUint32(0, length, true);
      if (this.send(cut)) throw new Error(`a message cut at ${length} was carried out: ${hex(request)}`);
    }
  }

  /** Every word of a request replaced by lengths, counts and flags that lie. */
  lies(request: Uint8Array): void {
    const words = new Uint32Array(request.buffer, request.byteOffset, request.length >> 2);
    for (let i = 0; i < words.length; i++) {
      const was = words[i] ?? 0;
      for (const lie of [
        0,
        was + 1,
        was - 1,
        was + 8,
        was ^ 0x1_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
      ]) {
        words[i] = lie;
        this.send(request);
      }
      words[i] = was;
    }
  }

  /** An unknown attribute at each place between the attributes, optional and mandatory. */
  strangers(request: Uint8Array): void {
    const view = new DataView(request.buffer, request.byteOffset, request.length);
    const starts = [];
    for (let at = 24; at < request.length; at += 8 + Math.ceil(view.getUint32(at + 4, true) / 8) * 8)
      starts.push(at);
    for (const at of [...starts, request.length]) {
      const before = at === 24 ? 0 : view.getUint16(lastBefore(starts, at), true);
      const after = at < request.length ? view.getUint16(at, true) : 0x1_0000;
      if (after - before < 2) continue;
      for (const flags of [0, MANDATORY]) {
        const id = Math.min(before + 1 + this.#random.below(after - before - 1), 0xfeff);
        if (this.#isKnown(view, id)) continue;
        const payload = Uint8Array.from({ length: this.#random.below(40) }, () => this.#random.below(256));
        const stranger = attributeBytes({ id, flags, payload });
        const longer = concat([request.subarray(0, at), stranger, request.subarray(at)]);
        const header = new DataView(longer.buffer);
        header.setUint32(0, longer.length, true);
        header.setUint16(16, header.getUint16(16, true) + 1, true);
        if (this.send(longer) !== (flags === 0))
          throw new Error(
            `an unknown attribute ${id} with flags ${flags} was treated wrongly: ${hex(longer)}`,
          );
      }
    }
  }

  #isKnown(view: DataView, id: number): boolean {
    const target = this.#targets.find(
      ({ plan }) => plan.objectId === view.getUint16(4, true) && plan.methodId === view.getUint16(6, true),
    );
    return target?.plan.request.attributes.some((attribute) => attribute.id === id) === true;
  }

  /** A request with a few random changes. */
  scrambled(request: Uint8Array): void {
    const changes = 1 + this.#random.below(4);
    for (let i = 0; i < changes; i++) {
      const at = this.#random.below(request.length);
      request[at] = this.#random.once(2)
        ? this.#random.below(256)
        : (request[at] ?? 0) ^ (1 << this.#random.below(8));
    }
    this.send(request);
  }

  /** Attributes in attributes, so deep that a decoder which followed them would be lost. */
  nests(depth: number): void {
    let inner: Uint8Array = new Uint8Array();
    for (let i = 0; i < depth; i++)
      inner = attributeBytes({
        id: 1 + this.#random.below(20),
        flags: this.#random.below(2),
        payload: inner,
      });
    const request = this.request();
    const longer = concat([request, inner]);
    const header = new DataView(longer.buffer);
    header.setUint32(0, longer.length, true);
    header.setUint16(16, header.getUint16(16, true) + 1, true);
    this.send(longer);
    const own = concat([request.subarray(0, 24), inner]);
    new DataView(own.buffer).setUint32(0, own.length, true);
    new DataView(own.buffer).setUint16(16, 1, true);
    this.send(own);
  }

  /** All of the above until so many messages were sent. */
  run(messages: number): FuzzReport {
    const end = this.#messages + messages;
    for (const target of this.#targets) {
      const request = this.request(target);
      if (!this.send(request)) throw new Error(`a right request was refused: ${hex(request)}`);
      if (request.length < 1024) this.truncations(request);
    }
    while (this.#messages < end) {
      const request = this.request();
      if (!this.send(request)) throw new Error(`a right request was refused: ${hex(request)}`);
      this.strangers(request);
      if (this.#random.once(40)) this.truncations(request);
      if (this.#random.once(20)) this.lies(request);
      if (this.#random.once(50)) this.nests(1 + this.#random.below(300));
      for (let i = 0; i < 20; i++) this.scrambled(request.slice());
    }
    return this.report;
  }
}

function lastBefore(starts: readonly number[], at: number): number {
  return starts.findLast((start) => start < at) ?? 24;
}

function hex(message: Uint8Array): string {
  return Buffer.from(message.subarray(0, 4096)).toString("hex");
}
