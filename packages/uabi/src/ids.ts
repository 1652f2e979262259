/** The lower half of a message's id: what tells the requests of one connection apart. */
export function idOf(message: Uint8Array): number {
  return (
    ((message[8] ?? 0) |
      ((message[9] ?? 0) << 8) |
      ((message[10] ?? 0) << 16) |
      ((message[11] ?? 0) << 24)) >>>
    0
  );
}

/** Gives a request its id, modulo 2^32; returns it. */
export function setId(message: Uint8Array, id: number): number {
  message[8] = id;
  message[9] = id >>> 8;
  message[10] = id >>> 16;
  message[11] = id >>> 24;
  return id >>> 0;
}
