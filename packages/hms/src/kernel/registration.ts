import type { ControlCommand, ProgramSource } from "@hms/driver-accel";
import { HmsError } from "@hms/topology";
import type { CoreRegistry, Handle, Handlers, Input } from "@hms/uabi";
import { errorOf } from "./device.ts";
import type { Kernel } from "./kernel.ts";
import type { RegistrationEntry } from "./objects.ts";

type RegistrationHandlers = NonNullable<Handlers<CoreRegistry>["registration"]>;

export function registrationHandlers(kernel: Kernel): RegistrationHandlers {
  const get = (handle: Handle<"registration">): RegistrationEntry =>
    kernel.handles.get("registration", handle);
  return {
    create(asked, call) {
      const device = kernel.handles.get("device", asked.device);
      const later = call.later();
      const { accel } = device.machine;
      const command: ControlCommand = { command: "load", name: asked.name, source: sourceOf(asked) };
      accel.control(command, (reply) => {
        if (reply.outcome !== "OK") {
          later.fail(errorOf(reply));
          return;
        }
        const { program = 0, kernels: found = [] } = reply;
        const missing = asked.exports.filter((name) => !found.includes(name));
        if (missing.length > 0) {
          accel.control({ command: "unload", program }, () => undefined);
          later.fail(lacking(asked.name, missing, found));
          return;
        }
        const base: RegistrationEntry = { handle: 0 as Handle<"registration">, device, program };
        const handle = kernel.handles.add("registration", base);
        later.answer({ registration: Object.assign(base, { handle }).handle, found: found.slice(0, 4096) });
      });
      return later;
    },

    kernel({ registration, name, parameters }) {
      const { device, program } = get(registration);
      return { kernel: device.machine.accel.kernel(program, name, parameters) };
    },

    destroy({ registration }) {
      const { device, program } = get(registration);
      device.machine.accel.control({ command: "unload", program }, (reply) => {
        if (reply.outcome !== "OK") throw errorOf(reply);
      });
      kernel.handles.delete("registration", registration);
    },
  };
}

/** Throws EINVAL unless there is exactly one of URL and code. */
function sourceOf({ kind, url, code }: Input<CoreRegistry, "registration", "create">): ProgramSource {
  if (code !== undefined && url === undefined) {
    if (kind === "wasm") return { kind: "wasm", bytes: code.slice() };
    return { kind: "text", text: new TextDecoder().decode(code) };
  }
  if (url !== undefined && code === undefined && kind === "es-module") return { kind: "url", url };
  throw new HmsError(
    "BAD_PROGRAM",
    "EINVAL",
    "Loading a program failed: a module has a URL or its text, a WebAssembly program its bytes.",
  );
}

function lacking(program: string, missing: readonly string[], found: readonly string[]): HmsError {
  return new HmsError(
    "NO_SUCH_KERNEL",
    "ENOENT",
    `Loading program ${program} failed: it exports no function ${missing.join(", ")}; it has ${found.length === 0 ? "none" : found.join(", ")}.`,
  );
}
