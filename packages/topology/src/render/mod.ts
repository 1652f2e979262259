/**
 * What text for a terminal is made of: tables that fit a width, colours, text that holds no terminal's commands.
 *
 * @module
 */
export { ANSI_PAINT, NO_PAINT, type Paint } from "./colours.ts";
export { type Cell, type Column, table } from "./table.ts";
export { clean, KIND_SHORT } from "./words.ts";
