import { HmsError } from "./model/error.ts";

/** What can be given, for errors. */
export const KNOWN = "a capture (folder or tar archive), hwloc XML, hms JSON, or a spec in YAML";

/** The error for what is there and cannot be read. */
export function unreadable(source: string, error: unknown): HmsError {
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  const denied = code === "EACCES" || code === "EPERM";
  return new HmsError(
    "INPUT_UNREADABLE",
    denied ? "EACCES" : "EIO",
    `Open ${source}: ${denied ? `permission denied (${code}); check who may read it` : `it cannot be read (${code})`}.`,
  );
}
