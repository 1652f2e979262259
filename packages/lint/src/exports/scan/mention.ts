/** How a mention of a name was read. What makes a consumer comes first, then what does not. */
export const MENTION = {
  /** Called, or its address taken, in a function or an initializer. */
  reference: 1,
  /** In the body of a macro. */
  macro: 2,
  /** An argument of a macro outside of functions. */
  fileArgument: 3,
  /** In assembler: a file of it, or an asm statement. */
  assembler: 4,
  /** Made by token pasting. */
  pasted: 5,
  /** By symbol_get and the like. */
  symbolGet: 6,
  /** bindings:: in Rust. */
  rust: 7,
  /** In a program that writes code. */
  generator: 8,
  /** First of those that are no consumers. */
  export: 16,
  definition: 17,
  declaration: 18,
  /** Names the symbol to a tool (a probe list, a BTF id) without linking to it. */
  annotation: 19,
  /** `.name`, `->name`: a member. */
  member: 20,
  /** A local variable, parameter, tag, label or member of the same name. */
  otherThing: 21,
  /** Below a definition of its own in the same file. */
  ownDefinition: 22,
  comment: 23,
  string: 24,
  /** Below #if 0. */
  disabled: 25,
  /** In a condition of the preprocessor. */
  condition: 26,
} as const;

export type MentionCode = (typeof MENTION)[keyof typeof MENTION];

/** The words for a mention in reports. */
export const MENTION_WORDS: Readonly<Record<number, string>> = {
  [MENTION.reference]: "reference",
  [MENTION.macro]: "macro body",
  [MENTION.fileArgument]: "argument of a macro outside of functions",
  [MENTION.assembler]: "assembler",
  [MENTION.pasted]: "made by token pasting",
  [MENTION.symbolGet]: "symbol_get",
  [MENTION.rust]: "bindings:: in Rust",
  [MENTION.generator]: "in a program that writes code",
  [MENTION.export]: "export",
  [MENTION.definition]: "definition",
  [MENTION.declaration]: "declaration",
  [MENTION.annotation]: "annotation",
  [MENTION.member]: "member of a structure",
  [MENTION.otherThing]: "local variable, tag, label or member of the same name",
  [MENTION.ownDefinition]: "the file's own definition",
  [MENTION.comment]: "comment",
  [MENTION.string]: "string",
  [MENTION.disabled]: "below #if 0",
  [MENTION.condition]: "condition of the preprocessor",
};

export function isConsuming(mention: number): boolean {
  return mention < MENTION.export;
}
