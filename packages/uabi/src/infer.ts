import type {
  ArraySpec,
  AttributesSpec,
  EnumType,
  FlagsType,
  HandleSpec,
  MethodSpec,
  NamedSpec,
  NestedType,
  Registry,
  StructType,
} from "./spec.ts";

declare const KIND: unique symbol;

/** Stands for an object of a service, for as long as it is open: a number that is never 0. */
export type Handle<K extends string = string> = number & { readonly [KIND]: K };

/**
 * How a value is seen: `given` to be sent, `received` by a handler, `answered` to a client, who may meet elements of
 * an enum that it does not know yet.
 */
type Mode = "given" | "received" | "answered";

type Types = Registry["types"];
type Names<V> = keyof V & string;
type EnumValue<E extends EnumType, M extends Mode> =
  | Names<E["values"]>
  | (M extends "answered" ? "unknown" : never);

type FieldValue<F, T extends Types, M extends Mode> = F extends {
  readonly type: "enum";
  readonly of: infer N extends keyof T;
}
  ? T[N] extends EnumType
    ? EnumValue<T[N], M>
    : never
  : number;

type StructValue<S extends StructType, T extends Types, M extends Mode> = {
  readonly [F in keyof S["fields"] as S["fields"][F] extends { readonly reserved: true }
    ? never
    : F]: FieldValue<S["fields"][F], T, M>;
};

type NamedValue<S extends { readonly of: string }, T extends Types, M extends Mode> = S["of"] extends keyof T
  ? T[S["of"]] extends EnumType
    ? EnumValue<T[S["of"]], M>
    : T[S["of"]] extends FlagsType
      ? number
      : T[S["of"]] extends StructType
        ? StructValue<T[S["of"]], T, M>
        : T[S["of"]] extends NestedType
          ? AttributeValues<T[S["of"]]["attributes"], T, M>
          : never
  : never;

type Value<S, T extends Types, M extends Mode> = S extends { readonly type: "u32" | "u64" | "s64" }
  ? number
  : S extends { readonly type: "bool" }
    ? boolean
    : S extends { readonly type: "string" }
      ? string
      : S extends { readonly type: "bytes" }
        ? Uint8Array
        : S extends HandleSpec
          ? Handle<S["of"]>
          : S extends NamedSpec
            ? NamedValue<S, T, M>
            : S extends ArraySpec
              ? readonly Value<S["item"], T, M>[]
              : never;

type Needed<A extends AttributesSpec> = {
  [K in keyof A]: A[K] extends { readonly required: true } ? K : never;
}[keyof A];

/** The values of attributes by name. What is received has every name, with undefined for what was not sent. */
type AttributeValues<A extends AttributesSpec, T extends Types, M extends Mode> = M extends "given"
  ? { readonly [K in keyof A as K extends Needed<A> ? K : never]: Value<A[K], T, M> } & {
      readonly [K in keyof A as K extends Needed<A> ? never : K]?: Value<A[K], T, M> | undefined;
    }
  : { readonly [K in keyof A]: Value<A[K], T, M> | (K extends Needed<A> ? never : undefined) };

type MethodsOf<R extends Registry, O extends keyof R["objects"]> = R["objects"][O]["methods"];

type Inputs<R extends Registry, M, D extends Mode> = M extends MethodSpec
  ? AttributeValues<M["inputs"], R["types"], D>
  : never;
type Outputs<R extends Registry, M, D extends Mode> = M extends MethodSpec
  ? AttributeValues<M["outputs"], R["types"], D>
  : never;

/** What a client gives to a method. */
export type Input<R extends Registry, O extends keyof R["objects"], M extends keyof MethodsOf<R, O>> = Inputs<
  R,
  MethodsOf<R, O>[M],
  "given"
>;

/** What a handler gets. */
export type Received<
  R extends Registry,
  O extends keyof R["objects"],
  M extends keyof MethodsOf<R, O>,
> = Inputs<R, MethodsOf<R, O>[M], "received">;

/** What a handler returns. */
export type Output<
  R extends Registry,
  O extends keyof R["objects"],
  M extends keyof MethodsOf<R, O>,
> = Outputs<R, MethodsOf<R, O>[M], "given">;

/** What a client gets. An output that the service did not write is undefined. */
export type Answered<
  R extends Registry,
  O extends keyof R["objects"],
  M extends keyof MethodsOf<R, O>,
> = Outputs<R, MethodsOf<R, O>[M], "answered">;

/** The value of a named type of a registry, as it is given: `TypeValue<CoreRegistry, "range">`. */
export type TypeValue<R extends Registry, N extends keyof R["types"] & string> = NamedValue<
  { readonly of: N },
  R["types"],
  "given"
>;

type Arguments<I> = Record<never, never> extends I ? [input?: I] : [input: I];

/** Each object with its methods as functions that return when the answer is there. */
export type SyncClient<R extends Registry> = {
  readonly [O in keyof R["objects"]]: {
    readonly [M in keyof MethodsOf<R, O>]: (
      ...input: Arguments<Inputs<R, MethodsOf<R, O>[M], "given">>
    ) => Outputs<R, MethodsOf<R, O>[M], "answered">;
  };
};

/** The same with promises. */
export type AsyncClient<R extends Registry> = {
  readonly [O in keyof R["objects"]]: {
    readonly [M in keyof MethodsOf<R, O>]: (
      ...input: Arguments<Inputs<R, MethodsOf<R, O>[M], "given">>
    ) => Promise<Outputs<R, MethodsOf<R, O>[M], "answered">>;
  };
};
