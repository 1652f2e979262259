import type { MemoryEntry } from "../tree/memory.ts";

/** What is known of the machine that must not leave it. */
export interface Secrets {
  /** The host's name, whole and without its domain. */
  readonly hostNames: readonly string[];
  /** Text of /proc/self/cgroup: groups are named after users, containers and pods. */
  readonly cgroups?: string;
}

/** Names of control groups that are the same everywhere. */
const GENERAL_GROUP =
  /^(?:user|system|machine|init|session|app|background|kubepods(?:-besteffort|-burstable)?)\.(?:slice|scope)$|^(?:docker|lxc|podman|kubepods|besteffort|burstable|libpod_parent|system|user)$/;

/** Bytes of a PCI function's configuration that are kept: what comes after holds the serial number of the device. */
const PCI_CONFIG_BYTES = 256;
/** Shorter host names are words like any other and too likely to stand for something else. */
const HOST_NAME_LENGTH_MIN = 4;
/** Files whose whole content names one machine. */
const SECRET_FILE =
  /(^|[/_-])(serial(_?number|-number|no)?|uuid|guid|node_guid|sys_image_guid|asset_tag|hostname|domainname|wwid|wwn|unique_id|vpd[^/]*|raw|machine-id|boot_id|subsysnqn|nqn|hostnqn|hostid|alt_name)$|(^|\/)nfit\/id$/i;
/** Files in which a number of four parts is a version, not an address in a network. */
const VERSION_FILE = /(version|revision|rev|fw[^/]*|firmware[^/]*|information|modalias|cpuinfo)$/i;
/** `name: value` lines that name one machine. */
const SECRET_LINE =
  /^(\s*[\w ().-]*(?:serial|uuid|guid|unique[ _]?id|asset[ _]?tag)[\w ().-]*?(?:\s*[:=]\s*|\s+))\S.*$/gim;

const MAC = /(?<![0-9a-f:])(?:[0-9a-f]{2}[:-]){5}(?:[0-9a-f]{2}[:-]){0,14}[0-9a-f]{2}(?![0-9a-f:])/gi;
const GUID = /(?<![0-9a-f:])(?:[0-9a-f]{4}:){3,7}[0-9a-f]{4}(?![0-9a-f:])/gi;
const UUID = /\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/gi;
const IPV4 = /(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])/g;
/** Names of network interfaces that are made of their address. */
const NAME_WITH_MAC = /\b((?:en|wl|ww|ib)x)[0-9a-f]{12}\b/g;
/** What udev noted of a device and names its sort; the rest are serial numbers and names made of them. */
const UDEV_LINE = /^E:(ID_MODEL|ID_VENDOR|ID_REVISION|ID_TYPE|ID_BUS|DEVTYPE)=/;
/** AMD's number of one GPU, by which its partitions are known to be of one. */
const KFD_UNIQUE_ID = /^(unique_id )(\d+)$/m;
/** Lines of /proc/mounts that say where cgroups are; the others name servers, disks and people. */
const CGROUP_MOUNT = /^\S+ \S+ (?:cgroup2?|cpuset) /;

/**
 * What is kept of a machine without what names it: serial numbers, UUIDs, MAC and network addresses and the
 * host's name become zeros of the same form (or nothing), also in the names of files and the texts of links.
 */
export class Redactor {
  readonly #hostNames: RegExp | undefined;
  /** New names of control groups. */
  readonly #groups: ReadonlyMap<string, string>;
  /** New names of what was named by its address, in the order of appearance. */
  readonly #renamed = new Map<string, string>();

  constructor(secrets: Secrets) {
    const names = secrets.hostNames
      .filter((name) => name.length >= HOST_NAME_LENGTH_MIN && name.toLowerCase() !== "localhost")
      .map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    if (names.length > 0)
      this.#hostNames = new RegExp(`(?<![a-z0-9-])(?:${names.join("|")})(?![a-z0-9-])`, "gi");
    const groups = new Set(
      (secrets.cgroups ?? "")
        .split("\n")
        .flatMap((line) => line.split(":").slice(2).join(":").split("/"))
        .filter((name) => name !== "" && !GENERAL_GROUP.test(name)),
    );
    this.#groups = new Map([...groups].map((name, i) => [name, `group${i + 1}`]));
  }

  path(path: string): string {
    return this.#names(path);
  }

  entry(path: string, entry: MemoryEntry): MemoryEntry {
    if (typeof entry === "string") return this.#content(path, entry);
    if (entry instanceof Uint8Array) return this.#bytes(path, entry);
    return "link" in entry ? { link: this.#names(entry.link) } : entry;
  }

  #bytes(path: string, bytes: Uint8Array): MemoryEntry {
    const text = Buffer.from(bytes).toString("utf8");
    if (!bytes.includes(0) && Buffer.from(text).equals(bytes)) return this.#content(path, text);
    // Of what is no text only the part of a PCI function's configuration is known to name nothing.
    if (/\/config$/.test(path)) return bytes.subarray(0, PCI_CONFIG_BYTES);
    if (/^proc\/device-tree\/|^sys\/firmware\/devicetree\//.test(path) && !SECRET_FILE.test(path))
      return bytes;
    return "";
  }

  #content(path: string, text: string): string {
    if (SECRET_FILE.test(path)) return zeros(text);
    if (path === "proc/mounts" || path === "proc/self/mounts")
      return text
        .split("\n")
        .filter((line) => CGROUP_MOUNT.test(line))
        .map((line) => `${line}\n`)
        .join("");
    if (path.startsWith("run/udev/"))
      return text
        .split("\n")
        .filter((line) => UDEV_LINE.test(line))
        .map((line) => `${line}\n`)
        .join("");
    if (KFD_UNIQUE_ID.test(text) && path.endsWith("/properties"))
      return text.replace(
        KFD_UNIQUE_ID,
        (_, name: string, id: string) => `${name}${id === "0" ? "0" : this.#number(id)}`,
      );
    // "Linux version 6.1 (somebody@somewhere) (…": who built it and where.
    if (path === "proc/version") return text.replace(/ \([^()]*@[^()]*\)/, "");
    let clean = text.replace(SECRET_LINE, (line, name: string) => `${name}${zeros(line.slice(name.length))}`);
    clean = clean.replace(MAC, zeros).replace(GUID, zeros).replace(UUID, zeros);
    if (!VERSION_FILE.test(path)) clean = clean.replace(IPV4, "0.0.0.0");
    return this.#names(clean);
  }

  /** A number in place of an identity: the same for the same. */
  #number(identity: string): string {
    const known = this.#renamed.get(identity) ?? `${this.#renamed.size + 1}`;
    this.#renamed.set(identity, known);
    return known;
  }

  #names(text: string): string {
    const named = text.replace(NAME_WITH_MAC, (name, prefix: string) => {
      let renamed = this.#renamed.get(name);
      if (renamed === undefined) {
        renamed = `${prefix}${this.#renamed.size.toString(16).padStart(12, "0")}`;
        this.#renamed.set(name, renamed);
      }
      return renamed;
    });
    const regrouped =
      this.#groups.size === 0 || !named.includes("/")
        ? named
        : named.replace(/(?<=\/)[^/\n]+/g, (part) => this.#groups.get(part) ?? part);
    const clean = regrouped.replace(MAC, zeros).replace(UUID, zeros);
    return this.#hostNames === undefined ? clean : clean.replace(this.#hostNames, "host");
  }
}

/** Text of the same form in which every digit and letter is a 0; `0x` stays. */
function zeros(text: string): string {
  return text.replace(/(^|[^0-9a-z])0x(?=[0-9a-f])|[0-9a-z]/gi, (part) => (part.length > 1 ? part : "0"));
}
