// The interface that was released, abi/core.json, and its reference page, docs/reference/abi.md:
//   node tools/abi.ts           checks that nothing in the golden file changed, and that both are current
//   node tools/abi.ts append    adds what is new to the golden file, and writes the page; refuses all other changes
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { CORE } from "@hms/uabi";
import {
  compareWithGolden,
  type Difference,
  type Golden,
  goldenText,
  readGolden,
  withoutDocs,
} from "../packages/uabi/src/golden.ts";
import { referencePage } from "./abi-reference.ts";

const root = resolve(import.meta.dirname, "..");
export const goldenPath: string = join(root, "abi/core.json");
export const pagePath: string = join(root, "docs/reference/abi.md");

const NOTHING: Golden = {
  released: 0,
  registry: { revision: 1, namespaces: {}, types: {}, objects: {} },
};

/** What is wrong with the golden file and the page; nothing when both are current. */
export function problems(): readonly string[] {
  const { broken, added } = difference();
  const page = existsSync(pagePath) ? readFileSync(pagePath, "utf8") : "";
  return [
    ...broken.map((what) => `BROKEN: ${what}. What was in the interface stays as it was.`),
    ...added.map((what) => `${what} is not in abi/core.json; run \`node tools/abi.ts append\`.`),
    ...(page === referencePage()
      ? []
      : ["docs/reference/abi.md is not current; run `node tools/abi.ts append`."]),
  ];
}

function golden(): Golden {
  return existsSync(goldenPath) ? readGolden(readFileSync(goldenPath, "utf8")) : NOTHING;
}

function difference(): Difference {
  return compareWithGolden(golden(), CORE);
}

function append(): number {
  const { broken, added } = difference();
  for (const what of broken)
    process.stderr.write(`BROKEN: ${what}. What was in the interface stays as it was.\n`);
  if (broken.length > 0) return 1;
  mkdirSync(dirname(goldenPath), { recursive: true });
  writeFileSync(goldenPath, goldenText({ released: golden().released, registry: withoutDocs(CORE) }));
  writeFileSync(pagePath, referencePage());
  for (const what of added) process.stdout.write(`added ${what}\n`);
  return 0;
}

function check(): number {
  const found = problems();
  for (const what of found) process.stderr.write(`${what}\n`);
  return found.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = process.argv[2] === "append" ? append() : check();
