import { type FrameNumber, HUGE_PAGES, KEPT, NO_FRAME } from "@hms/hmm";
import type { ModelHost } from "./host.ts";

/** The pages of a shared hugetlb mapping, which every process that maps it sees. */
export class HugetlbPages {
  readonly #host: ModelHost;
  readonly #frames = new Map<number, FrameNumber>();

  constructor(host: ModelHost) {
    this.#host = host;
  }

  /** The first frame of the 2 MiB page with that number; NO_FRAME when the pool is empty. */
  fetch(number: number): FrameNumber {
    const there = this.#frames.get(number);
    if (there !== undefined) return there;
    const frame = this.#host.takeHugetlb();
    if (frame === NO_FRAME) return frame;
    this.#host.clear(frame, HUGE_PAGES);
    for (let i = 0; i < HUGE_PAGES; i++) this.#host.core.memories.host.set(frame + i, KEPT);
    this.#frames.set(number, frame);
    return frame;
  }

  /** Nothing maps it any more. */
  close(): void {
    for (const frame of this.#frames.values()) {
      for (let i = frame; i < frame + HUGE_PAGES; i++) {
        this.#host.core.memories.host.clear(i, KEPT);
        this.#host.core.put(i);
      }
    }
    this.#frames.clear();
  }
}

/** 2 MiB pages set aside when the host starts. */
export class HugetlbPool {
  readonly #free: FrameNumber[] = [];
  /** For each page in use the 4 KiB parts that were given back. */
  readonly #parts = new Map<FrameNumber, number>();
  readonly size: number;

  constructor(heads: readonly FrameNumber[]) {
    this.#free.push(...heads);
    for (const head of heads) this.#parts.set(head, HUGE_PAGES);
    this.size = heads.length;
  }

  get available(): number {
    return this.#free.length;
  }

  /** NO_FRAME when there is none. */
  take(): FrameNumber {
    const head = this.#free.pop();
    if (head === undefined) return NO_FRAME;
    this.#parts.set(head, 0);
    return head;
  }

  /** Whether a frame belongs to the pool. */
  owns(frame: FrameNumber): boolean {
    return this.#parts.has(frame - (frame % HUGE_PAGES));
  }

  /** A part is given back; the page is free when all are. */
  give(frame: FrameNumber): void {
    const head = frame - (frame % HUGE_PAGES);
    const parts = (this.#parts.get(head) ?? 0) + 1;
    this.#parts.set(head, parts);
    if (parts === HUGE_PAGES) this.#free.push(head);
  }
}
