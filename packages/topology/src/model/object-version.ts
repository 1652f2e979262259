/** The version of the four object types that this library understands. */
export const OBJECT_VERSION = 1;
