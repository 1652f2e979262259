// A process with memory on given nodes: what ps.test.ts looks at. Its argument is a list of Block in JSON; it writes its
// PID when all is there, and ends when its input does.
import { Mapping } from "@hms/host-linux";
import { mbind } from "@hms/host-linux/numa";

/** Memory that the process is to have. */
export interface Block {
  readonly name: string;
  readonly mib: number;
  /** `MPOL_*`. */
  readonly mode: number;
  readonly nodes: readonly number[];
  readonly huge?: boolean;
}

const MIB = 2 ** 20;

if (import.meta.main) {
  const blocks: readonly Block[] = JSON.parse(process.argv[2] ?? "[]");
  const kept = blocks.map(({ name, mib, mode, nodes, huge = false }) => {
    const mapping = Mapping.reserve(mib * MIB, { name, huge });
    const errno = mbind(mapping.address, mapping.bytes, mode, nodes, 0);
    if (errno < 0) throw new Error(`mbind of ${name}: errno ${-errno}`);
    mapping.view().fill(1);
    return mapping;
  });
  process.stdout.write(`${process.pid}\n`);
  process.stdin.on("end", () => process.exit(kept.length > 0 ? 0 : 1)).resume();
}
