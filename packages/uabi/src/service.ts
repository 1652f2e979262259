import { HmsError } from "@hms/topology";
import { Connection } from "./connection.ts";
import { Decoder, type HandleCheck, Refusal } from "./decoder.ts";
import { Encoder } from "./encoder.ts";
import {
  badMessage,
  blamed,
  type Failure,
  fault,
  MESSAGE_TEXT_MAX,
  notUnderstood,
  SHORT_TEXT_MAX,
  said,
  tooLarge,
} from "./failure.ts";
import type { Output, Received } from "./infer.ts";
import { Later } from "./later.ts";
import type { Peer } from "./peer.ts";
import { type AttributePlan, type MethodPlan, type Plans, plansOf, protocolAttributes } from "./plan.ts";
import { queryRegistry } from "./query.ts";
import { InterfaceError } from "./refusal.ts";
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
  readonly [O in keyof R["objects"]]?:
    | { readonly [M in keyof R["objects"][O]["methods"]]?: Handler<R, O, M> | undefined }
    | undefined;
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
      for (const [method, handler] of Object.entries(
        (methods ?? {}) as Record<string, AnyHandler | undefined>,
      ))
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

function keyOf(object: number, method: number): number {
  return (object | (method << 16)) >>> 0;
}

function optional(attribute: AttributePlan): AttributePlan {
  return { ...attribute, required: false };
}

function hex(id: number): string {
  return id.toString(16).padStart(4, "0");
}
