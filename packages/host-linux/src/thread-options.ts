const SPEAKS_OF_INPUT = /^--input-type(=|$)/;

/**
 * Options of a `Worker` that runs a file of ours. It inherits the runtime's options, and refuses the one that says of
 * what kind the program's own input is (`node --input-type=module -e …`).
 */
export function threadOptions(): { readonly execArgv?: string[] } {
  const { execArgv } = process;
  if (!execArgv.some((option) => SPEAKS_OF_INPUT.test(option))) return {};
  return {
    execArgv: execArgv.filter(
      (option, i) => !SPEAKS_OF_INPUT.test(option) && execArgv[i - 1] !== "--input-type",
    ),
  };
}
