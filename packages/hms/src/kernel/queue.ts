import { HmsError } from "@hms/topology";
import type { CoreRegistry, Handle, Handlers, Later, Output } from "@hms/uabi";
import { ARGUMENTS_MAX } from "../beside.ts";
import type { Kernel } from "./kernel.ts";
import type { QueueEntry } from "./objects.ts";
import { deviceAdvice, isInOrder } from "./placing.ts";

type QueueHandlers = NonNullable<Handlers<CoreRegistry>["queue"]>;

const DEPTH_DEFAULT = 256;

export function queueHandlers(kernel: Kernel): QueueHandlers {
  const get = (handle: Handle<"queue">): QueueEntry => kernel.handles.get("queue", handle);
  return {
    create({ device: deviceHandle, space: spaceHandle, depth: asked }, call) {
      const device = kernel.handles.get("device", deviceHandle);
      const space = kernel.handles.get("space", spaceHandle);
      const depth = Math.max(2, 2 ** Math.ceil(Math.log2(asked ?? DEPTH_DEFAULT)));
      const pasid = device.context.bind(space.linux.space);
      const queue = device.context.queue({ pasid, depth, argumentsMax: ARGUMENTS_MAX });
      const base: QueueEntry = { handle: 0 as Handle<"queue">, device, space, queue };
      const handle = kernel.handles.add("queue", base);
      const entry: QueueEntry = Object.assign(base, { handle });
      device.queues.add(entry);
      space.queues.add(entry);
      kernel.own(call.peer, handle, () => kernel.closeQueue(entry));
      kernel.hand(call.peer, { memory: handle, mapping: queue.mapping });
      const { parts } = queue;
      return {
        queue: handle,
        ring: {
          memory: handle,
          bytes: parts.bytes,
          submission: parts.submissions,
          completion: parts.completions,
          doorbell: 0,
          depth,
          requestBytes: parts.submissionBytes,
        },
      };
    },

    start({ queue: handle }) {
      get(handle).queue.start();
    },

    stop({ queue: handle, drain }, call) {
      const { queue } = get(handle);
      const later = call.later();
      kernel.tasks.add(stopping(queue, drain === true, later));
      return later;
    },

    cancel({ queue: handle, request }) {
      const { queue } = get(handle);
      if (queue.cancel(request)) return;
      throw new HmsError(
        "REQUEST_BEGUN",
        "EBUSY",
        `Cancelling request ${request} of queue ${queue.number} failed: it has begun. Reset the queue to end it.`,
      );
    },

    reset({ queue: handle }) {
      get(handle).queue.reset();
    },

    destroy({ queue: handle }) {
      kernel.closeQueue(get(handle));
    },

    attach({ queue: handle, region: regionHandle, registration }) {
      const { device, space, queue } = get(handle);
      const region = kernel.handles.get("region", regionHandle);
      if (region.space !== space) {
        throw new HmsError(
          "OTHER_SPACE",
          "EINVAL",
          `Attaching ${region.name} to queue ${queue.number} failed: it is in another space than the queue reaches.`,
        );
      }
      const { accel } = device.machine;
      const program =
        registration === undefined ? undefined : kernel.handles.get("registration", registration);
      if (program !== undefined && program.device.machine !== device.machine) {
        throw new HmsError(
          "OTHER_DEVICE",
          "EINVAL",
          `Attaching ${region.name} to queue ${queue.number} of ${device.machine.name} failed: the program that is named is on ${program.device.machine.name}.`,
        );
      }
      accel.attach(queue, {
        region: region.linux.id,
        first: region.first,
        pages: region.pages,
        advice: deviceAdvice(region),
        inOrder: isInOrder(region),
        ...(program === undefined ? {} : { program: program.program }),
      });
      return { id: region.linux.id };
    },

    statistics({ queue: handle }) {
      const { queue } = get(handle);
      const { state, requests, errors, canceled, faults, busy } = queue.statistics();
      return {
        statistics: {
          submitted: requests + queue.inFlight,
          completed: requests - errors - canceled,
          failed: errors,
          cancelled: canceled,
          refused: 0,
          faults,
          faultNs: 0,
          busyNs: Math.floor(busy * 1000),
          depthMax: queue.shape.depth,
          state,
        },
      };
    },
  };
}

type Stopped = Later<Output<CoreRegistry, "queue", "stop">>;

function* stopping(queue: QueueEntry["queue"], drain: boolean, later: Stopped): Generator<boolean, void> {
  try {
    while (drain && queue.state === "started" && queue.inFlight > 0) yield false;
    const before = queue.statistics().canceled;
    queue.put();
    while (queue.stoppingSince !== null) yield false;
    later.answer({ cancelled: queue.statistics().canceled - before });
  } catch (error) {
    later.fail(error);
  }
}
