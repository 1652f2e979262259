import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LintPackagesOptions, PackagesReport } from "./report.ts";

/** Whether a folder holds a workspace of packages, and no kernel. */
export function isPackageWorkspace(folder: string): boolean {
  return existsSync(join(folder, "package.json")) && !existsSync(join(folder, "Kbuild"));
}

/**
 * Finds out who uses each export of each package of a workspace.
 *
 * @throws HmsError `INPUT_NOT_FOUND`, `NO_WORKSPACE` or `TOO_MANY_FILES`.
 * @example
 * ```ts
 * import { mkdtempSync, writeFileSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { lintPackages } from "@hms/lint";
 * const folder = mkdtempSync(join(tmpdir(), "workspace-"));
 * writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "alone", exports: "./mod.ts" }));
 * writeFileSync(join(folder, "mod.ts"), "export const lonely = 1;");
 * const { exports } = await lintPackages(folder);
 * console.log(exports[0]?.class); // nobody
 * ```
 */
export async function lintPackages(root: string, options: LintPackagesOptions = {}): Promise<PackagesReport> {
  // The compiler takes long to load: who judges a kernel does not pay for it.
  const { takeCensus } = await import("./lint-packages.ts");
  return takeCensus(root, options);
}
