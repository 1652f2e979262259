/** Words that the reader and the writer of specs share. */

/** The version of the spec format that this library reads and writes: the `hms-spec:` of a file. */
export const SPEC_VERSION = 1;

/** The key of `info` that holds the name that a spec gives its machine. */
export const SPEC_NAME_KEY = "HmsName";

/** The reason of a kind that a spec states without giving one; a colon and the source of the size may follow. */
export const STATED_REASON = "stated by the spec";
