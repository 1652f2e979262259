import type { RegistryInfo } from "@hms/uabi";
import { type Command, type Console, EXIT_DONE, type Options, UsageError } from "../command.ts";

export const abi: Command = {
  operands: ["NAME"],
  options: [
    {
      name: "socket",
      value: "PATH",
      help: "ask the service at this Unix socket what it carries out, not this version of hms",
    },
    { name: "json", help: "write JSON, as the method context.query tells it" },
  ],
  notes: [
    "NAME is an object (space), a method (space.migrate) or a type (cause); without it, all objects with their methods. A name in brackets may be left out, or need not be written; ids are what messages carry.",
    "docs/concepts/interface.md says how messages are laid out and which rules hold.",
  ],
  examples: [
    ["hms abi", "the objects and their methods"],
    ["hms abi space.migrate", "the inputs and outputs of one method, with the types that they use"],
    ["hms abi cause", "the values of a type"],
    ["hms abi --json > abi.json", "for programs"],
  ],
  async run(options: Options, [name]: readonly string[], console: Console): Promise<number> {
    const info = await infoOf(options.get("socket"));
    const { abiJson, abiText, findNamed } = await import("../abi-output.ts");
    const found = name === undefined ? { kind: "all" as const } : findNamed(info, name);
    if (found === null) throw new UsageError(await unknown(info, name ?? ""));
    console.write(options.has("json") ? abiJson(info, found) : abiText(info, found, console));
    return EXIT_DONE;
  },
};

async function infoOf(path: string | undefined): Promise<RegistryInfo> {
  const { asyncClient, CORE, queryRegistry, SocketClient } = await import("@hms/uabi");
  if (path === undefined) return queryRegistry(CORE);
  using transport = await SocketClient.open(path);
  // What a service leaves out of a type is undefined there, and absent here.
  return JSON.parse(JSON.stringify(await asyncClient(CORE, transport).context.query())) as RegistryInfo;
}

async function unknown(info: RegistryInfo, name: string): Promise<string> {
  const { suggest } = await import("../report.ts");
  const known = [
    ...info.objects.map((object) => object.name),
    ...info.objects.flatMap((object) => object.methods.map((method) => `${object.name}.${method.name}`)),
    ...info.types.map((type) => type.name),
  ];
  return `The interface has no object, method or type ${JSON.stringify(name)}${await suggest(name, known)}`;
}
