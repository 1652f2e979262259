import { IntervalTree } from "./interval-tree.ts";
import { Region, type RegionOptions } from "./region.ts";
import { PAGE_LIMIT, type PageCount, type PageIndex } from "./units.ts";

/** The regions of a space: split and merged as ranges change, found in logarithmic time. */
export class RegionStore {
  readonly #tree = new IntervalTree<Region>();
  #last: Region | null = null;
  #pages: PageCount = 0;

  /** Number of regions. */
  get size(): number {
    return this.#tree.size;
  }

  /** Pages of all regions together. */
  get pages(): PageCount {
    return this.#pages;
  }

  /** The region that holds the page, or null. */
  at(page: PageIndex): Region | null {
    const last = this.#last;
    if (last !== null && page >= last.first && page < last.end) return last;
    const found = this.#tree.before(page);
    if (found === null || page >= found.end) return null;
    this.#last = found;
    return found;
  }

  /** The first region that begins at or after the page, or null. */
  after(page: PageIndex): Region | null {
    return this.#tree.after(page);
  }

  /** The regions that overlap the range, in order; a new array. */
  within(first: PageIndex, end: PageIndex): Region[] {
    const found: Region[] = [];
    this.#tree.overlapping(first, end, found);
    return found;
  }

  /** Whether regions cover every page of the range. */
  covers(first: PageIndex, end: PageIndex): boolean {
    let page = first;
    while (page < end) {
      const region = this.at(page);
      if (region === null) return false;
      page = region.end;
    }
    return true;
  }

  /**
   * The regions that the range is in, if it is all of one piece: one region, or neighbours that differ in rights and
   * advice only, as protecting a part leaves them. Empty if it is not.
   */
  piece(first: PageIndex, end: PageIndex): Region[] {
    const found = this.within(first, end);
    const whole =
      (found[0]?.first ?? end) <= first &&
      (found.at(-1)?.end ?? first) >= end &&
      found.every((region, i) => i === 0 || found[i - 1]?.goesOnIn(region));
    return whole ? found : [];
  }

  /** Adds a region where there is none, and merges it with its neighbours. */
  add(first: PageIndex, end: PageIndex, options: RegionOptions): Region {
    return this.#insert(new Region(first, end, options));
  }

  /** Removes the range from all regions, splitting those that reach beyond it. */
  remove(first: PageIndex, end: PageIndex): void {
    for (const region of this.#overlapping(first, end)) {
      this.#delete(region);
      if (region.first < first) this.#put(region.with(region.first, first));
      if (region.end > end) this.#put(region.with(end, region.end));
    }
  }

  /** Changes properties of the regions in the range, splitting and merging as needed. */
  change(first: PageIndex, end: PageIndex, change: Partial<RegionOptions>): void {
    const found = this.#overlapping(first, end);
    for (const region of found) this.#delete(region);
    for (const region of found) {
      const from = Math.max(first, region.first);
      const to = Math.min(end, region.end);
      if (region.first < from) this.#insert(region.with(region.first, from));
      this.#insert(region.with(from, to, change));
      if (region.end > to) this.#insert(region.with(to, region.end));
    }
  }

  /** The first gap of that many pages from `from` on, with an alignment in pages; null when there is none. */
  gap(from: PageIndex, pages: PageCount, alignment: PageCount): PageIndex | null {
    let page = align(from, alignment);
    while (page + pages <= PAGE_LIMIT) {
      const inside = this.at(page);
      const next = inside ?? this.after(page);
      if (next === null || next.first >= page + pages) return page;
      page = align(next.end, alignment);
    }
    return null;
  }

  /** All regions, in order. */
  all(): Region[] {
    return this.#tree.items();
  }

  #overlapping(first: PageIndex, end: PageIndex): Region[] {
    const found: Region[] = [];
    this.#tree.overlapping(first, end, found);
    return found;
  }

  #insert(region: Region): Region {
    let { first, end } = region;
    const left = first > 0 ? this.at(first - 1) : null;
    const right = this.at(end);
    let { offset } = region;
    if (left?.joins(region)) {
      this.#delete(left);
      first = left.first;
      offset = left.offset;
    }
    if (right !== null && region.joins(right)) {
      this.#delete(right);
      end = right.end;
    }
    const merged =
      first === region.first && end === region.end ? region : region.with(first, end, { offset });
    this.#put(merged);
    return merged;
  }

  #put(region: Region): void {
    this.#tree.add(region);
    this.#pages += region.end - region.first;
    this.#last = region;
  }

  #delete(region: Region): void {
    this.#tree.delete(region);
    this.#pages -= region.end - region.first;
    if (this.#last === region) this.#last = null;
  }
}

function align(page: PageIndex, alignment: PageCount): PageIndex {
  return Math.ceil(page / alignment) * alignment;
}
