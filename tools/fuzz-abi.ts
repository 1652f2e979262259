// Sends the interface millions of messages that no client would send (rule 11 of docs/concepts/interface.md):
//   node tools/fuzz-abi.ts [MESSAGES] [SEED]     4 million with a seed of the clock when they are left out
import { CORE } from "@hms/uabi";
import { Fuzzer } from "../packages/uabi/src/testing/fuzz.ts";
import { Random } from "../packages/uabi/src/testing/random.ts";
import { SMALL } from "../packages/uabi/src/testing/small.ts";

const BATCH = 250_000;
const messages = Number(process.argv[2] ?? 4_000_000);
const seed = Number(process.argv[3] ?? Date.now() % 0x1_0000_0000);
process.stdout.write(`seed ${seed}, ${messages} messages\n`);
const fuzzers = [new Fuzzer(SMALL, new Random(seed)), new Fuzzer(CORE, new Random(seed + 1))];
const started = performance.now();
let sent = 0;
while (sent < messages) {
  for (const fuzzer of fuzzers) fuzzer.run(BATCH);
  sent = fuzzers.reduce((sum, { report }) => sum + report.messages, 0);
  const rate = Math.round(sent / ((performance.now() - started) / 1000));
  process.stdout.write(`${sent} messages, ${rate}/s\n`);
}
for (const { report } of fuzzers)
  process.stdout.write(
    `${report.messages} messages, ${report.carriedOut} carried out, failed: ${JSON.stringify(report.failures)}\n`,
  );
