import { documentSchema } from "../formats/json/schema.ts";
import type { Shape } from "../formats/json/shape.ts";
import { MEASURED_SCHEMA_ID, MEASURED_VERSION, MEASUREMENTS } from "./shape.ts";

/** The JSON Schema (2020-12) of a file of measurements; published as `schema/measured-1.schema.json`. */
export function measuredSchema(): ReturnType<typeof documentSchema> {
  return documentSchema({
    id: MEASURED_SCHEMA_ID,
    version: MEASURED_VERSION,
    title: "hms measurements",
    description:
      "What the CPUs of each node get from each memory of a machine, as `hms measure --save` writes it.",
    shape: MEASUREMENTS as unknown as Shape<never>,
  });
}
