// Prints the JSON Schema of the JSON format, as it is published:
// node packages/topology/src/formats/json/print-schema.ts > packages/topology/schema/topology-1.schema.json
import { topologySchema } from "./schema.ts";

process.stdout.write(`${JSON.stringify(topologySchema(), null, 2)}\n`);
