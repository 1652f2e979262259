// Random scenarios in the portable words of the case format, made from a seed, and what a host answers to each step.
// The kernel's answers are the measure: compare-hosts.ts holds the model host to them.
import { createHash } from "node:crypto";
import { HmsError } from "@hms/topology";
import type { Command, DeviceKind, Protection } from "../../packages/conform/src/format/case.ts";
import type { CaseDevice, CaseFile, CaseHost, PageSpan } from "../../packages/conform/src/host.ts";

const PAGE = 4096;

/** One step, with all that a host needs to know; spans are relative to a region of the scenario. */
export type Step =
  | {
      readonly do: "map";
      readonly as: number;
      readonly pages: number;
      readonly protection: Protection;
      readonly share: "private" | "shared";
      readonly file: boolean;
      readonly huge: boolean;
    }
  | { readonly do: "unmap" | "touch" | "load"; readonly part: Part }
  | { readonly do: "store"; readonly part: Part; readonly value: number }
  | { readonly do: "protect"; readonly part: Part; readonly protection: Protection }
  | { readonly do: "advise"; readonly part: Part }
  | { readonly do: "remap"; readonly part: Part; readonly as: number; readonly keepOld: boolean }
  | { readonly do: "pin"; readonly part: Part; readonly write: boolean }
  | {
      readonly do: "device";
      readonly device: number;
      readonly command: Command;
      readonly part: Part;
      readonly value: number;
    };

export interface Part {
  readonly region: number;
  readonly first: number;
  readonly pages: number;
}

export interface Scenario {
  readonly seed: number;
  readonly devices: readonly DeviceKind[];
  readonly steps: readonly Step[];
}

/** A small generator of numbers from a seed (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/**
 * The scenario of a seed. With private devices, the range is touched by the CPU before a device reads or writes it if
 * anything may have taken the device's table entries away: the 6.12 test driver cannot read its own private pages
 * after a fault, and brings the machine down.
 */
export function scenarioOf(seed: number): Scenario {
  const random = numbers(seed);
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  const kind: DeviceKind = pick(["private", "coherent"]);
  const devices: DeviceKind[] = random(2) === 0 ? [kind] : [kind, kind];
  const regions: { id: number; pages: number }[] = [];
  const steps: Step[] = [];
  let next = 0;
  const huge = random(8) === 0;
  const map = (): void => {
    const pages = huge ? 512 * (1 + random(2)) : 1 + random(12);
    steps.push({
      do: "map",
      as: next,
      pages,
      protection: pick(["rw", "rw", "rw", "rw", "r", "none"]),
      share: pick(["private", "private", "private", "shared"]),
      file: !huge && random(5) === 0,
      huge,
    });
    regions.push({ id: next++, pages });
  };
  const part = (): Part => {
    const region = pick(regions);
    const first = random(3) === 0 ? random(region.pages) : 0;
    const pages = random(2) === 0 ? region.pages - first : 1 + random(region.pages - first);
    return { region: region.id, first, pages };
  };
  map();
  const count = 4 + random(24);
  while (steps.length < count) {
    const where = part();
    const choice = random(100);
    if (choice < 6) map();
    else if (choice < 20) steps.push({ do: "store", part: where, value: 1 + random(1 << 20) });
    else if (choice < 28) steps.push({ do: "load", part: where });
    else if (choice < 33) steps.push({ do: "touch", part: where });
    else if (choice < 41)
      steps.push({ do: "protect", part: where, protection: pick(["rw", "rw", "r", "r", "none"]) });
    else if (choice < 45) steps.push({ do: "advise", part: where });
    else if (choice < 48) steps.push({ do: "unmap", part: where });
    else if (choice < 51) {
      steps.push({ do: "remap", part: where, as: next, keepOld: random(3) === 0 });
      regions.push({ id: next++, pages: where.pages });
    } else if (choice < 54) steps.push({ do: "pin", part: where, write: random(2) === 0 });
    else {
      const command: Command = pick([
        "read",
        "read",
        "write",
        "write",
        "migrate-to-device",
        "migrate-to-device",
        "migrate-to-device",
        "migrate-to-system",
        "snapshot",
        "snapshot",
        "exclusive",
        "check-exclusive",
        "release",
      ]);
      if (kind === "private" && (command === "read" || command === "write"))
        steps.push({ do: "touch", part: where });
      steps.push({
        do: "device",
        device: random(devices.length),
        command,
        part: where,
        value: 1 + random(1 << 20),
      });
    }
  }
  for (const region of regions) {
    const whole = { region: region.id, first: 0, pages: region.pages };
    for (let device = 0; device < devices.length; device++) {
      steps.push({ do: "device", device, command: "snapshot", part: whole, value: 0 });
    }
    for (let first = 0; first < region.pages; first++)
      steps.push({ do: "load", part: { ...whole, first, pages: 1 } });
  }
  return { seed, devices, steps };
}

/** What a host answered to each step, as short text that can be compared. */
export async function answersOf(scenario: Scenario, host: CaseHost): Promise<string[]> {
  const machine = await host.start();
  const answers: string[] = [];
  const places = new Map<number, { page: number; pages: number }>();
  try {
    const { process } = machine;
    const devices: CaseDevice[] = [];
    for (const [index, kind] of scenario.devices.entries())
      devices.push(await process.openDevice(kind, index));
    const span = (part: Part): PageSpan => {
      const place = places.get(part.region);
      if (place === undefined) throw new HmsError("ABSENT", null, "region was not made");
      return { page: place.page + part.first, pages: part.pages };
    };
    for (const step of scenario.steps) {
      answers.push(await answer(step));
    }
    for (const device of devices) await device.close();
    await process.end("exit");
    const wrong = (await machine.audit?.()) ?? null;
    if (wrong !== null) answers.push(wrong);

    async function answer(step: Step): Promise<string> {
      try {
        switch (step.do) {
          case "map": {
            let file: CaseFile | null = null;
            if (step.file) file = await process.createFile("file", filled(step.pages, 7 + step.as), null);
            const { pages, protection, share } = step;
            const backing =
              file === null ? ({ kind: "anonymous" } as const) : ({ kind: "file", file } as const);
            const page = await process.map({ pages, protection, share, backing, huge: step.huge, at: null });
            places.set(step.as, { page, pages });
            return "mapped";
          }
          case "unmap":
            await process.unmap(span(step.part));
            return "unmapped";
          case "touch":
            return await eachPage(step.part, async (page) => {
              await process.touch({ page, pages: 1 });
              return "touched";
            });
          case "load":
            return await eachPage(step.part, async (page) => {
              const bytes = new Uint8Array(PAGE);
              await process.load(page, bytes);
              return digest(bytes);
            });
          case "store":
            return await eachPage(step.part, async (page, i) => {
              await process.store(page, filled(1, huge(scenario) ? step.value : step.value + i));
              return "stored";
            });
          case "protect":
            await process.protect(span(step.part), step.protection);
            return "protected";
          case "advise":
            await process.advise(span(step.part), "dontneed");
            return "advised";
          case "remap": {
            const page = await process.remap(span(step.part), step.keepOld);
            places.set(step.as, { page, pages: step.part.pages });
            return "moved";
          }
          case "pin":
            await process.pin(span(step.part), "short", step.write);
            return "pinned";
          case "device":
            return await device(step);
        }
      } catch (error) {
        if (HmsError.is(error)) return `error ${error.errno ?? error.code}`;
        throw error;
      }
    }

    async function eachPage(
      part: Part,
      access: (page: number, i: number) => Promise<string>,
    ): Promise<string> {
      const { page, pages } = span(part);
      const each: string[] = [];
      for (let i = 0; i < pages; i++) {
        each.push(
          await access(page + i, i).catch((error: unknown) => {
            if (HmsError.is(error)) return `error ${error.errno ?? error.code}`;
            throw error;
          }),
        );
      }
      return runs(each);
    }

    async function device(step: Step & { do: "device" }): Promise<string> {
      const { command, part, value } = step;
      const where = span(part);
      const buffer = command === "write" ? filled(part.pages, value) : new Uint8Array(part.pages * PAGE);
      const device = devices[step.device];
      if (device === undefined) throw new Error(`no device ${step.device}`);
      const { error, pages, faults } = await device.run(command, where, buffer);
      if (error !== null) return `${command} ${error}`;
      const got =
        command === "snapshot"
          ? runs([...buffer.subarray(0, part.pages)].map((code) => code.toString(16)))
          : command === "write"
            ? ""
            : digest(buffer);
      return `${command} pages ${pages} faults ${faults} ${got}`;
    }
  } finally {
    await machine.close();
  }
  return answers;
}

function filled(pages: number, value: number): Uint8Array {
  const words = new Uint32Array((pages * PAGE) / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(value, i + 1);
  return new Uint8Array(words.buffer);
}

function huge(scenario: Scenario): boolean {
  return scenario.steps.some((step) => step.do === "map" && step.huge);
}

/** Equal neighbours once, with their number. */
function runs(words: readonly string[]): string {
  const parts: string[] = [];
  for (let i = 0; i < words.length; ) {
    let end = i + 1;
    while (end < words.length && words[end] === words[i]) end++;
    parts.push(end - i > 1 ? `${words[i]}*${end - i}` : (words[i] ?? ""));
    i = end;
  }
  return parts.join(" ");
}

function digest(bytes: Uint8Array): string {
  return bytes.every((byte) => byte === 0)
    ? "zeros"
    : createHash("sha1").update(bytes).digest("hex").slice(0, 10);
}
