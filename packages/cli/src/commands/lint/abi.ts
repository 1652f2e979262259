import {
  type Command,
  type Console,
  EXIT_DONE,
  EXIT_FAILED,
  type Options,
  UsageError,
} from "../../command.ts";
import { printable } from "../../printable.ts";

const FORMATS = ["text", "json", "sarif"] as const;

export const lintAbi: Command = {
  operands: ["OLD", "NEW"],
  options: [
    {
      name: "arch",
      value: "MACHINE[,MACHINE…]",
      help: "machines to lay structs out for: x86_64, i386, arm64, arm, riscv64, powerpc64le, s390x (default: x86_64,i386)",
    },
    {
      name: "repo",
      value: "FOLDER",
      help: "git repository that OLD and NEW are revisions of (default: this one)",
    },
    {
      name: "sources",
      help: "look into the old kernel's code for who refuses reserved fields that are not zero (takes longer)",
    },
    { name: "format", value: "FORMAT", choices: FORMATS, help: "what to write: text (default), json, sarif" },
    { name: "all", help: "list what is compatible too, not only its counts" },
    { name: "strict", help: "exit with 1 on risks too" },
    { name: "baseline", value: "FILE", help: "findings that are known: they are left out" },
    { name: "write-baseline", value: "FILE", help: "write what is found now as a baseline" },
  ],
  notes: [
    "OLD and NEW are a kernel's source tree, its include/uapi, any folder of headers, one header, or a git revision (v6.12, or v6.12:FOLDER), also of a bare repository; or two golden files of hms's own interface (abi/core.json).",
    "Constants, ioctl numbers, enums, structs, typedefs and macros are compared by their names. Breaks binaries: programs that were built before fail or do something else. Breaks sources: programs do not compile. Risk: it depends on something that headers do not say. Not judged: it could not be read or worked out. The exit code is 1 if anything breaks.",
    "docs/guides/lint-abi.md says what each finding means, and what cannot be judged.",
  ],
  examples: [
    ["hms lint abi linux-6.1 linux-6.12", "what changed between two source trees"],
    ["hms lint abi v6.1 v6.12 --repo linux.git", "between two revisions"],
    ["hms lint abi old/drm.h new/drm.h --arch arm64", "of one header, on another machine"],
    ["hms lint abi old/core.json abi/core.json", "of hms's own interface"],
  ],
  async run(options: Options, operands: readonly string[], console: Console): Promise<number> {
    const [old, now] = operands;
    if (old === undefined || now === undefined)
      throw new UsageError("OLD and NEW are needed: two trees of headers, or two revisions");
    const lint = await import("@hms/lint");
    const architectures = options
      .get("arch")
      ?.split(",")
      .map((name) => name.trim());
    const repository = options.get("repo");
    let report = await lint.lintAbi(old, now, {
      ...(architectures === undefined ? {} : { architectures }),
      ...(repository === undefined ? {} : { repository }),
      sources: options.has("sources"),
      onProgress: (text) => console.progress(printable(text).slice(0, console.width)),
    });
    console.progress("");
    const written = options.get("write-baseline");
    if (written !== undefined) {
      const { writeWhole } = await import("../../output.ts");
      writeWhole(written, lint.abiBaseline(report));
      console.note(`Wrote what is found now: ${written}`);
      return EXIT_DONE;
    }
    const baseline = options.get("baseline");
    if (baseline !== undefined) {
      const { report: rest, known, gone } = lint.withoutBaseline(report, baseline);
      report = rest;
      const stale = gone === 0 ? "" : `; ${gone} of its entries are no longer found, and can go`;
      console.note(`${known} findings are in the baseline${stale}.`);
    }
    const format = options.get("format") ?? "text";
    if (format === "json") console.write(lint.abiJson(report));
    else if (format === "sarif") console.write(lint.abiSarif(report));
    else console.write(lint.abiText(report, { colour: console.colour, all: options.has("all") }));
    const bad = report.findings.some(
      ({ verdict }) => verdict.startsWith("breaks") || (options.has("strict") && verdict === "risk"),
    );
    return bad ? EXIT_FAILED : EXIT_DONE;
  },
};
