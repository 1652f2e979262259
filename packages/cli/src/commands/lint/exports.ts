import { type Command, type Console, EXIT_DONE, type Options, UsageError } from "../../command.ts";

export const lintExports: Command = {
  operands: ["TREE"],
  options: [
    { name: "format", value: "FORMAT", help: "what to write: text (default), json, sarif" },
    { name: "why", value: "SYMBOL", help: "show every mention of a symbol, and how it was read" },
    {
      name: "baseline",
      value: "FILE",
      help: "exports that may stay for now, each with a reason and an owner",
    },
    { name: "window", value: "N", help: "releases in which a new export may stay unused (default: 1)" },
  ],
  notes: [],
  examples: [["hms lint exports /usr/src/linux", "every exported symbol of a kernel tree"]],
  async run(options: Options, operands: readonly string[], console: Console): Promise<number> {
    if (operands[0] === undefined) throw new UsageError("TREE is missing: name the folder of a kernel tree");
    const { CLASSES, isPackageWorkspace } = await import("@hms/lint");
    // A folder with a package.json, and no kernel's Kbuild, is a workspace of packages.
    if (isPackageWorkspace(operands[0])) {
      const { runPackages } = await import("./packages.ts");
      return await runPackages(options, operands[0], console);
    }
    console.write(`${CLASSES.join("\n")}\n`);
    return EXIT_DONE;
  },
};
