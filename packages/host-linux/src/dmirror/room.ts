import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, MADV_DOFORK } from "../sys/abi.generated.ts";
import { closeFd, fallocate, Mapping, madvise, memfdCreate } from "../sys/memory.ts";
import { type Address, type ByteCount, PAGE_BYTES } from "../sys/units.ts";

/** The longest range that a device's command or an access can have at once. */
const ROOM_BYTES: ByteCount = 2 ** 32;
/** Not more than this is kept between two uses. */
const KEPT_BYTES: ByteCount = 2 ** 20;

/** Memory that this process and those that it forks see, by the same address: for what system calls are given. */
export class Room implements Disposable {
  readonly fd: number;
  /** Its first byte: data. */
  readonly address: Address;
  /** A page for the argument of a call. */
  readonly argumentAddress: Address;
  readonly argument: DataView<ArrayBuffer>;
  readonly #mapping: Mapping;

  /** Throws `NO_DESCRIPTOR`, `OUT_OF_MEMORY`. */
  constructor() {
    this.fd = memfdCreate("hms cases", ROOM_BYTES + PAGE_BYTES);
    this.#mapping = Mapping.shared(this.fd, ROOM_BYTES + PAGE_BYTES, { noReserve: true });
    this.address = this.#mapping.address;
    madvise(this.address, this.#mapping.bytes, MADV_DOFORK);
    this.argumentAddress = this.address + ROOM_BYTES;
    this.argument = new DataView(this.#mapping.view().buffer, ROOM_BYTES, PAGE_BYTES);
  }

  /** Its first bytes; they hold what was last put there. */
  bytes(count: ByteCount): Uint8Array<ArrayBuffer> {
    if (count > ROOM_BYTES) throw new RangeError(`${count} bytes do not fit in ${ROOM_BYTES}`);
    return this.#mapping.view().subarray(0, count);
  }

  /** What its first bytes held is not needed any more. */
  clear(count: ByteCount): void {
    if (count > KEPT_BYTES) fallocate(this.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, count);
  }

  /** A text for a call, ended as C has it: its address. */
  text(words: string): Address {
    const bytes = new TextEncoder().encode(`${words}\0`);
    bytes.forEach((byte, i) => {
      this.argument.setUint8(i, byte);
    });
    return this.argumentAddress;
  }

  [Symbol.dispose](): void {
    this.#mapping.close();
    closeFd(this.fd);
  }
}
