import { NAME_BYTES } from "./options.ts";

const encoder = new TextEncoder();

/**
 * What a region is called, here and in reports: a name that is too long is cut between two characters, before `suffix`.
 * Half a character in it becomes U+FFFD.
 */
export function labelOf(name: string, suffix: string = ""): string {
  const whole = name.toWellFormed();
  const room = new Uint8Array(NAME_BYTES - Buffer.byteLength(suffix));
  return whole.slice(0, encoder.encodeInto(whole, room).read) + suffix;
}
