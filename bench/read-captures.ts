// Reads the captures in the folders given, one after another: what bench/captures.bench.ts times.
import { enableCompileCache } from "node:module";

enableCompileCache();
const { discover } = await import("@hms/topology/lazy");
let nodes = 0;
for (const root of process.argv.slice(2)) nodes += (await discover(root)).nodes.length;
if (nodes === 0) throw new Error("no capture was read");
