import { type ErrnoName, HmsError } from "@hms/topology";
import { Decoder, Refusal } from "./decoder.ts";
import { Encoder } from "./encoder.ts";
import type { AsyncClient, SyncClient } from "./infer.ts";
import { type MethodPlan, type Plans, plansOf, type SetPlan } from "./plan.ts";
import { InterfaceError, pathText } from "./refusal.ts";
import type { Registry } from "./spec.ts";
import { ANSWER, FAILURE, HEADER_BYTES, INDEX_BIT, MESSAGE_BYTES_MAX, REQUEST } from "./wire.ts";

type Values = Readonly<Record<string, unknown>>;

/** Carries requests to a service, and waits. It gives each its id, so that several clients can share it. */
export interface SyncTransport extends Disposable {
  /** Returns the answer, which holds until the next call. Throws HmsError when the connection fails. */
  call(request: Uint8Array): Uint8Array;
  close(): void;
}

/** Carries requests to a service. It gives each an id of its own, which the answer has too. */
export interface AsyncTransport extends Disposable {
  /** Resolves to the answer. `request` may be changed once it returns. Rejects with HmsError when the connection fails. */
  send(request: Uint8Array): Promise<Uint8Array>;
  close(): void;
}

export interface ClientOptions {
  /** Told of attributes that the service did not know and left aside: `space.create`, the first paths, how many. */
  readonly onIgnored?: (method: string, paths: readonly string[], count: number) => void;
  /**
   * Outputs that the program cannot live without, by method: `{ "space.create": ["pasid"] }`. A service that does not
   * know one of them fails the request with EPROTONOSUPPORT and does nothing.
   */
  readonly needed?: Readonly<Record<string, readonly string[]>>;
}

/** A client whose methods return when the answer is there. Its methods throw InterfaceError. */
export function syncClient<R extends Registry>(
  registry: R,
  transport: SyncTransport,
  options: ClientOptions = {},
): SyncClient<R> {
  const calls = new Calls(registry, options);
  return calls.tree((plan, needed) => (input: Values = {}) => {
    const known = plan();
    return calls.decode(known, transport.call(calls.encode(known, input, needed)));
  }) as SyncClient<R>;
}

/** A client whose methods return promises. They reject with InterfaceError. */
export function asyncClient<R extends Registry>(
  registry: R,
  transport: AsyncTransport,
  options: ClientOptions = {},
): AsyncClient<R> {
  const calls = new Calls(registry, options);
  return calls.tree((plan, needed) => async (input: Values = {}) => {
    const known = plan();
    return calls.decode(known, await transport.send(calls.encode(known, input, needed)));
  }) as AsyncClient<R>;
}

const NOTHING: readonly string[] = [];

/** Encodes requests and decodes answers of one client. */
class Calls {
  readonly #registry: Registry;
  readonly #plans: Plans;
  readonly #options: ClientOptions;
  readonly #encoder = new Encoder();
  readonly #decoder = new Decoder(false);

  constructor(registry: Registry, options: ClientOptions) {
    this.#plans = plansOf(registry);
    this.#registry = registry;
    this.#options = options;
  }

  /** A function for each method of each object; the plan of a method is made at its first call. */
  tree(
    make: (plan: () => MethodPlan, needed: readonly string[]) => unknown,
  ): Record<string, Record<string, unknown>> {
    const objects: Record<string, Record<string, unknown>> = {};
    for (const [object, spec] of Object.entries(this.#registry.objects)) {
      const methods: Record<string, unknown> = {};
      for (const method of Object.keys(spec.methods)) {
        let known: MethodPlan | undefined;
        const plan = (): MethodPlan => {
          known ??= this.#plans.method(object, method);
          return known;
        };
        methods[method] = make(plan, this.#options.needed?.[`${object}.${method}`] ?? NOTHING);
      }
      objects[object] = methods;
    }
    return objects;
  }

  encode(plan: MethodPlan, input: Values, needed: readonly string[]): Uint8Array {
    const encoder = this.#encoder;
    encoder.begin(plan.objectId, plan.methodId, REQUEST, 0, 0);
    encoder.request(plan.request, input, needed);
    return encoder.end();
  }

  decode(plan: MethodPlan, message: Uint8Array): Values {
    const decoder = this.#decoder;
    const { length } = message;
    if (length < HEADER_BYTES || length > MESSAGE_BYTES_MAX) throw badAnswer(plan, `it has ${length} bytes`);
    decoder.room(length).set(message);
    const kind = decoder.word(4) >>> 16;
    if (decoder.word(0) !== length || length % 8 !== 0 || (kind !== ANSWER && kind !== FAILURE))
      throw badAnswer(plan, "its header is none of an answer");
    const values = this.#values(plan, length);
    this.#tellIgnored(plan, values);
    if (kind === FAILURE) throw this.#failure(plan, values);
    return this.#outputs(plan, values);
  }

  #values(plan: MethodPlan, length: number): Values {
    try {
      return this.#decoder.attributes(plan.answer, length, this.#decoder.word(4) & 0xffff);
    } catch (error) {
      if (error instanceof Refusal) throw badAnswer(plan, error.message);
      throw error;
    }
  }

  #outputs(plan: MethodPlan, values: Values): Values {
    const outputs = plan.outputs.blank();
    for (const { name, required } of plan.outputs.attributes) {
      if (values[name] !== undefined) outputs[name] = values[name];
      else if (required) throw badAnswer(plan, `it lacks ${name}`);
    }
    return outputs;
  }

  #failure(plan: MethodPlan, values: Values): InterfaceError {
    const path = values["~path"] as readonly number[] | undefined;
    const place =
      path === undefined
        ? null
        : {
            path,
            offset: (values["~offset"] as number | undefined) ?? null,
            expected: (values["~expected"] as string | undefined) ?? "",
          };
    const code = (values["~code"] as string | undefined) ?? "UNKNOWN";
    const errno = (values["~errno"] as ErrnoName | undefined) ?? null;
    const message = (values["~message"] as string | undefined) ?? `${plan.object}.${plan.method} failed.`;
    const written = plan.outputs.attributes
      .filter(({ name }) => values[name] !== undefined)
      .map(({ name }) => [name, values[name]]);
    return new InterfaceError(code, errno, message, place, Object.fromEntries(written));
  }

  #tellIgnored(plan: MethodPlan, values: Values): void {
    const count = values["~ignoredCount"] as number | undefined;
    if (count === undefined || this.#options.onIgnored === undefined) return;
    const words = (values["~ignored"] as readonly number[] | undefined) ?? [];
    const paths: string[] = [];
    for (let at = 0; at < words.length; at += 1 + (words[at] ?? 0)) {
      const path = words.slice(at + 1, at + 1 + (words[at] ?? 0));
      paths.push(pathText(path, namesOn(plan.request, path)));
    }
    this.#options.onIgnored(`${plan.object}.${plan.method}`, paths, count);
  }
}

/** Names of the attributes on a path, as this client knows them. */
function namesOn(set: SetPlan, path: readonly number[]): readonly (string | undefined)[] {
  let inside: SetPlan | null = set;
  return path.map((element) => {
    if (element >= INDEX_BIT) return undefined;
    const found = inside?.attributes.find(({ id }) => id === element);
    inside = found?.set ?? found?.item?.set ?? null;
    return found?.name;
  });
}

function badAnswer(plan: MethodPlan, why: string): HmsError {
  return new HmsError(
    "BAD_ANSWER",
    "EIO",
    `${plan.object}.${plan.method} failed: the service's answer cannot be read, ${why}`,
  );
}
