export { discoverLive, discoverTree } from "./discover.ts";
export { HmsError } from "./model/error.ts";
export type * from "./model/facts.ts";
export { IndexSet } from "./model/index-set.ts";
export type * from "./model/machine.ts";
export { ORIGINS, type Origin, type Quantity } from "./model/quantity.ts";
