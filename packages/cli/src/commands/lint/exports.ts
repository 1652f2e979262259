import { type Command, type Console, EXIT_DONE, type Options, UsageError } from "../../command.ts";

export const lintExports: Command = {
  operands: ["TREE"],
  options: [],
  notes: [],
  examples: [["hms lint exports /usr/src/linux", "every exported symbol of a kernel tree"]],
  async run(_options: Options, operands: readonly string[], console: Console): Promise<number> {
    if (operands[0] === undefined) throw new UsageError("TREE is missing: name the folder of a kernel tree");
    const { CLASSES } = await import("@hms/lint");
    console.write(`${CLASSES.join("\n")}\n`);
    return EXIT_DONE;
  },
};
