/**
 * What `hms measure` found out about a machine: the file, whose machine it is, and where it is kept. `discover` of
 * `@hms/topology` uses it as a source of numbers (`DiscoverOptions.measured`).
 *
 * @module
 */
export { writeMeasurements } from "./document.ts";
export { hostOfThisMachine } from "./host.ts";
export type * from "./measurements.ts";
export { discoverMeasured } from "./open.ts";
export { measuredPlace } from "./places.ts";
