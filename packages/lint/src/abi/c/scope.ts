import type { Declarations, EnumDeclaration, RecordDeclaration, TypedefDeclaration } from "./declarations.ts";
import type { Macro } from "./expand.ts";
import type { Preprocessed } from "./preprocess.ts";

/** A declaration and the header it stands in. */
export interface Placed<T> {
  readonly path: string;
  readonly one: T;
}

/** What a program sees that includes one header. */
export interface Scope {
  readonly path: string;
  readonly macros: ReadonlyMap<string, Macro>;
  readonly records: ReadonlyMap<string, Placed<RecordDeclaration>>;
  readonly enums: ReadonlyMap<string, Placed<EnumDeclaration>>;
  readonly typedefs: ReadonlyMap<string, Placed<TypedefDeclaration>>;
  /** Enumerators with their enum and their place in it. */
  readonly enumerators: ReadonlyMap<string, { readonly of: Placed<EnumDeclaration>; readonly index: number }>;
  /** The header itself and all that it includes. */
  readonly paths: ReadonlySet<string>;
  /** Headers that are named and not in the set. */
  readonly missing: ReadonlySet<string>;
}

/** Gathers what a header and those that it includes declare. */
export function scopeOf(
  header: Preprocessed,
  builtIn: ReadonlyMap<string, Macro>,
  declared: (one: Preprocessed) => Declarations,
): Scope {
  const macros = new Map(builtIn);
  for (const [name, macro] of header.changes) {
    if (macro === undefined) macros.delete(name);
    else macros.set(name, macro);
  }
  const scope = {
    path: header.path,
    macros,
    records: new Map<string, Placed<RecordDeclaration>>(),
    enums: new Map<string, Placed<EnumDeclaration>>(),
    typedefs: new Map<string, Placed<TypedefDeclaration>>(),
    enumerators: new Map<string, { of: Placed<EnumDeclaration>; index: number }>(),
    paths: new Set<string>(),
    missing: new Set<string>(),
  };
  const seen = new Set<Preprocessed>();
  const visit = (one: Preprocessed): void => {
    if (seen.has(one)) return;
    seen.add(one);
    scope.paths.add(one.path);
    for (const path of one.missing) scope.missing.add(path);
    const { records, enums, typedefs } = declared(one);
    const { path } = one;
    for (const record of records)
      if (record.tag !== null) scope.records.set(`${record.kind} ${record.tag}`, { path, one: record });
    for (const typedef of typedefs) scope.typedefs.set(typedef.name, { path, one: typedef });
    for (const enumeration of enums) {
      const placed = { path, one: enumeration };
      if (enumeration.tag !== null) scope.enums.set(enumeration.tag, placed);
      for (const [index, { name }] of enumeration.enumerators.entries())
        scope.enumerators.set(name, { of: placed, index });
    }
    for (const child of one.children) visit(child);
  };
  visit(header);
  return scope;
}
