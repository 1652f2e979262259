import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { assemble } from "../../assemble/assemble.ts";
import * as limits from "./limits.ts";
import { machineNames } from "./machines.ts";
import { readShortSpec, readSpec } from "./read.ts";

const PAGE = new URL("../../../../../docs/reference/spec.md", import.meta.url);

/** What stands in the fences of a language. */
function fences(text: string, language: string): string[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter((match) => match[1] === language)
    .map((match) => match[2] ?? "");
}

describe("the page about specs", { skip: existsSync(PAGE) ? false : "docs/ is not there" }, () => {
  const text = existsSync(PAGE) ? readFileSync(PAGE, "utf8") : "";

  for (const [i, yaml] of fences(text, "yaml").entries()) {
    it(`has examples that can be read: YAML ${i + 1}`, () => {
      const machine = assemble(readSpec(yaml, "spec.md"), { kind: "spec", path: "spec.md" });
      assert.deepEqual(machine.warnings, []);
      assert.ok(machine.links.length > 1);
    });
  }

  for (const line of fences(text, "short").flatMap((block) => block.trim().split("\n"))) {
    it(`has examples that can be read: ${line.slice(0, 40)}…`, () => {
      const machine = assemble(readShortSpec(line), { kind: "spec", path: line });
      assert.ok(machine.targets.length > 1);
    });
  }

  it("has examples at all", () => {
    assert.ok(fences(text, "yaml").length >= 3 && fences(text, "short").length === 1);
  });

  it("lists the machines that ship, and no others", () => {
    const section = text.slice(text.indexOf("## Machines that ship"), text.indexOf("## Bounds"));
    const listed = [...section.matchAll(/^\| `([\w-]+)` \|/gm)].map((match) => match[1]);
    assert.deepEqual(listed.sort(), machineNames());
  });

  it("states the bounds as they are", () => {
    const bounds = text.slice(text.indexOf("## Bounds"));
    const said: readonly (readonly [string, number])[] = [
      ["8 Mi characters", limits.SPEC_TEXT_MAX / 2 ** 20 - 8],
      ["a million words", limits.SPEC_TOKENS_MAX - 1_000_000],
      ["200,000 values", limits.SPEC_VALUES_MAX - 200_000],
      ["32 levels", limits.SPEC_DEPTH_MAX - 32],
      ["1,024 nodes", limits.NODES_MAX - 1024],
      ["1,024 devices", limits.DEVICES_MAX - 1024],
      ["65,536 links", limits.LINKS_MAX - 65_536],
      ["4 Mi members", limits.MEMBERS_MAX / 2 ** 20 - 4],
    ];
    for (const [words, difference] of said) {
      assert.ok(bounds.includes(words), words);
      assert.equal(difference, 0, words);
    }
  });
});
