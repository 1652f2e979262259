// Puts the real output below each command of the README's console blocks; `--check` only says whether they are.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const path = join(root, "README.md");

/** The README with the output that its commands have now. */
export function withRealOutput(text: string): string {
  return text.replace(/```console\n\$ npx hms ([^\n]*)\n[^`]*```/g, (_, line: string) => {
    const script = `'${process.execPath}' packages/cli/bin/hms.js ${line}`;
    const done = spawnSync("bash", ["-c", script], {
      cwd: root,
      encoding: "utf8",
      env: { PATH: process.env.PATH, HOME: process.env.HOME },
    });
    if (done.status !== 0) throw new Error(`npx hms ${line}: ${done.stderr}`);
    return `\`\`\`console\n$ npx hms ${line}\n${done.stdout.trimEnd()}\n\`\`\``;
  });
}

if (import.meta.main) {
  const text = readFileSync(path, "utf8");
  const real = withRealOutput(text);
  if (process.argv.includes("--check")) process.exitCode = text === real ? 0 : 1;
  else writeFileSync(path, real);
}
