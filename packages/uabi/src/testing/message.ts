// Messages by hand, for tests that send what no client would.
import { padded } from "../wire.ts";

export interface RawAttribute {
  readonly id: number;
  readonly flags?: number;
  readonly payload: Uint8Array;
  /** Instead of the payload's length. */
  readonly length?: number;
}

export interface RawHeader {
  readonly object: number;
  readonly method: number;
  readonly kind?: number;
  readonly reserved?: number;
  /** Instead of the message's length. */
  readonly length?: number;
  /** Instead of the number of attributes. */
  readonly count?: number;
}

/** An attribute with its header and padding. */
export function attributeBytes({ id, flags = 0, payload, length }: RawAttribute): Uint8Array {
  const bytes = new Uint8Array(8 + padded(payload.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, id, true);
  view.setUint16(2, flags, true);
  view.setUint32(4, length ?? payload.length, true);
  bytes.set(payload, 8);
  return bytes;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function message(header: RawHeader, attributes: readonly RawAttribute[]): Uint8Array {
  const body = concat(attributes.map(attributeBytes));
  const bytes = concat([new Uint8Array(24), body]);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, header.length ?? bytes.length, true);
  view.setUint16(4, header.object, true);
  view.setUint16(6, header.method, true);
  view.setUint32(8, 1, true);
  view.setUint16(16, header.count ?? attributes.length, true);
  view.setUint16(18, header.kind ?? 0, true);
  view.setUint32(20, header.reserved ?? 0, true);
  return bytes;
}

export function u32(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(4 * i, value, true);
  });
  return bytes;
}

export function u64(...values: readonly (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setBigUint64(8 * i, BigInt(value), true);
  });
  return bytes;
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
