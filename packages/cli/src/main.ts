/** Runs the command line; returns the exit code: 0 done, 1 failed, 2 wrong usage. */
export async function main(args: readonly string[]): Promise<number> {
  const { discoverLive } = await import("@hms/topology");
  process.stdout.write(`${JSON.stringify(args)} ${discoverLive().name}\n`);
  return 0;
}
