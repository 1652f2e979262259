// Prints the JSON Schema of a file of measurements, as it is published:
// node packages/topology/src/measured/print-schema.ts > packages/topology/schema/measured-1.schema.json
import { measuredSchema } from "./schema.ts";

process.stdout.write(`${JSON.stringify(measuredSchema(), null, 2)}\n`);
