import type { DeviceKind, MapStep, Part, StepPlace } from "../format/case.ts";
import { resolvePart } from "../format/scope.ts";
import { PAGE_BYTES, WORDS_PER_PAGE } from "../format/words.ts";
import type { CaseDevice, CaseFile, CaseProcess } from "../host.ts";
import { StepFailure } from "./outcome.ts";

/** A region of a process, as the steps name it. */
export interface Region {
  readonly name: string;
  readonly page: number;
  readonly pages: number;
  /** The file behind it, with the page of the file that the region's first page shows; null: no file. */
  readonly file: { readonly file: CaseFile; readonly firstPage: number } | null;
  /** What each device's buffer for this region holds, as the program sees it; zero at first. */
  readonly buffers: Map<string, Uint32Array<ArrayBuffer>>;
}

/** A part of a region, resolved: where it is in the process, and which words of the region it holds. */
export interface Place {
  readonly region: Region;
  /** First page of the part, from the region's first page. */
  readonly first: number;
  readonly pages: number;
  /** Page of the process's address space. */
  readonly page: number;
  /** Number of the part's first word in the region. */
  readonly firstWord: number;
}

/** One process of a case: its regions and its open devices. */
export class Actor {
  readonly process: CaseProcess;
  readonly #regions = new Map<string, Region>();
  readonly #devices = new Map<string, CaseDevice>();

  constructor(process: CaseProcess) {
    this.process = process;
  }

  /** Opens the case's devices: the first private one is number 0 of its kind, and so on. */
  async openDevices(devices: ReadonlyMap<string, DeviceKind>): Promise<void> {
    const next = { private: 0, coherent: 0 };
    for (const [name, kind] of devices) {
      this.#devices.set(name, await this.process.openDevice(kind, next[kind]));
      next[kind]++;
    }
  }

  device(name: string, place: StepPlace): CaseDevice {
    const device = this.#devices.get(name);
    if (device === undefined) throw new StepFailure(place, `device ${name} is not open`);
    return device;
  }

  /** The case's name of an open device. */
  nameOf(device: CaseDevice): string {
    for (const [name, open] of this.#devices) if (open === device) return name;
    return "another device";
  }

  region(name: string, place: StepPlace): Region {
    const region = this.#regions.get(name);
    if (region === undefined) throw new StepFailure(place, `region ${name} is not mapped`);
    return region;
  }

  place(part: Part, at: StepPlace): Place {
    const region = this.region(part.region, at);
    const resolved = resolvePart(part, region.pages);
    if ("misfit" in resolved) throw new StepFailure(at, `the step names ${resolved.misfit}`);
    const { first, pages } = resolved;
    return { region, first, pages, page: region.page + first, firstWord: first * WORDS_PER_PAGE };
  }

  addRegion(region: Omit<Region, "buffers">): void {
    this.#regions.set(region.name, { ...region, buffers: new Map() });
  }

  /** The page that a `map` step maps at, and its number of pages. */
  target(step: MapStep): { readonly at: number | null; readonly pages: number } {
    if (step.at === null) return { at: null, pages: step.pages ?? 1 };
    const { page, pages } = this.place({ ...step.at, pages: step.pages }, step);
    return { at: page, pages };
  }

  /** What the device's buffer for a region holds, made at the first use. */
  buffer(region: Region, device: string): Uint32Array<ArrayBuffer> {
    let buffer = region.buffers.get(device);
    if (buffer === undefined) {
      buffer = new Uint32Array((region.pages * PAGE_BYTES) / 4);
      region.buffers.set(device, buffer);
    }
    return buffer;
  }

  /** The child's side of a fork: the same regions, buffers of its own with the same content, devices of its own. */
  async fork(devices: ReadonlyMap<string, DeviceKind>): Promise<Actor> {
    const child = new Actor(await this.process.fork());
    for (const [name, region] of this.#regions) {
      const buffers = new Map([...region.buffers].map(([device, words]) => [device, words.slice()]));
      child.#regions.set(name, { ...region, buffers });
    }
    await child.openDevices(devices);
    return child;
  }

  async closeDevices(): Promise<void> {
    for (const device of this.#devices.values()) await device.close();
    this.#devices.clear();
  }
}
