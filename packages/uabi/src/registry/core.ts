import type { Registry } from "../spec.ts";
import { CONTEXT, CONTEXT_TYPES } from "./context.ts";
import { DEVICE, DEVICE_TYPES } from "./device.ts";
import { EVENTS, EVENTS_TYPES } from "./events.ts";
import { PLACEMENT_METHODS, PLACEMENT_TYPES } from "./placement.ts";
import { QUEUE, QUEUE_TYPES } from "./queue.ts";
import { REGION, REGION_TYPES } from "./region.ts";
import { REGISTRATION, REGISTRATION_TYPES } from "./registration.ts";
import { SPACE, SPACE_TYPES } from "./space.ts";
import { TYPES } from "./types.ts";

/** The core's part of the interface. */
export interface CoreRegistry extends Registry {
  readonly namespaces: { readonly core: 0 };
  readonly types: typeof TYPES &
    typeof CONTEXT_TYPES &
    typeof PLACEMENT_TYPES &
    typeof SPACE_TYPES &
    typeof REGION_TYPES &
    typeof DEVICE_TYPES &
    typeof QUEUE_TYPES &
    typeof REGISTRATION_TYPES &
    typeof EVENTS_TYPES;
  readonly objects: {
    readonly context: typeof CONTEXT;
    readonly space: Omit<typeof SPACE, "methods"> & {
      readonly methods: (typeof SPACE)["methods"] & typeof PLACEMENT_METHODS;
    };
    readonly region: typeof REGION;
    readonly device: typeof DEVICE;
    readonly queue: typeof QUEUE;
    readonly registration: typeof REGISTRATION;
    readonly events: typeof EVENTS;
  };
}

/** Revision 1: what abi/core.json holds. */
export const CORE: CoreRegistry = {
  revision: 1,
  namespaces: { core: 0 },
  types: {
    ...TYPES,
    ...CONTEXT_TYPES,
    ...PLACEMENT_TYPES,
    ...SPACE_TYPES,
    ...REGION_TYPES,
    ...DEVICE_TYPES,
    ...QUEUE_TYPES,
    ...REGISTRATION_TYPES,
    ...EVENTS_TYPES,
  },
  objects: {
    context: CONTEXT,
    space: { ...SPACE, methods: { ...SPACE.methods, ...PLACEMENT_METHODS } },
    region: REGION,
    device: DEVICE,
    queue: QUEUE,
    registration: REGISTRATION,
    events: EVENTS,
  },
};
