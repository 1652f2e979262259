import type { Node } from "yaml";
import {
  CAPABILITIES,
  type DeviceKind,
  EXTENSIONS,
  type Expectation,
  type ForeignCase,
  type MapStep,
  type RivalStep,
  type Step,
  type StepPlace,
  type TestCase,
} from "./case.ts";
import { type Reading, readFields, requireExtension, type Unread, type Values } from "./fields.ts";
import { toPart } from "./parts.ts";
import { extendedStep } from "./read-extended.ts";
import { checkScope } from "./scope.ts";
import { CaseSource, type Entry } from "./source.ts";
import { LIMITS, STEPS, type StepSpec } from "./vocabulary.ts";

const CASE_FIELDS = ["name", "needs", "devices", "steps"];

/**
 * Reads one case. `file` names it in messages only.
 *
 * @throws HmsError CASE_INVALID (EINVAL): one sentence with file and line, what is allowed, and the nearest name.
 */
export function readCase(file: string, text: string): TestCase | ForeignCase {
  const source: CaseSource = new CaseSource(file, text);
  const fields = new Map<string, Entry>();
  for (const entry of source.entries(source.root, "a case")) {
    if (!CASE_FIELDS.includes(entry.key)) {
      source.failUnknown(entry.keyNode, "field of a case", entry.key, CASE_FIELDS);
    }
    fields.set(entry.key, entry);
  }
  const name = readTitle(source, fields.get("name"));
  const needs = readNeeds(source, fields.get("needs"));
  const foreign = needs.filter((need) => !CAPABILITIES.includes(need) && !EXTENSIONS.includes(need));
  if (foreign.length > 0) return { name, file, foreign };
  const reader = new StepReader({ source, needs: new Set(needs), round: null });
  const devices = readDevices(source, fields.get("devices"));
  const steps = fields.get("steps");
  if (steps === undefined) source.fail(source.root, "a case lacks the field steps");
  const test: TestCase = { name, file, needs, devices, steps: reader.list(steps.value, "steps", "", 0) };
  checkScope(test, (line, message) => source.failAtLine(line, message));
  return test;
}

function readTitle(source: CaseSource, entry: Entry | undefined): string {
  if (entry === undefined) source.fail(source.root, "a case lacks the field name");
  const { text } = source.scalar(entry.value, "name");
  if (!/^\S(.{0,118}\S)?$/.test(text)) {
    source.fail(
      entry.keyNode,
      `name must be one line of 1 to 120 characters, but is ${JSON.stringify(text)}`,
    );
  }
  return text;
}

function readNeeds(source: CaseSource, entry: Entry | undefined): readonly string[] {
  if (entry === undefined) return [];
  return source.items(entry.value, "needs").map((item) => source.scalar(item, "a name in needs").text);
}

function readDevices(source: CaseSource, entry: Entry | undefined): ReadonlyMap<string, DeviceKind> {
  const devices = new Map<string, DeviceKind>();
  if (entry === undefined) return devices;
  for (const { key, keyNode, value } of source.entries(entry.value, "devices")) {
    if (!/^[\w.-]{1,64}$/.test(key)) source.fail(keyNode, `a device's name cannot be ${JSON.stringify(key)}`);
    const { text } = source.scalar(value, `device ${key}`);
    if (text !== "private" && text !== "coherent") {
      source.failUnknown(value, `kind of device ${key}`, text, ["private", "coherent"]);
    }
    devices.set(key, text);
  }
  return devices;
}

/** Reads lists of steps; counts them, so that a case within its bounds of text is also one within bounds of time. */
class StepReader {
  readonly #reading: Reading;
  #steps = 0;

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  /** The steps of a list; `prefix` is put before their numbers. */
  list(node: Node | null, what: string, prefix: string, depth: number, round?: number): readonly Step[] {
    const source: CaseSource = this.#reading.source;
    if (depth > LIMITS.depth) source.fail(node, `${what} is nested deeper than ${LIMITS.depth} blocks`);
    const reading = round === undefined ? this.#reading : { ...this.#reading, round };
    return source.items(node, what).map((item, index) => {
      this.#steps++;
      if (this.#steps > LIMITS.steps) {
        source.fail(item, `a case has at most ${LIMITS.steps} steps, those of all rounds counted`);
      }
      return this.#step(item, `${prefix}${index + 1}`, depth, reading);
    });
  }

  #step(node: Node | null, label: string, depth: number, reading: Reading): Step {
    const source: CaseSource = reading.source;
    const entries = source.entries(node, `step ${label}`);
    const [entry, second] = entries;
    if (entry === undefined) source.fail(node, `step ${label} is empty; it must be a step with its fields`);
    if (second !== undefined) {
      source.fail(
        second.keyNode,
        `step ${label} has a second key "${second.key}"; fields go inside { }, one step an item`,
      );
    }
    if (!isStepName(entry.key)) source.failUnknown(entry.keyNode, "step", entry.key, Object.keys(STEPS));
    const spec: StepSpec = STEPS[entry.key];
    requireExtension(entry.keyNode, `step ${entry.key}`, spec.extension, reading);
    const place: StepPlace = { label, line: source.lineOf(entry.keyNode ?? node) };
    return this.#build(entry.key, entry.value, place, depth, reading);
  }

  #build(name: StepName, node: Node | null, place: StepPlace, depth: number, reading: Reading): Step {
    const what = `step ${name}`;
    switch (name) {
      case "map":
        return mapStep(node, readFields(node, what, STEPS.map.fields, reading), place, reading);
      case "device":
        return deviceStep(node, readFields(node, what, STEPS.device.fields, reading), place, reading);
      case "fork": {
        const { child, parent, ends } = readFields(node, what, STEPS.fork.fields, reading);
        const block = (steps: Unread, title: string): readonly Step[] =>
          this.#list(steps, `${place.label}.${title}.`, title, depth, reading);
        return {
          ...place,
          step: name,
          child: block(child, "child"),
          parent: parent === undefined ? [] : block(parent, "parent"),
          ends: ends ?? "exit",
        };
      }
      case "repeat": {
        const { times, steps } = readFields(node, what, STEPS.repeat.fields, reading);
        const rounds = Array.from({ length: times }, (_, round) =>
          this.list(steps.node, "steps", `${place.label}[${round}].`, depth + 1, round),
        );
        return { ...place, step: name, rounds };
      }
      case "race": {
        const { steps, rival, times } = readFields(node, what, STEPS.race.fields, reading);
        const rivals = this.#list(rival, `${place.label}.rival.`, "rival", depth, reading);
        const wrong = rivals.find((step) => !isRival(step));
        if (wrong !== undefined) {
          reading.source.failAtLine(
            wrong.line,
            `a rival cannot do the step ${wrong.step}; ${RIVALS.join(", ")} it can`,
          );
        }
        return {
          ...place,
          step: name,
          steps: this.#list(steps, `${place.label}.`, "steps", depth, reading),
          rival: rivals.filter(isRival),
          times: times ?? 1,
        };
      }
      case "notifications":
      case "inject":
      case "reclaim":
      case "migrate":
      case "explain":
        return extendedStep(name, node, place, reading);
      default:
        return plainStep(name, node, place, reading);
    }
  }

  #list(steps: Unread, prefix: string, title: string, depth: number, reading: Reading): readonly Step[] {
    return this.list(steps.node, title, prefix, depth + 1, reading.round ?? undefined);
  }
}

const RIVALS: readonly string[] = ["unmap", "protect", "advise", "fill", "touch"];

function isRival(step: Step): step is RivalStep {
  return RIVALS.includes(step.step);
}

type StepName = keyof typeof STEPS;

function isStepName(name: string): name is StepName {
  return Object.hasOwn(STEPS, name);
}

type ExtendedName = "notifications" | "inject" | "reclaim" | "migrate" | "explain";
type PlainName = Exclude<StepName, "map" | "device" | "fork" | "repeat" | "race" | ExtendedName>;

/** The steps that hold no others and have no fields that depend on each other. */
function plainStep(name: PlainName, node: Node | null, place: StepPlace, reading: Reading): Step {
  const what = `step ${name}`;
  switch (name) {
    case "unmap":
      return { ...place, step: name, part: toPart(readFields(node, what, STEPS.unmap.fields, reading)) };
    case "protect": {
      const values = readFields(node, what, STEPS.protect.fields, reading);
      return { ...place, step: name, part: toPart(values), protection: values.protection };
    }
    case "remap": {
      const values = readFields(node, what, STEPS.remap.fields, reading);
      const keepOld = values["keep-old"] ?? false;
      return { ...place, step: name, part: toPart(values), to: values.to.as, keepOld };
    }
    case "advise": {
      const values = readFields(node, what, STEPS.advise.fields, reading);
      const error = values.expect?.error ?? null;
      return { ...place, step: name, part: toPart(values), advice: values.advice, error };
    }
    case "fill":
    case "check": {
      const values = readFields(node, what, STEPS[name].fields, reading);
      const error = values.expect?.error ?? null;
      return { ...place, step: name, part: toPart(values), words: values.words, error };
    }
    case "increment": {
      const values = readFields(node, what, STEPS.increment.fields, reading);
      return { ...place, step: name, part: toPart(values), from: values.from };
    }
    case "touch": {
      const values = readFields(node, what, STEPS.touch.fields, reading);
      return { ...place, step: name, part: toPart(values), error: values.expect?.error ?? null };
    }
    case "file-check": {
      const values = readFields(node, what, STEPS["file-check"].fields, reading);
      return { ...place, step: name, part: toPart(values), words: values.words };
    }
    case "pin": {
      const values = readFields(node, what, STEPS.pin.fields, reading);
      const { kind = "short", write = false, expect } = values;
      return { ...place, step: name, part: toPart(values), kind, write, error: expect?.error ?? null };
    }
  }
}

function mapStep(
  node: Node | null,
  values: Values<typeof STEPS.map.fields>,
  place: StepPlace,
  { source }: Reading,
): MapStep {
  const backing = values.backing ?? { kind: "anonymous" };
  const onFile = backing.kind === "file" || backing.kind === "dax";
  if (values.pages === undefined && values.at === undefined) {
    source.fail(node, "step map lacks the field pages");
  }
  if (values["file-words"] !== undefined && !onFile) {
    source.fail(node, `step map: file-words is for backing file, but the backing is ${backing.kind}`);
  }
  if (values.reflink !== undefined && backing.kind !== "dax") {
    source.fail(node, `step map: reflink is for backing dax, but the backing is ${backing.kind}`);
  }
  if (values.reflink !== undefined && values["file-words"] !== undefined) {
    source.fail(
      node,
      "step map: a file that shares another's extents holds what that one holds; leave out file-words",
    );
  }
  return {
    ...place,
    step: "map",
    as: values.as,
    pages: values.pages ?? null,
    protection: values.protection ?? "rw",
    share: values.share ?? "private",
    backing,
    huge: values.huge ?? false,
    fileWords: values["file-words"] ?? null,
    at: values.at === undefined ? null : { region: values.at.region, first: values.at.first ?? 0 },
    reflink: values.reflink ?? null,
  };
}

type DeviceValues = Values<typeof STEPS.device.fields>;

function deviceStep(node: Node | null, values: DeviceValues, place: StepPlace, { source }: Reading): Step {
  const command = values.do;
  const what = `step device: ${command}`;
  const whole = command === "release" || command === "fail-next-allocation";
  if (whole && (values.region ?? values.first ?? values.pages) !== undefined) {
    source.fail(node, `${what} takes no region, first or pages`);
  }
  if (!whole && values.region === undefined) source.fail(node, `${what} lacks the field region`);
  if (command === "write" && values.writes === undefined) source.fail(node, `${what} lacks the field writes`);
  if (command !== "write" && values.writes !== undefined) {
    source.fail(node, `${what} stores nothing; writes is for the command write`);
  }
  if (command !== "snapshot" && values.codes !== undefined) {
    source.fail(node, `${what} gives no codes; codes is for the command snapshot`);
  }
  if (whole && values.reads !== undefined)
    source.fail(node, `${what} has no buffer to look at; reads needs a region`);
  if (values["codes-all"] === true && values.codes?.length !== 1) {
    source.fail(
      node,
      `${what}: codes-all needs codes with a single code, but there are ${values.codes?.length ?? 0}`,
    );
  }
  const expect = toExpectation(node, what, values.expect, source);
  if (expect.error !== null && values.codes !== undefined) {
    source.fail(node, `${what} expects ${expect.error}, and a failed command gives no codes`);
  }
  const { region, first, pages } = values;
  return {
    ...place,
    step: "device",
    on: values.on,
    command,
    part: region === undefined ? null : toPart({ region, first, pages }),
    writes: values.writes ?? null,
    expect,
    reads: values.reads ?? null,
    codes: values.codes ?? null,
    codesAll: values["codes-all"] ?? false,
  };
}

function toExpectation(
  node: Node | null,
  what: string,
  expect: DeviceValues["expect"],
  source: CaseSource,
): Expectation {
  const { pages, faults, error } = expect ?? {};
  const orErrors = expect?.["or-errors"] ?? [];
  if (error !== undefined && (pages ?? faults) !== undefined) {
    source.fail(
      node,
      `${what}: expect has an error, so it cannot have pages or faults: those come with success only`,
    );
  }
  if (error !== undefined && orErrors.length > 0) {
    source.fail(node, `${what}: expect has an error, so it cannot have or-errors, which allow success`);
  }
  return { pages: pages ?? null, faults: faults ?? null, error: error ?? null, orErrors };
}
