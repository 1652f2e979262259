// What every byte must be: a plain copy of what programs see, which knows nothing of devices, frames or migrations.

/** Words of each page that are played with; all other bytes stay zero. */
export const WORDS = 3;
/** Where they are in the page: its first and last bytes, so that a page that is half of another shows, and the middle. */
export const WORD_OFFSETS: readonly number[] = [0, 2052, 4092];

/** What a page of a process is backed by. */
export const ANONYMOUS = 0;
/** A private mapping of a file: the file's page until it is written. */
export const FILE_PRIVATE = 1;
/** A shared mapping of a file, or shared anonymous memory. */
export const FILE_SHARED = 2;

/** Access of a page: nothing is mapped. */
export const UNMAPPED = 0;
export const NO_ACCESS = 1;
export const READ_ONLY = 2;
export const READ_WRITE = 3;

/** What a file must hold. */
export class FileShadow {
  readonly words: Int32Array;
  /** Its size. */
  pages: number;
  readonly kind: "disk" | "memory" | "dax";

  constructor(kind: "disk" | "memory" | "dax", pages: number, capacity: number) {
    this.kind = kind;
    this.pages = pages;
    this.words = new Int32Array(capacity * WORDS);
  }
}

/** What a process must see, page by page of its window. */
export class SpaceShadow {
  readonly access: Uint8Array;
  readonly flavour: Uint8Array;
  /** Number of the file, and the page of it. */
  readonly file: Uint8Array;
  readonly filePage: Uint16Array;
  /** A private mapping's page is the process's own. */
  readonly copied: Uint8Array;
  /** The page went with a device. */
  readonly lost: Uint8Array;
  readonly words: Int32Array;
  /** Frame plus one that a pin holds the page to; 0: none. */
  readonly pinned: Uint32Array;
  readonly pages: number;

  constructor(pages: number) {
    this.pages = pages;
    this.access = new Uint8Array(pages);
    this.flavour = new Uint8Array(pages);
    this.file = new Uint8Array(pages);
    this.filePage = new Uint16Array(pages);
    this.copied = new Uint8Array(pages);
    this.lost = new Uint8Array(pages);
    this.words = new Int32Array(pages * WORDS);
    this.pinned = new Uint32Array(pages);
  }

  /** Whether the page's words are the process's own, not a file's. */
  owns(page: number): boolean {
    return (
      this.flavour[page] === ANONYMOUS || (this.flavour[page] === FILE_PRIVATE && this.copied[page] === 1)
    );
  }

  /** The page is gone, or begins anew. */
  clear(page: number): void {
    this.copied[page] = 0;
    this.lost[page] = 0;
    this.pinned[page] = 0;
    this.words.fill(0, page * WORDS, page * WORDS + WORDS);
  }

  /** Takes over all of another page, pins apart. */
  copyPage(to: number, from: SpaceShadow, page: number): void {
    this.access[to] = from.access[page] ?? 0;
    this.flavour[to] = from.flavour[page] ?? 0;
    this.file[to] = from.file[page] ?? 0;
    this.filePage[to] = from.filePage[page] ?? 0;
    this.copied[to] = from.copied[page] ?? 0;
    this.lost[to] = from.lost[page] ?? 0;
    this.pinned[to] = 0;
    for (let word = 0; word < WORDS; word++)
      this.words[to * WORDS + word] = from.words[page * WORDS + word] ?? 0;
  }
}
