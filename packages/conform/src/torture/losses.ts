import { COHERENT, EXCLUSIVE, isDeviceFrame, KIND, LOST, PRIVATE } from "@hms/hmm";
import type { Run } from "./run.ts";
import { SPACES } from "./world.ts";

/** Watches what goes when devices disappear: exactly what only they held, each page reported, nothing else. */
export class Losses {
  readonly #run: Run;
  /** Places of devices that have disappeared during the operation. */
  readonly #gone: number[] = [];
  /** Pages that were reported, as `space id * 2^20 + page of the window`. */
  readonly #reported = new Set<number>();
  /** Pages that had to go, when nothing else was under way. */
  #predicted: Set<number> | null = null;

  constructor(run: Run) {
    this.#run = run;
  }

  /** A device disappears. */
  disappear(index: number): void {
    const { world, loose } = this.#run;
    const device = world.device(index);
    if (device.device.gone) return;
    this.#predicted = loose ? null : this.#predict(index);
    const { lost } = device.disappear();
    for (const { space, first, count } of lost) {
      for (let page = first; page < first + count; page++) this.#report(space, page);
    }
    this.#gone.push(index);
  }

  #report(space: number, page: number): void {
    this.#reported.add(space * 2 ** 20 + (page - this.#run.world.base));
  }

  /** The pages that are in the device's memory and nowhere else. */
  #predict(index: number): Set<number> {
    const { world } = this.#run;
    const { memory } = world.device(index);
    const pages = new Set<number>();
    for (let space = 0; space < SPACES; space++) {
      const process = world.process(space);
      if (process === null) continue;
      for (let page = 0; page < world.profile.windowPages; page++) {
        const kind = process.space.table.flagsAt(world.base + page) & KIND;
        const frame = process.space.table.frameAt(world.base + page);
        const here = isDeviceFrame(frame) && memory.holds(frame);
        if (here && (kind === PRIVATE || kind === COHERENT || kind === EXCLUSIVE))
          pages.add(process.space.id * 2 ** 20 + page);
      }
    }
    return pages;
  }

  /** After everything that was under way: what is lost now was reported, and had to go. */
  settle(): void {
    if (this.#gone.length === 0) return;
    const { world } = this.#run;
    // What a migration had under way is recorded when it ends.
    const recorded = this.#run.loose ? world.host.core.records.losses.list() : [];
    for (const { space, first, count } of recorded) {
      for (let page = first; page < first + count; page++) this.#report(space, page);
    }
    let found = 0;
    for (let space = 0; space < SPACES; space++) found += this.#settleSpace(space);
    if (this.#predicted !== null && found !== this.#predicted.size) {
      world.fail(`${found} pages went with the device, ${this.#predicted.size} were only there`);
    }
    for (const index of this.#gone) {
      world.device(index).close();
      world.plug(index);
    }
    this.#gone.length = 0;
    this.#reported.clear();
    this.#predicted = null;
  }

  /** A fork under way copies what its parent has lost: that was reported for the parent. */
  #inherited(page: number): boolean {
    if (!this.#run.loose) return false;
    for (const key of this.#reported) if (key % 2 ** 20 === page) return true;
    return false;
  }

  #settleSpace(space: number): number {
    const { world } = this.#run;
    const process = world.process(space);
    if (process === null) return 0;
    const shadow = world.shadow(space);
    let found = 0;
    for (let page = 0; page < shadow.pages; page++) {
      if ((process.space.table.flagsAt(world.base + page) & KIND) !== LOST || shadow.lost[page] === 1)
        continue;
      const key = process.space.id * 2 ** 20 + page;
      if (!this.#reported.has(key) && !this.#inherited(page))
        world.fail(`page ${page} of process ${space} is lost, but was not reported`);
      if (this.#predicted !== null && !this.#predicted.has(key)) {
        world.fail(
          `page ${page} of process ${space} is lost, but the device that disappeared did not have it`,
        );
      }
      this.#run.own(shadow, page);
      shadow.lost[page] = 1;
      shadow.pinned[page] = 0;
      found++;
    }
    return found;
  }
}
