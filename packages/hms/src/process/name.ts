/**
 * What a person knows a process by: the file name of the program as it was started. The kernel's own name for it is that
 * of its main thread, which a program sets as it likes (Node's is `MainThread`); it is taken where a process has no
 * arguments, or has put a title in their place, such as `sshd: user@pts/0`.
 *
 * @example
 * ```ts
 * import { programName } from "hms/process";
 * console.log(programName({ name: "MainThread", command: ["/usr/bin/node", "server.js"] })); // node
 * ```
 */
export function programName({
  name,
  command,
}: {
  readonly name: string;
  readonly command: readonly string[];
}): string {
  const [program = ""] = command;
  const file = program.slice(program.lastIndexOf("/") + 1);
  return file === "" || program.includes(": ") ? name : file;
}
