import { PAGE_BYTES, type PageCount, type PageIndex } from "@hms/hmm";
import { DataFile } from "./sys/disk.ts";
import { bufferAt } from "./sys/memory.ts";

/** The file behind a private region: read when a page is first touched, never written. */
export class FileSource implements Disposable {
  readonly #file: DataFile;
  #users = 1;

  /** Throws what opening the file answers (ENOENT, EACCES). */
  constructor(path: string) {
    this.#file = DataFile.openRegular(path, { writable: false });
  }

  /** Reads whole pages to an address; beyond the end of the file are zeros. The bytes read, or −errno. */
  read(page: PageIndex, count: PageCount, address: number): number {
    return readPages(this.#file, page, count, address);
  }

  /** One more region reads it. */
  share(): this {
    this.#users++;
    return this;
  }

  /** A region reads it no more; the last one closes it. */
  [Symbol.dispose](): void {
    if (--this.#users === 0) this.#file.close();
  }
}

/** Reads whole pages of a file to an address that holds at least 2 MiB; beyond the end of the file are zeros. */
export function readPages(file: DataFile, page: PageIndex, count: PageCount, address: number): number {
  const got = file.pread(address, count * PAGE_BYTES, page * PAGE_BYTES);
  if (got < 0) return got;
  if (got < count * PAGE_BYTES) new Uint8Array(bufferAt(address + got, count * PAGE_BYTES - got)).fill(0);
  return got;
}
