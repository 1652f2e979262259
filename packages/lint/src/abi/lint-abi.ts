import { statSync } from "node:fs";
import { HmsError } from "@hms/topology";
import { ARCHITECTURES, type Architecture } from "./c/architecture.ts";
import { compareInterfaces, mergeMachines } from "./compare.ts";
import { type AbiFinding, type AbiRule, VERDICTS, type Verdict } from "./finding.ts";
import { compareGolden } from "./golden.ts";
import { openHeaders } from "./header-files.ts";
import { InterfaceReader } from "./interface.ts";
import { withRefusals } from "./refusals.ts";

export interface LintAbiOptions {
  /** Machines to compare for: `x86_64` and `i386` when left out. */
  readonly architectures?: readonly string[];
  /** The git repository that revisions are of; the current folder when left out. */
  readonly repository?: string;
  /** Whether to look into the old kernel's code for who refuses reserved fields that are not zero: false when left out. */
  readonly sources?: boolean;
  /** Told what is being done, now and then. */
  readonly onProgress?: (text: string) => void;
}

/** What changed between two releases of an interface. */
export interface AbiReport {
  readonly old: string;
  readonly new: string;
  readonly architectures: readonly string[];
  /** Headers of the old and of the new release; 0 of golden files. */
  readonly headers: readonly [number, number];
  /** Worst first, then by file and line. */
  readonly findings: readonly AbiFinding[];
}

const DEFAULT_ARCHITECTURES = ["x86_64", "i386"] as const;
const PROGRESS_STEP = 50;

/**
 * Compares a released interface with a later one: C headers (a kernel tree, its include/uapi, a folder of headers, one
 * header, or a git revision of one of these), or two golden files of hms's own interface.
 *
 * @throws HmsError `INPUT_NOT_FOUND`, `NO_HEADERS`, `TOO_MANY_HEADERS`, `UNKNOWN_ARCHITECTURE` or `GOLDEN_INVALID`.
 * @example
 * ```ts
 * import { mkdirSync, writeFileSync } from "node:fs";
 * import { lintAbi } from "@hms/lint";
 * mkdirSync("v1");
 * mkdirSync("v2");
 * writeFileSync("v1/device.h", "struct request { unsigned int flags; };");
 * writeFileSync("v2/device.h", "struct request { unsigned short kind; unsigned int flags; };");
 * const { findings } = await lintAbi("v1", "v2");
 * console.log(findings[0]?.message); // offset 0, 4 bytes became offset 4, 4 bytes
 * ```
 */
export async function lintAbi(old: string, now: string, options: LintAbiOptions = {}): Promise<AbiReport> {
  if (isGolden(old) && isGolden(now)) {
    const findings = sorted(compareGolden(old, now));
    return { old, new: now, architectures: [], headers: [0, 0], findings };
  }
  const machines = machinesOf(options.architectures ?? DEFAULT_ARCHITECTURES);
  using reader = await InterfaceReader.make();
  let headers: readonly [number, number] = [0, 0];
  const found = machines.map((machine) => {
    const [before, after] = [old, now].map((where) => {
      const files = openHeaders(where, machine, options.repository);
      return reader.read(files, machine, (done, of) => {
        if (done % PROGRESS_STEP === 0)
          options.onProgress?.(`Reading ${files.label} for ${machine.name}: ${done} of ${of} headers`);
      });
    }) as [ReturnType<typeof reader.read>, ReturnType<typeof reader.read>];
    headers = [before.headers.size, after.headers.size];
    options.onProgress?.(`Comparing for ${machine.name}`);
    return compareInterfaces(before, after);
  });
  const architectures = machines.map(({ name }) => name);
  let findings = mergeMachines(found);
  if (options.sources === true) {
    options.onProgress?.(`Looking into the code of ${old}`);
    findings = withRefusals(findings, old, options.repository ?? ".");
  }
  return { old, new: now, architectures, headers, findings: sorted(findings) };
}

function isGolden(path: string): boolean {
  return /\.(json|ya?ml)$/.test(path) && statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function machinesOf(names: readonly string[]): readonly Architecture[] {
  return names.map((name) => {
    const machine = ARCHITECTURES.find((one) => one.name === name);
    if (machine === undefined)
      throw new HmsError(
        "UNKNOWN_ARCHITECTURE",
        "EINVAL",
        `Compare interfaces: ${JSON.stringify(name)} is no machine that is known; those are ${ARCHITECTURES.map((one) => one.name).join(", ")}.`,
      );
    return machine;
  });
}

function sorted(findings: readonly AbiFinding[]): readonly AbiFinding[] {
  const key = (one: AbiFinding): readonly [number, string, number] => {
    const place = one.old ?? one.new;
    return [VERDICTS.indexOf(one.verdict), place?.path ?? "", place?.line ?? 0];
  };
  return findings.toSorted((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left[0] !== right[0]) return left[0] - right[0];
    if (left[1] !== right[1]) return left[1] < right[1] ? -1 : 1;
    return left[2] - right[2];
  });
}

/** How many findings there are of each verdict and rule, worst first. */
export function countAbi(
  report: AbiReport,
): readonly { readonly verdict: Verdict; readonly rule: AbiRule; readonly count: number }[] {
  const counts = new Map<string, { verdict: Verdict; rule: AbiRule; count: number }>();
  for (const { verdict, rule } of report.findings) {
    const key = `${verdict} ${rule}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { verdict, rule, count: 1 });
    else known.count++;
  }
  return [...counts.values()];
}
