import type { ControlCommand, ControlReply } from "@hms/driver-accel";
import { PAGE_BYTES } from "@hms/hmm";
import { HmsError } from "@hms/topology";
import { type CoreRegistry, type Handle, type Handlers, InterfaceError } from "@hms/uabi";
import type { Kernel } from "./kernel.ts";
import type { DeviceEntry, QueueEntry } from "./objects.ts";
import { usedBytes } from "./traffic.ts";

/** No queue has this number. */
const NO_QUEUE = -1;

type DeviceHandlers = NonNullable<Handlers<CoreRegistry>["device"]>;

export function deviceHandlers(kernel: Kernel): DeviceHandlers {
  const get = (handle: Handle<"device">): DeviceEntry => kernel.handles.get("device", handle);
  return {
    list() {
      return { devices: kernel.machines.map(({ name, driver }) => ({ name, driver })) };
    },

    open({ name }, call) {
      const machine = kernel.machine(name);
      if (machine === undefined) {
        const names = kernel.machines.map((one) => one.name).join(", ");
        throw new HmsError(
          "NO_SUCH_DEVICE",
          "ENOENT",
          `Opening device ${JSON.stringify(name)} failed: ${names === "" ? "there are none; name some in open({ devices: [...] })" : `there are ${names}`}.`,
        );
      }
      const base: DeviceEntry = {
        handle: 0 as Handle<"device">,
        machine,
        context: machine.accel.openContext(),
        queues: new Set<QueueEntry>(),
      };
      const handle = kernel.handles.add("device", base);
      const entry: DeviceEntry = Object.assign(base, { handle });
      kernel.own(call.peer, handle, () => closeDevice(kernel, entry));
      return { device: handle };
    },

    info({ device: handle }) {
      const { machine } = get(handle);
      const attributes = machine.accel.attributes();
      const number = (name: string): number => Number(attributes[name] ?? 0);
      const algorithms = (attributes.algorithms ?? "").split("\n").filter((line) => line !== "");
      return {
        name: machine.name,
        driver: machine.driver,
        api: attributes.api ?? "",
        algorithms: algorithms.slice(0, 256).map((line) => line.slice(0, 64)),
        instances: number("available_instances"),
        mmioBytes: number("region_mmio_size"),
        sharedBytes: number("region_dus_size"),
        memoryBytes: machine.accel.deviceMemory.pages * PAGE_BYTES,
        usedBytes: usedBytes(machine),
        isolated: attributes.isolate === "1",
        errorsAnHourMax: number("isolate_strategy"),
        usedBytesMax: Math.max(machine.usedBytesMax, usedBytes(machine)),
      };
    },

    control({ device: handle, command }, call) {
      const entry = get(handle);
      const given = ofQueue(entry, commandOf(command));
      const later = call.later();
      const answer = (reply: ControlReply): void => {
        const bytes = new TextEncoder().encode(JSON.stringify(reply));
        if (reply.outcome === "OK") later.answer({ reply: bytes });
        else later.fail(refused(reply, bytes));
      };
      entry.machine.accel.control(given, answer, entry.context);
      return later;
    },

    close({ device: handle }) {
      closeDevice(kernel, get(handle));
    },
  };
}

function closeDevice(kernel: Kernel, entry: DeviceEntry): void {
  for (const queue of [...entry.queues]) kernel.closeQueue(queue);
  entry.context.close();
  for (const [handle, { device, program }] of [...kernel.handles.entries("registration")]) {
    if (device !== entry) continue;
    entry.machine.accel.control({ command: "unload", program }, () => undefined);
    kernel.handles.delete("registration", handle);
  }
  kernel.disown(entry.handle);
  kernel.handles.delete("device", entry.handle);
}

/** The command, which for this driver is JSON. Throws EINVAL. */
function commandOf(bytes: Uint8Array): ControlCommand {
  try {
    const command = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as unknown;
    if (isCommand(command)) return command;
  } catch {
    // Said below.
  }
  throw new HmsError(
    "BAD_COMMAND",
    "EINVAL",
    'Commanding a device failed: a command is JSON such as {"command":"status"}.',
  );
}

/** A program names queues by their handles, and only those of the device's handle; the driver by numbers. */
function ofQueue({ queues }: DeviceEntry, command: ControlCommand): ControlCommand {
  if (command.command !== "share" && command.command !== "place") return command;
  const entry = [...queues].find(({ handle }) => handle === command.queue);
  return { ...command, queue: entry?.queue.number ?? NO_QUEUE };
}

/** Whether a driver can make something of it. Programs are loaded by registration.create. */
function isCommand(command: unknown): command is ControlCommand {
  if (typeof command !== "object" || command === null || !("command" in command)) return false;
  return typeof command.command === "string" && command.command !== "load";
}

type Refused = Extract<ControlReply, { readonly outcome: "ECANCELED" }>;

function refused({ error }: Refused, reply: Uint8Array): InterfaceError {
  return new InterfaceError(error.code, "ECANCELED", error.message, null, { reply });
}

/** What a refused command says, as an error of its own. */
export function errorOf({ error }: Refused): HmsError {
  return new HmsError(error.code, error.errno, error.message);
}
