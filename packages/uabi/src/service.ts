import { type ErrnoName, HmsError } from "@hms/topology";
import { Decoder, type HandleCheck, Refusal } from "./decoder.ts";
import { Encoder } from "./encoder.ts";
import type { Output, Received } from "./infer.ts";
import { Later } from "./later.ts";
import type { Peer } from "./peer.ts";
import { type AttributePlan, type MethodPlan, type Plans, plansOf, protocolAttributes } from "./plan.ts";
import { queryRegistry } from "./query.ts";
import { InterfaceError, type Place } from "./refusal.ts";
import type { Registry } from "./spec.ts";
import { ANSWER, FAILURE, HEADER_BYTES, MESSAGE_BYTES_MAX, REQUEST } from "./wire.ts";

type Values = Readonly<Record<string, unknown>>;
type AnyHandler = (input: Values, call: Call) => unknown;

/** Answers that a client may be waiting for at once; a further request fails with EAGAIN. */
export const LATER_MAX = 4096;

/** What a handler knows of the request besides its inputs. */
export interface Call<Out = Values, In = Values> {
  /** Who asks. The same object for every request of one connection. */
  readonly peer: Peer;
  /** An answer to be given later; the handler returns it. */
  later(): Later<Out>;
  /** The error with the input that it is about, for the handler to throw: the client sees its path. */
  blame(input: keyof In & string, error: HmsError): InterfaceError;
}

type Result<Out> = Out | Later<Out> | (Record<never, never> extends Out ? undefined : never);

/**
 * Carries a method out: takes inputs that are validated, returns the outputs, or throws an HmsError that the client
 * gets as it is. What it returns must be whole before anything that it did can be seen by others.
 */
export type Handler<
  R extends Registry,
  O extends keyof R["objects"],
  M extends keyof R["objects"][O]["methods"],
> = (input: Received<R, O, M>, call: Call<Output<R, O, M>, Received<R, O, M>>) => Result<Output<R, O, M>>;

/** Handlers of methods by object and method. A method without a handler is not known. */
export type Handlers<R extends Registry> = {
  readonly [O in keyof R["objects"]]?: {
    readonly [M in keyof R["objects"][O]["methods"]]?: Handler<R, O, M>;
  };
};

export interface ServiceOptions {
  /** Whether there is an object of a kind with a handle: asked before a handler is called, ENOENT if not. */
  readonly hasHandle?: HandleCheck;
  /** Told when a client has gone: what it had open can be closed. */
  readonly onClose?: (peer: Peer) => void;
}

interface Method {
  readonly plan: MethodPlan;
  readonly handler: AnyHandler;
}

interface Failure {
  readonly code: string;
  readonly errno: ErrnoName | null;
  readonly message: string;
  readonly place: Place | null;
}

/** Bytes of a failure's sentence, and of one that must fit into the smallest ring. */
const MESSAGE_TEXT_MAX = 16384;
const SHORT_TEXT_MAX = 1024;

/** A request under way. */
interface Origin {
  readonly connection: Connection;
  readonly plan: MethodPlan;
  readonly idLow: number;
  readonly idHigh: number;
  readonly ignored: Values | null;
}

/**
 * Decodes requests, validates all of a request, calls the handler, and encodes what it returns. Never throws for what
 * a client sent.
 *
 * @example
 * ```ts
 * import { CORE, directTransport, Service, syncClient } from "@hms/uabi";
 * const service = new Service(CORE).on({
 *   space: {
 *     advise({ range, advice }) {
 *       console.log(range.count, advice);
 *     },
 *   },
 * });
 * const client = syncClient(CORE, directTransport(service));
 * console.log(client.context.query({}).objects.map(({ name }) => name)); // [ 'context', 'space' ]
 * ```
 */
export class Service<R extends Registry> {
  readonly registry: R;
  readonly #plans: Plans;
  readonly #methods = new Map<number, Method>();
  readonly #decoder: Decoder;
  readonly #encoder = new Encoder();
  readonly #protocol: readonly AttributePlan[];
  readonly #onClose: ((peer: Peer) => void) | undefined;

  /** Throws BAD_REGISTRY (EINVAL) for a registry with faults. */
  constructor(registry: R, options: ServiceOptions = {}) {
    this.registry = registry;
    this.#plans = plansOf(registry);
    this.#decoder = new Decoder(true, options.hasHandle ?? null);
    this.#protocol = protocolAttributes();
    this.#onClose = options.onClose;
    if (registry.objects.context?.methods.query !== undefined)
      this.#add("context", "query", (input) => queryRegistry(registry, this.#has, input));
  }

  /** Adds handlers. A method that has one gets the new one. */
  on(handlers: Handlers<R>): this {
    for (const [object, methods] of Object.entries(handlers))
      for (const [method, handler] of Object.entries(methods as Record<string, AnyHandler | undefined>))
        if (handler !== undefined) this.#add(object, method, handler);
    return this;
  }

  /**
   * A new client. `send` is given each message for it, which has at most `maxBytes`; the bytes hold only until it
   * returns. It may be called from within `receive`, and later.
   */
  connect(peer: Peer, send: (message: Uint8Array) => void, maxBytes: number = MESSAGE_BYTES_MAX): Connection {
    return new Connection(peer, send, maxBytes, this.#decoder, this.#process, this.#onClose);
  }

  readonly #has = (object: number, method: number): boolean => this.#methods.has(keyOf(object, method));

  #add(object: string, method: string, handler: AnyHandler): void {
    const plan = this.#plans.method(object, method);
    this.#methods.set(keyOf(plan.objectId, plan.methodId), { plan, handler });
  }

  readonly #process = (connection: Connection, bytes: number): void => {
    const decoder = this.#decoder;
    const whole = bytes >= HEADER_BYTES;
    const target = whole ? decoder.word(1) : 0;
    const idLow = whole ? decoder.word(2) : 0;
    const idHigh = whole ? decoder.word(3) : 0;
    let method: Method;
    let input: Values;
    try {
      method = this.#head(bytes, target);
      const count = decoder.word(4) & 0xffff;
      input = decoder.attributes(method.plan.request, bytes, count);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, errno, message, place } = error;
      this.#fail(connection, target, idLow, idHigh, {
        code,
        errno,
        message: this.#sentence(target, message),
        place,
      });
      return;
    }
    const ignored =
      decoder.ignoredCount === 0
        ? null
        : { "~ignored": [...decoder.ignored], "~ignoredCount": decoder.ignoredCount };
    this.#call(method.handler, input, { connection, plan: method.plan, idLow, idHigh, ignored });
  };

  /** The method that a header names. Throws Refusal. */
  #head(bytes: number, target: number): Method {
    const decoder = this.#decoder;
    if (bytes < HEADER_BYTES) throw badMessage(`it has ${bytes} bytes`, `${HEADER_BYTES} or more`);
    if (decoder.word(0) !== bytes || bytes % 8 !== 0)
      throw badMessage(
        `its header says ${decoder.word(0)} bytes, but it has ${bytes}`,
        "a multiple of 8, as it is",
      );
    if (decoder.word(4) >>> 16 !== REQUEST || decoder.word(5) !== 0)
      throw notUnderstood("its header has a kind or a reserved field that is not zero", "a request");
    const method = this.#methods.get(target);
    if (method === undefined)
      throw notUnderstood(
        `object 0x${hex(target & 0xffff)} has no method 0x${hex(target >>> 16)} here`,
        "a method that context.query lists",
      );
    return method;
  }

  #call(handler: AnyHandler, input: Values, origin: Origin): void {
    const { connection } = origin;
    try {
      const result = handler(input, {
        peer: connection.peer,
        later: () => this.#later(origin),
        blame: (name, error) => blamed(origin.plan, name, error),
      });
      if (result instanceof Later) return;
      if (result instanceof Promise)
        throw new TypeError("it returned a promise; call.later() is for what takes time");
      this.#answer(origin, (result ?? {}) as Values);
    } catch (error) {
      this.#handlerFailed(origin, error);
    }
  }

  #later(origin: Origin): Later {
    const { connection, plan } = origin;
    if (connection.waiting >= LATER_MAX) {
      throw new HmsError(
        "TOO_MANY_REQUESTS",
        "EAGAIN",
        `${plan.object}.${plan.method} failed: ${LATER_MAX} requests of this client are under way already. Wait for one of them.`,
      );
    }
    connection.waiting++;
    return new Later((outputs, error) => {
      connection.waiting--;
      if (connection.closed) return;
      if (outputs === null) this.#handlerFailed(origin, error);
      else this.#answer(origin, outputs);
    });
  }

  #answer(origin: Origin, outputs: Values): void {
    const { connection, plan, idLow, idHigh, ignored } = origin;
    const encoder = this.#encoder;
    try {
      encoder.begin(plan.objectId, plan.methodId, ANSWER, idLow, idHigh);
      encoder.outputs(plan.outputs, outputs);
      if (ignored !== null) encoder.some(this.#protocol, ignored);
    } catch (error) {
      this.#handlerFailed(origin, fault(plan, error));
      return;
    }
    const message = encoder.end();
    if (message.length <= connection.maxBytes) connection.send(message);
    else this.#handlerFailed(origin, tooLarge(plan, message.length, connection.maxBytes));
  }

  #handlerFailed(origin: Origin, error: unknown): void {
    const { connection, plan, idLow, idHigh, ignored } = origin;
    const known = HmsError.is(error) && error.errno !== "EPROTONOSUPPORT" ? error : fault(plan, error);
    const own = known instanceof InterfaceError ? known : null;
    const place =
      own?.path == null ? null : { path: own.path, offset: own.offset, expected: own.expected ?? "" };
    this.#fail(
      connection,
      keyOf(plan.objectId, plan.methodId),
      idLow,
      idHigh,
      { code: known.code, errno: known.errno, message: known.message, place },
      ignored,
      own === null ? null : [plan, own.outputs],
    );
  }

  #fail(
    connection: Connection,
    target: number,
    idLow: number,
    idHigh: number,
    failure: Failure,
    ignored: Values | null = null,
    outputs: readonly [MethodPlan, Values] | null = null,
  ): void {
    const encoder = this.#encoder;
    const begin = (): void => encoder.begin(target & 0xffff, target >>> 16, FAILURE, idLow, idHigh);
    begin();
    let problem = "";
    try {
      if (outputs !== null) encoder.some(outputs[0].outputs.attributes.map(optional), outputs[1]);
      encoder.some(this.#protocol, { ...ignored, ...said(failure, MESSAGE_TEXT_MAX) });
    } catch (error) {
      problem = ` (Its outputs could not be encoded: ${String(error)})`;
    }
    const message = encoder.end();
    if (problem === "" && message.length <= connection.maxBytes) {
      connection.send(message);
      return;
    }
    // What the handler would write besides is wrong or too long: the failure itself is worth more.
    begin();
    encoder.some(this.#protocol, said({ ...failure, message: failure.message + problem }, SHORT_TEXT_MAX));
    connection.send(encoder.end());
  }

  #sentence(target: number, message: string): string {
    const plan = this.#methods.get(target)?.plan;
    return plan === undefined
      ? `The request failed: ${message}`
      : `${plan.object}.${plan.method} failed: ${message}`;
  }
}

/** A failure that answers no request: what is said before a connection is closed. Its id is 0. */
export function encodeFailure({ code, errno, message }: HmsError): Uint8Array {
  const encoder = new Encoder();
  encoder.begin(0, 0, FAILURE, 0, 0);
  encoder.some(protocolAttributes(), said({ code, errno, message, place: null }, SHORT_TEXT_MAX));
  return new Uint8Array(encoder.end());
}

/** One client of a service. */
export class Connection implements Disposable {
  readonly peer: Peer;
  /** Answers that it waits for. */
  waiting = 0;
  /** No message to it is longer. */
  readonly maxBytes: number;
  readonly #send: (message: Uint8Array) => void;
  readonly #decoder: Decoder;
  readonly #process: (connection: Connection, bytes: number) => void;
  readonly #onClose: ((peer: Peer) => void) | undefined;
  #closed = false;

  constructor(
    peer: Peer,
    send: (message: Uint8Array) => void,
    maxBytes: number,
    decoder: Decoder,
    process: (connection: Connection, bytes: number) => void,
    onClose: ((peer: Peer) => void) | undefined,
  ) {
    this.peer = peer;
    this.#send = send;
    this.maxBytes = maxBytes;
    this.#decoder = decoder;
    this.#process = process;
    this.#onClose = onClose;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Takes a whole message, of at most MESSAGE_BYTES_MAX. It is copied first. */
  receive(message: Uint8Array): void {
    this.#decoder.room(message.length).set(message);
    this.received(message.length);
  }

  /** Where a message of so many bytes can be written to, for `received` to take it from. */
  room(bytes: number): Uint8Array {
    return this.#decoder.room(bytes);
  }

  /** Takes the message that was written to `room`. */
  received(bytes: number): void {
    if (!this.#closed) this.#process(this, bytes);
  }

  /** Gives the client a message. */
  send(message: Uint8Array): void {
    if (!this.#closed) this.#send(message);
  }

  /** The client has gone: what it still waits for is dropped, and the service told. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClose?.(this.peer);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function keyOf(object: number, method: number): number {
  return (object | (method << 16)) >>> 0;
}

function optional(attribute: AttributePlan): AttributePlan {
  return { ...attribute, required: false };
}

/** An error of a handler as one of an input. */
function blamed(plan: MethodPlan, name: string, error: HmsError): InterfaceError {
  const attribute = plan.inputs.attributes.find((one) => one.name === name);
  if (attribute === undefined) throw new Error(`${plan.object}.${plan.method} has no input ${name}.`);
  const place = { path: [attribute.id], offset: null, expected: attribute.expected };
  return new InterfaceError(error.code, error.errno, error.message, place);
}

function badMessage(why: string, expected: string): Refusal {
  const message = `the message was refused: ${why}; expected is ${expected}.`;
  return new Refusal("BAD_MESSAGE", "EINVAL", message, { path: [], offset: 0, expected });
}

function notUnderstood(why: string, expected: string): Refusal {
  const message = `${why}; expected is ${expected}. Nothing was done.`;
  return new Refusal("NOT_UNDERSTOOD", "EPROTONOSUPPORT", message, { path: [], offset: 0, expected });
}

/** A handler threw what it may not, or returned what its method does not have: a fault of the service. */
function fault(plan: MethodPlan, error: unknown): HmsError {
  const why = error instanceof Error ? error.message : String(error);
  // EPROTONOSUPPORT means that nothing was done, which a handler cannot know.
  const errno = HmsError.is(error) && error.errno === "EPROTONOSUPPORT" ? "EINVAL" : "EIO";
  return new HmsError(
    "HANDLER_FAULT",
    errno,
    `${plan.object}.${plan.method} failed by a fault of the service: ${why}`,
    { cause: error },
  );
}

function tooLarge(plan: MethodPlan, bytes: number, maxBytes: number): HmsError {
  return new HmsError(
    "MESSAGE_TOO_LARGE",
    "EFBIG",
    `${plan.object}.${plan.method} was carried out, but its answer of ${bytes} bytes is longer than the connection takes, which is ${maxBytes}. Ask for less, or make the connection larger.`,
  );
}

/** A failure as the attributes that say it. */
function said({ code, errno, message, place }: Failure, textMax: number): Values {
  return {
    "~code": shortened(code, 128),
    "~errno": errno ?? undefined,
    "~message": shortened(message, textMax),
    "~path": place?.path,
    "~offset": place?.offset ?? undefined,
    "~expected": place === null ? undefined : shortened(place.expected, SHORT_TEXT_MAX),
  };
}

function shortened(text: string, bytes: number): string {
  const clean = text.toWellFormed().replaceAll("\0", "\u{fffd}");
  return Buffer.byteLength(clean) <= bytes ? clean : `${clean.slice(0, bytes >> 2)}…`;
}

function hex(id: number): string {
  return id.toString(16).padStart(4, "0");
}
