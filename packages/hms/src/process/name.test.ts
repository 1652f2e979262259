import { equal } from "node:assert/strict";
import { test } from "node:test";
import { programName } from "./name.ts";

test("a process is called by its program's file name, and by the kernel's where it has none", () => {
  for (const [name, command, expected] of [
    ["MainThread", ["/usr/bin/node", "server.js"], "node"],
    ["MainThread", ["node"], "node"],
    ["bash", ["-bash"], "-bash"],
    ["sshd", ["sshd: user@pts/0"], "sshd"],
    ["nginx", ["nginx: master process /usr/sbin/nginx"], "nginx"],
    ["kthreadd", [], "kthreadd"],
    ["odd", ["/", "a"], "odd"],
    ["odd", [""], "odd"],
  ] as const)
    equal(programName({ name, command }), expected, command.join(" "));
});
