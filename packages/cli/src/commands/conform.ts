import { type Command, type Console, EXIT_DONE, EXIT_FAILED, type Options, UsageError } from "../command.ts";
import { printable } from "../printable.ts";

/** Milliseconds between two looks of the progress line. */
const PROGRESS_MS = 200;

export const conform: Command = {
  operands: ["PATH…"],
  options: [
    {
      name: "host",
      value: "HOST",
      choices: ["model", "linux", "kernel"],
      help: "what runs the cases: model (default), the simulated host with the test device; linux, this machine's own memory with the test device; kernel, the running kernel's own HMM test device (/dev/hmm_dmirrorN)",
    },
    {
      name: "dax",
      value: "FOLDER",
      help: "with --host kernel: where DAX files can be made that share extents (xfs on persistent memory), for the cases of them",
    },
    { name: "json", help: "write the report as JSON" },
  ],
  notes: [
    "PATH is a case file, or a folder with case files (.yaml) in and below it. A line a case: passed; failed, with the step, its place in the file, what was expected and what came; or skipped, with what the host lacks. A file that is no case counts as failed. The exit code is 1 if any failed.",
    "docs/reference/cases.md says what a case file may hold.",
  ],
  examples: [
    ["hms conform test/cases", "every case of hms"],
    ["hms conform --host linux test/cases", "the same on real memory"],
    ["hms conform --host kernel test/cases", "what a kernel with its own HMM test device answers"],
    ["hms conform --json test/cases/kernel > report.json", "for programs"],
  ],
  async run(options: Options, paths: readonly string[], console: Console): Promise<number> {
    if (paths.length === 0) throw new UsageError("PATH is missing: name a case file or a folder of them");
    const { caseLine, kernelCaseHost, linuxCaseHost, modelCaseHost, runSuite, suiteJson, summaryLine } =
      await import("@hms/conform");
    const named = options.get("host");
    const dax = options.get("dax");
    if (dax !== undefined && named !== "kernel")
      throw new UsageError("--dax goes with --host kernel: other hosts make their own DAX files, or none");
    const host =
      named === "kernel"
        ? await kernelCaseHost(dax === undefined ? {} : { dax })
        : named === "linux"
          ? await linuxCaseHost()
          : modelCaseHost();
    const json = options.has("json");
    let shownAt = performance.now();
    const report = await runSuite(paths, host, {
      onCase: (one) => {
        console.progress("");
        if (!json) console.write(`${printable(caseLine(one))}\n`);
      },
      onStep: ({ name, step, done, cases }) => {
        if (performance.now() - shownAt < PROGRESS_MS) return;
        shownAt = performance.now();
        console.progress(
          printable(`${done} of ${cases} cases done; ${name}, step ${step}`).slice(0, console.width),
        );
      },
    });
    console.progress("");
    console.write(json ? `${JSON.stringify(suiteJson(report), null, 2)}\n` : `${summaryLine(report)}\n`);
    return report.failed > 0 ? EXIT_FAILED : EXIT_DONE;
  },
};
