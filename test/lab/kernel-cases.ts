// Runs case files in guests of the lab, against the kernel's own test device, and reads the answers as they come: a
// case that brings the guest down is named, and the rest goes on in a new guest.
import { boot } from "./guest.ts";
import { MACHINES } from "./machine.ts";
import { type Lab, REPOSITORY } from "./setup.ts";
import type { Answer } from "./table.ts";

/** One guest may take so long. */
const LIMIT_MS = 600_000;

/** What a guest does before it can run cases; `$DAX` is a folder of DAX files then. */
export const KERNEL_SETUP = "sh test/lab/guest/hmm.sh";

/** The answer of each file, in order. */
export async function kernelAnswers(
  lab: Lab,
  files: readonly string[],
  onAnswer: (file: string, answer: Answer) => void,
): Promise<Map<string, Answer>> {
  const machine = MACHINES.get("hmm");
  if (machine === undefined) throw new Error("the lab has no machine hmm");
  const answers = new Map<string, Answer>();
  for (let todo = [...files]; todo.length > 0; ) {
    const before = answers.size;
    let rest = "";
    const end = await boot(lab, {
      machine,
      limitMs: LIMIT_MS,
      payload: payloadFor(todo),
      onOutput: (text) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const file = todo[answers.size - before];
          const answer = answerOf(line);
          if (answer === null || file === undefined) continue;
          answers.set(file, answer);
          onAnswer(file, answer);
        }
      },
    });
    todo = todo.slice(answers.size - before);
    const [file] = todo;
    if (file === undefined) break;
    if (answers.size === before && end.console === "")
      throw new Error(`the guest ran no case (exit code ${end.code}): ${rest}`);
    const oops = end.console.split("\n").find((line) => line.includes("RIP: 0010:"));
    const crashed: Answer = { result: "crashed", message: oops?.trim() ?? `the guest ended (${end.code})` };
    answers.set(file, crashed);
    onAnswer(file, crashed);
    todo = todo.slice(1);
  }
  return answers;
}

function payloadFor(files: readonly string[]): string {
  const quoted = files.map((file) => `'${file}'`).join(" ");
  return [
    `cd '${REPOSITORY}' && ${KERNEL_SETUP} && exec '${process.execPath}' packages/cli/bin/hms.js`,
    `conform --host kernel --dax /mnt/dax ${quoted}\n`,
  ].join(" ");
}

/** Reads a line of `hms conform`; null when it is none of a case. */
export function answerOf(line: string): Answer | null {
  const [, result, rest = ""] = /^(passed|failed|skipped) +(.*)$/.exec(line) ?? [];
  if (result === "passed") return { result };
  if (result === "failed") return { result, message: rest };
  if (result === "skipped") return { result, missing: rest.slice(rest.indexOf(": needs ") + 8).split(", ") };
  return null;
}
