import { closeSync, existsSync, openSync } from "node:fs";
import type { PageCount, PageIndex } from "@hms/hmm";
import { type ErrnoName, HmsError } from "@hms/topology";
import { __NR_close, __NR_ioctl, __NR_openat, O_CLOEXEC, O_RDWR } from "../sys/abi.generated.ts";
import { errnoName } from "../sys/errno.ts";
import { type ByteCount, PAGE_BYTES } from "../sys/units.ts";
import type { SystemCalls } from "./calls.ts";
import { answered } from "./memory.ts";
import type { Room } from "./room.ts";

/** Commands of the kernel's test driver (lib/test_hmm_uapi.h), by the numbers of their ioctls. */
const COMMANDS = {
  read: 0,
  write: 1,
  "migrate-to-device": 2,
  "migrate-to-system": 3,
  snapshot: 4,
  exclusive: 5,
  "check-exclusive": 6,
  release: 7,
} as const;
export type DmirrorCommand = keyof typeof COMMANDS;

/** An ioctl's number: direction (1 write, 2 read), size of the argument, letter and number. */
function ioctlNumber(direction: number, bytes: ByteCount, letter: string, number: number): number {
  return direction * 2 ** 30 + bytes * 2 ** 16 + letter.charCodeAt(0) * 2 ** 8 + number;
}
const READ_WRITE = 3;
const WRITE_ONLY = 1;
const NO_ARGUMENT = 0;

const AT_FDCWD = -100;
/** `struct hmm_dmirror_cmd`: five words of 64 bits. */
const COMMAND_BYTES = 40;

/** Opens a file in whoever makes the calls. */
function openIn(calls: SystemCalls, room: Room, path: string): number {
  const flags = O_RDWR | O_CLOEXEC;
  return answered(calls.call(__NR_openat, AT_FDCWD, room.text(path), flags), `open of ${path}`);
}

/** What a command answers. */
export interface DmirrorResult {
  /** The kernel's name of the failure; null when there was none. */
  readonly error: ErrnoName | null;
  readonly pages: PageCount;
  readonly faults: number;
}

/** A device of the kernel's HMM test driver, opened: a mirror of whoever makes the calls. */
export class Dmirror {
  readonly fd: number;
  readonly #calls: SystemCalls;
  readonly #room: Room;

  constructor(calls: SystemCalls, room: Room, number: number) {
    this.#calls = calls;
    this.#room = room;
    this.fd = openIn(calls, room, devicePath(number));
  }

  /** `buffer` goes to the driver and comes back. Without pages to say (`release`) any range will do. */
  run(command: DmirrorCommand, first: PageIndex, count: PageCount, buffer: Uint8Array): DmirrorResult {
    const { address, argument: words, argumentAddress } = this.#room;
    this.#room.bytes(buffer.length).set(buffer);
    words.setBigUint64(0, BigInt(first) * BigInt(PAGE_BYTES), true);
    words.setBigUint64(8, BigInt(buffer.length === 0 ? 0 : address), true);
    words.setBigUint64(16, BigInt(count), true);
    words.setBigUint64(24, 0n, true);
    words.setBigUint64(32, 0n, true);
    const number = ioctlNumber(READ_WRITE, COMMAND_BYTES, "H", COMMANDS[command]);
    const result = this.#calls.call(__NR_ioctl, this.fd, number, argumentAddress);
    buffer.set(this.#room.bytes(buffer.length));
    const pages = Number(words.getBigUint64(24, true));
    const faults = Number(words.getBigUint64(32, true));
    this.#room.clear(buffer.length);
    if (result >= 0) return { error: null, pages, faults };
    const error = errnoName(result);
    if (error === null) answered(result, command);
    return { error, pages, faults };
  }

  close(): void {
    this.#calls.call(__NR_close, this.fd);
  }
}

/** `struct gup_test`. */
const GUP_BYTES = 80;
const GUP_BASIC = 4;
const GUP_PIN_LONG = 3;
const LONG_START = 7;
const LONG_STOP = 8;
/** `struct pin_longterm_test`. */
const LONG_BYTES = 24;
const GUP_TEST = "/sys/kernel/debug/gup_test";

/** Pins by the kernel's own test of them (CONFIG_GUP_TEST), in whoever makes the calls. */
export class GupTest {
  readonly #calls: SystemCalls;
  readonly #room: Room;
  readonly #fd: number;

  constructor(calls: SystemCalls, room: Room) {
    this.#calls = calls;
    this.#room = room;
    this.#fd = openIn(calls, room, GUP_TEST);
  }

  /** A short pin is taken and given back at once; a long one is held until `close()`, if it is the first. */
  pin(first: PageIndex, count: PageCount, kind: "short" | "long", write: boolean): void {
    if (kind === "long" && this.#hold(first, count, write)) return;
    const words = this.#room.argument;
    for (let i = 0; i < GUP_BYTES; i += 8) words.setBigUint64(i, 0n, true);
    words.setBigUint64(16, BigInt(first) * BigInt(PAGE_BYTES), true);
    words.setBigUint64(24, BigInt(count) * BigInt(PAGE_BYTES), true);
    words.setUint32(32, count, true);
    words.setUint32(36, write ? 1 : 0, true);
    const call = kind === "long" ? GUP_PIN_LONG : GUP_BASIC;
    this.#ioctl(ioctlNumber(READ_WRITE, GUP_BYTES, "g", call));
  }

  /** The kernel holds one long pin at a time. */
  #hold(first: PageIndex, count: PageCount, write: boolean): boolean {
    const words = this.#room.argument;
    words.setBigUint64(0, BigInt(first) * BigInt(PAGE_BYTES), true);
    words.setBigUint64(8, BigInt(count) * BigInt(PAGE_BYTES), true);
    words.setBigUint64(16, write ? 1n : 0n, true);
    const number = ioctlNumber(WRITE_ONLY, LONG_BYTES, "g", LONG_START);
    return this.#calls.call(__NR_ioctl, this.#fd, number, this.#room.argumentAddress) >= 0;
  }

  #ioctl(number: number): void {
    answered(this.#calls.call(__NR_ioctl, this.#fd, number, this.#room.argumentAddress), "pin");
  }

  close(): void {
    this.#calls.call(__NR_ioctl, this.#fd, ioctlNumber(NO_ARGUMENT, 0, "g", LONG_STOP), 0);
    this.#calls.call(__NR_close, this.#fd);
  }
}

const devicePath = (number: number): string => `/dev/hmm_dmirror${number}`;
/** Of each kind: 0 and 1 are private, 2 and 3 coherent. */
export const DEVICES_PER_KIND = 2;

/** What the running kernel has for cases. */
export interface DmirrorFacts {
  readonly privateDevices: number;
  readonly coherentDevices: number;
  readonly pins: boolean;
}

/**
 * Looks for the kernel's HMM test device.
 *
 * @throws HmsError NO_TEST_DEVICE (ENODEV) without one, NO_RIGHT (EACCES) when it may not be opened.
 */
export function findDmirror(): DmirrorFacts {
  const numbers = [0, 1, 2, 3].filter((number) => existsSync(devicePath(number)));
  if (!numbers.includes(0)) {
    const text = `The kernel's HMM test device is needed and ${devicePath(0)} is not there; boot a kernel with CONFIG_TEST_HMM=m and load it (modprobe test_hmm), or use a guest of the lab (npm run lab -- conform).`;
    throw new HmsError("NO_TEST_DEVICE", "ENODEV", text);
  }
  try {
    closeSync(openSync(devicePath(0), "r+"));
  } catch {
    const text = `The kernel's HMM test device is needed and ${devicePath(0)} may not be opened; run as root.`;
    throw new HmsError("NO_RIGHT", "EACCES", text);
  }
  const coherent = numbers.filter((number) => number >= DEVICES_PER_KIND).length;
  return {
    privateDevices: numbers.length - coherent,
    coherentDevices: coherent,
    pins: existsSync(GUP_TEST),
  };
}
