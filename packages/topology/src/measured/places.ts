// Looked at by every command that reads this machine: an import of node:fs loads more of Node than they need.
const { existsSync } = process.getBuiltinModule("node:fs");

const FILE = "hms/measured.json";
/** For everyone on the machine. */
const SYSTEM_PLACE = `/var/lib/${FILE}`;

/** The environment that says where a user's files are. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where measurements of this machine are looked for, in this order: the user's own place, then the machine's. */
export function measuredPlaces(environment: Environment = process.env): readonly string[] {
  return [userPlace(environment), SYSTEM_PLACE];
}

/** Where measurements are kept so that they are found: the machine's place for root, else the user's own. */
export function measuredPlace(environment: Environment = process.env): string {
  return process.getuid?.() === 0 ? SYSTEM_PLACE : userPlace(environment);
}

/** A relative path in either variable is to be ignored (XDG base directories). */
function userPlace({ XDG_DATA_HOME: stated, HOME: home }: Environment): string {
  if (stated?.startsWith("/") === true) return `${stated.replace(/\/+$/, "")}/${FILE}`;
  const own = home?.startsWith("/") === true ? home : process.getBuiltinModule("node:os").homedir();
  return `${own.replace(/\/+$/, "")}/.local/share/${FILE}`;
}

/** Those of the places that have a file, in order. */
export function measuredFiles(environment: Environment = process.env): readonly string[] {
  return measuredPlaces(environment).filter((path) => existsSync(path));
}
