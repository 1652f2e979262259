// The layout of messages; docs/concepts/interface.md describes it for other languages.

/** Bytes of a message's header: length, object and method, request id, count and kind, reserved. */
export const HEADER_BYTES = 24;
/** Bytes of an attribute's header: id and flags, length. */
export const ATTRIBUTE_BYTES = 8;
/** No message is longer. */
export const MESSAGE_BYTES_MAX: number = 16 << 20;
/** Attributes may be nested so deep in a registry. */
export const DEPTH_MAX = 6;
/** Elements of the longest path to an attribute: each level may also have an index. */
export const PATH_MAX: number = 2 * DEPTH_MAX + 2;
/** Words that say which attributes were ignored: a message with more of them says only how many. */
export const IGNORED_WORDS_MAX = 256;

/** Kinds of messages. */
export const REQUEST = 0;
export const ANSWER = 1;
export const FAILURE = 2;

/** The sender cannot live without the attribute. */
export const MANDATORY = 1;
/** The service wrote this output. */
export const WRITTEN = 2;

/** An element of a path with this bit is an index in an array, else the id of an attribute. */
export const INDEX_BIT = 0x8000_0000;

/** The namespace of what the protocol itself puts into answers. */
export const PROTOCOL_NAMESPACE = 0xff;

export function namespaceOf(id: number): number {
  return id >>> 8;
}

export function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}
