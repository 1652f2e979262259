import type { CommandEntry } from "./command.ts";

/** Every command, in the order of the help. Each is loaded only when it is called. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "topo",
    summary: "Show the memories of a machine, what reaches them and what each costs",
    load: async () => (await import("./commands/topo.ts")).topo,
  },
  {
    name: "pick",
    summary: "List the memories that suit the given initiators, best first, and why",
    load: async () => (await import("./commands/pick.ts")).pick,
  },
  {
    name: "measure",
    summary: "Measure what each memory of this machine gives the CPUs of each node",
    load: async () => (await import("./commands/measure.ts")).measure,
  },
  {
    name: "run",
    summary: "Run a program that uses hms, and report what its memory did",
    load: async () => (await import("./commands/run.ts")).run,
  },
  {
    name: "ps",
    summary: "Show where the memory of running programs is, and what of it would be better elsewhere",
    load: async () => (await import("./commands/ps.ts")).ps,
  },
  {
    name: "exec",
    summary: "Run any program with its memory placed, and report where it was",
    load: async () => (await import("./commands/exec.ts")).exec,
  },
  {
    name: "move",
    summary: "Move the memory of a running program to other memories",
    load: async () => (await import("./commands/move.ts")).move,
  },
  {
    name: "conform",
    summary: "Run conformance cases on a host",
    load: async () => (await import("./commands/conform.ts")).conform,
  },
  {
    name: "torture",
    summary: "Do random work with faults on the simulated host, beside a copy that says what must come out",
    load: async () => (await import("./commands/torture.ts")).torture,
  },
  {
    name: "abi",
    summary: "Show the interface between programs and hms: its objects, methods and attributes",
    load: async () => (await import("./commands/abi.ts")).abi,
  },
  {
    name: "lint",
    summary: "Find exports that nobody uses, and changes that break released interfaces",
    parts: [
      {
        name: "exports",
        summary: "List the exported symbols of a kernel tree by who uses them, and judge them by the rules",
        load: async () => (await import("./commands/lint/exports.ts")).lintExports,
      },
      {
        name: "abi",
        summary: "Compare a released interface with a later one, and say what breaks whom",
        load: async () => (await import("./commands/lint/abi.ts")).lintAbi,
      },
    ],
  },
];
