// In a guest: answers the scenarios of seeds FIRST to LAST from the kernel's own device, one JSON line each.
import { writeSync } from "node:fs";
import { kernelCaseHost } from "@hms/conform";
import { answersOf, scenarioOf } from "./scenario.ts";

const [first = 1, last = 1] = process.argv.slice(2).map(Number);
const host = await kernelCaseHost();
for (let seed = first; seed <= last; seed++) {
  // The seed goes out before the scenario runs: a guest that dies names its last one.
  writeSync(1, `SEED ${seed}\n`);
  writeSync(1, `ANSWERS ${JSON.stringify({ seed, answers: await answersOf(scenarioOf(seed), host) })}\n`);
}
writeSync(1, "DONE\n");
