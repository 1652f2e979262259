// The test device: what the kernel's HMM test driver does, as a driver of hms.
export { type Commanded, Commands } from "./commands.ts";
export { type DeviceStore, type Injections, TestDevice, type TestDeviceOptions } from "./device.ts";
export {
  COMMANDS,
  type CommandName,
  type CommandRequest,
  type CommandResult,
} from "./face.ts";
export { TestHandle } from "./handle.ts";
