import { type Console, EXIT_DONE, EXIT_FAILED, type Options, UsageError } from "../../command.ts";
import { printable } from "../../printable.ts";

const FORMATS = ["text", "json", "sarif"];
/** What has no meaning for packages, though it has one for a kernel. */
const KERNEL_ONLY = ["subsystem", "maintainers", "git", "from", "to", "plan", "freeze"];

/** `hms lint exports` on a workspace of TypeScript or JavaScript packages. */
export async function runPackages(options: Options, folder: string, console: Console): Promise<number> {
  const format = options.get("format") ?? "text";
  if (!FORMATS.includes(format))
    throw new UsageError(
      `Option --format takes ${FORMATS.join(", ")} for a workspace of packages, but got ${format}`,
    );
  const other = KERNEL_ONLY.find((name) => options.has(name));
  if (other !== undefined)
    throw new UsageError(`Option --${other} is for a kernel tree, but ${folder} is a workspace of packages`);
  const window = windowOf(options);
  const lint = await import("@hms/lint");
  const report = await lint.lintPackages(folder, {
    ...(window === undefined ? {} : { window }),
    onProgress: (text) => console.progress(printable(text).slice(0, console.width)),
  });
  console.progress("");
  const written = options.get("write-baseline");
  if (written !== undefined) {
    const { writeWhole } = await import("../../output.ts");
    writeWhole(written, lint.packagesBaseline(report));
    console.note(`Wrote what nobody uses now, for people to write the reasons in: ${written}`);
    return EXIT_DONE;
  }
  const baseline = options.get("baseline");
  const comparison = lint.compareWithBaseline(
    report,
    baseline === undefined ? [] : lint.readBaseline(baseline),
  );
  const why = options.get("why") ?? null;
  if (format === "json") console.write(lint.packagesJson(report, comparison));
  else if (format === "sarif") console.write(lint.packagesSarif(comparison));
  else console.write(lint.packagesText(report, comparison, { colour: console.colour, why }));
  return comparison.violations.length > 0 && why === null ? EXIT_FAILED : EXIT_DONE;
}

function windowOf(options: Options): number | undefined {
  const text = options.get("window");
  if (text === undefined) return undefined;
  if (!/^\d{1,3}$/.test(text))
    throw new UsageError(`Option --window takes a number of releases, but got ${JSON.stringify(text)}`);
  return Number(text);
}
