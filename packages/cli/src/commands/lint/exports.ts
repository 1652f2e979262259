import { type Command, type Console, type Options, UsageError } from "../../command.ts";

export const lintExports: Command = {
  operands: ["TREE"],
  options: [
    {
      name: "subsystem",
      value: "NAME[,NAME…]",
      help: "only these parts: a folder (mm, fs/ext4), a file, or words of a title in MAINTAINERS",
    },
    { name: "maintainers", help: "group by the entries of MAINTAINERS instead of directories" },
    { name: "format", value: "FORMAT", help: "what to write: text (default), json, sarif, html" },
    { name: "all", help: "list every symbol, not the first few" },
    { name: "why", value: "SYMBOL", help: "show every mention of a symbol, and how it was read" },
    { name: "baseline", value: "FILE", help: "what is old: only what is not in it counts" },
    { name: "write-baseline", value: "FILE", help: "write what there is now as the baseline" },
    { name: "git", value: "DIR", help: "a repository; TREE, A and B are then revisions of it" },
    {
      name: "from",
      value: "A",
      help: "compare with an older tree, or revision: what came, went and is overdue",
    },
    { name: "to", value: "B", help: "the newer one; the same as TREE" },
    { name: "plan", help: "write the letters to the maintainers, with evidence for each symbol" },
    {
      name: "window",
      value: "N",
      help: "releases after its own in which an export must find its consumer (default: 1)",
    },
    {
      name: "freeze",
      value: "WHAT",
      choices: ["subsystem", "tree"],
      help: "what an overdue export closes to new ones: its subsystem (default), or the tree",
    },
    { name: "fresh", help: "read everything again, whatever the cache has" },
  ],
  notes: [
    "TREE is the folder of a kernel tree, a bare git repository (its HEAD), or with --git a revision. Every export is judged by who uses it: a module, its own module only, built-in users only, tests and samples only, a header that nothing uses, nobody, or undetermined. The exit code is 1 if an export breaks a rule and the baseline does not know it.",
    "A workspace of TypeScript packages can be given instead; of the options --format text|json|sarif, --why, --baseline and --window then apply.",
    "docs/guides/lint.md shows it at work; docs/reference/lint-json.md describes the JSON.",
  ],
  examples: [
    ["hms lint exports /usr/src/linux", "who uses the exports of a kernel, by directory"],
    ["hms lint exports /usr/src/linux --subsystem mm --all", "every export of mm that breaks a rule"],
    [
      "hms lint exports /usr/src/linux --why folio_wait_private_2",
      "every mention of a symbol, and how it was read",
    ],
    ["hms lint exports --from linux-6.1 --to linux-6.12", "what was born, consumed, removed, and is overdue"],
    ["hms lint exports --git linux.git --from v6.11 --to v6.12", "the same for revisions of a repository"],
    ["hms lint exports /usr/src/linux --subsystem mm --plan", "the letter to the maintainers"],
    ["hms lint exports . --write-baseline old.json", "take what there is as given"],
    ["hms lint exports . --baseline old.json --format sarif", "in CI: only what is new counts"],
    ["hms lint exports /usr/src/linux --format html > exports.html", "a page to search"],
  ],
  async run(options: Options, operands: readonly string[], console: Console): Promise<number> {
    const tree = operands[0] ?? options.get("to");
    if (tree === undefined) throw new UsageError("TREE is missing: name the folder of a kernel tree");
    const { isPackageWorkspace } = await import("@hms/lint");
    // A folder with a package.json, and no kernel's Kbuild, is a workspace of packages.
    if (!options.has("git") && isPackageWorkspace(tree)) {
      const { runPackages } = await import("./packages.ts");
      return await runPackages(options, tree, console);
    }
    const { runKernel } = await import("./kernel.ts");
    return await runKernel(options, tree, console);
  },
};
