import { HmsError } from "@hms/topology";
import type { ForkStep, MapStep, Step, TestCase } from "../format/case.ts";
import { requirementsOf } from "../format/needs.ts";
import { fillWords, PAGE_BYTES } from "../format/words.ts";
import type { CaseHost, CaseMachine, MapRequest } from "../host.ts";
import { Actor } from "./actor.ts";
import { command } from "./command.ts";
import { check, expectEnd, fileCheck, fill, increment, title } from "./cpu.ts";
import { explain, inject, migrate, notifications, race, reclaim } from "./extended.ts";
import { type Outcome, StepFailure } from "./outcome.ts";

/** Called before each step: what a long run shows of itself. */
export type OnStep = (label: string) => void;

/** Runs one case on a host. Whatever a step throws becomes a failed outcome: one bad case never ends a run. */
export async function runCase(test: TestCase, host: CaseHost, onStep?: OnStep): Promise<Outcome> {
  const missing = missingOn(host, test);
  if (missing.length > 0) return { result: "skipped", missing };
  let current: Step | null = null;
  let machine: CaseMachine | null = null;
  try {
    host.begins?.(test.name);
    machine = await host.start();
    const actor = new Actor(machine.process);
    await actor.openDevices(test.devices);
    const runner = new Runner(test, machine, (step) => {
      current = step;
      host.begins?.(`${test.name}, step ${step.label}`);
      onStep?.(step.label);
    });
    await runner.steps(test.steps, actor);
    current = null;
    await actor.closeDevices();
    await machine.process.end("exit");
    const wrong = (await machine.audit?.()) ?? null;
    if (wrong !== null) throw new Error(`after the last step: ${wrong}`);
    return { result: "passed" };
  } catch (error) {
    return toFailure(error, current);
  } finally {
    await machine?.close();
    host.begins?.(null);
  }
}

/** What a case needs and a host has not, by name. */
export function missingOn(host: CaseHost, test: TestCase): readonly string[] {
  const { capabilities, devices } = requirementsOf(test);
  const missing = capabilities.filter((name) => !host.capabilities.has(name));
  for (const kind of ["private", "coherent"] as const) {
    if (devices[kind] > host.devices[kind] && !missing.includes(kind)) {
      missing.push(`${devices[kind]} ${kind} devices (the host has ${host.devices[kind]})`);
    }
  }
  return missing;
}

function toFailure(error: unknown, step: Step | null): Outcome {
  const place = error instanceof StepFailure ? error.place : step;
  const known = error instanceof StepFailure || HmsError.is(error);
  const text =
    error instanceof Error ? (known ? error.message : (error.stack ?? error.message)) : String(error);
  const values = error instanceof StepFailure ? error : null;
  return {
    result: "failed",
    step: place?.label ?? null,
    line: place?.line ?? null,
    message: text,
    expected: values?.expected ?? null,
    actual: values?.actual ?? null,
  };
}

class Runner {
  readonly #test: TestCase;
  readonly #machine: CaseMachine;
  readonly #onStep: (step: Step) => void;

  constructor(test: TestCase, machine: CaseMachine, onStep: (step: Step) => void) {
    this.#test = test;
    this.#machine = machine;
    this.#onStep = onStep;
  }

  async steps(steps: readonly Step[], actor: Actor): Promise<void> {
    for (const step of steps) {
      this.#onStep(step);
      await this.#step(step, actor);
      const wrong = (await this.#machine.audit?.()) ?? null;
      if (wrong !== null) throw new StepFailure(step, `after this step: ${wrong}`);
    }
  }

  async #step(step: Step, actor: Actor): Promise<void> {
    switch (step.step) {
      case "map":
        return this.#map(step, actor);
      case "fork":
        return this.#fork(step, actor);
      case "repeat":
        for (const round of step.rounds) await this.steps(round, actor);
        return;
      case "fill":
        return fill(actor, step);
      case "check":
        return check(actor, step);
      case "increment":
        return increment(actor, step);
      case "file-check":
        return fileCheck(actor, step);
      case "device":
        return command(actor, step);
      case "race":
        return race(actor, step, () => this.steps(step.steps, actor));
      case "notifications":
        return notifications(actor, step);
      case "inject":
        return inject(actor, step);
      case "reclaim":
        return reclaim(actor, step);
      case "migrate":
        return migrate(actor, step);
      case "explain":
        return explain(actor, step);
      default:
        return this.#plain(step, actor);
    }
  }

  /** The steps that are one call of the process. */
  async #plain(
    step: Extract<Step, { step: "unmap" | "protect" | "remap" | "advise" | "touch" | "pin" }>,
    actor: Actor,
  ): Promise<void> {
    const place = actor.place(step.part, step);
    const { process } = actor;
    const error = "error" in step ? step.error : null;
    await expectEnd(step, error, `${step.step} of ${title(place)}`, async () => {
      switch (step.step) {
        case "unmap":
          return process.unmap(place);
        case "protect":
          return process.protect(place, step.protection);
        case "advise":
          return process.advise(place, step.advice);
        case "touch":
          return process.touch(place);
        case "pin":
          return process.pin(place, step.kind, step.write);
        case "remap": {
          const page = await process.remap(place, step.keepOld);
          const { file } = place.region;
          const moved = file === null ? null : { file: file.file, firstPage: file.firstPage + place.first };
          actor.addRegion({ name: step.to, page, pages: place.pages, file: moved });
        }
      }
    });
  }

  async #map(step: MapStep, actor: Actor): Promise<void> {
    const { at, pages } = actor.target(step);
    await expectEnd(step, null, `mapping ${step.as}`, async () => {
      const backing = await this.#backing(step, pages, actor);
      const request: MapRequest = {
        pages,
        protection: step.protection,
        share: step.share,
        backing,
        huge: step.huge,
        at,
      };
      const page = await actor.process.map(request);
      const file = "file" in backing ? { file: backing.file, firstPage: 0 } : null;
      actor.addRegion({ name: step.as, page, pages, file });
    });
  }

  async #backing(step: MapStep, pages: number, actor: Actor): Promise<MapRequest["backing"]> {
    const { backing } = step;
    if (backing.kind === "device") return { kind: "device", device: actor.device(backing.device, step) };
    if (backing.kind === "anonymous" || backing.kind === "hugetlb") return { kind: backing.kind };
    const content = new Uint8Array(pages * PAGE_BYTES);
    if (step.fileWords !== null) fillWords(new Uint32Array(content.buffer), step.fileWords, 0);
    const sharing = step.reflink === null ? null : actor.region(step.reflink, step).file;
    if (step.reflink !== null && sharing === null) {
      throw new StepFailure(step, `region ${step.reflink} has no file whose extents could be shared`);
    }
    return {
      kind: backing.kind,
      file: await actor.process.createFile(backing.kind, content, sharing?.file ?? null),
    };
  }

  async #fork(step: ForkStep, actor: Actor): Promise<void> {
    const child = await actor.fork(this.#test.devices);
    await this.steps(step.child, child);
    await this.steps(step.parent, actor);
    if (step.ends === "exit") await child.closeDevices();
    await child.process.end(step.ends);
  }
}
