/**
 * Measuring the memories of this machine: bandwidth and latency between the CPUs of each node and the memory of each
 * node, and how fast pages move to devices.
 *
 * @module
 */
export { type DeviceOptions, measureDevices } from "./devices.ts";
export { type MeasureOptions, type MeasureProgress, measure } from "./measure.ts";
