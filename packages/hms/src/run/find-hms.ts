// Loaded before a program that lies where no package `hms` is found: it and its threads get the one that this file is
// part of, whether they import it or require it.
import { registerHooks } from "node:module";

const OURS = /^hms(?:\/|$)/;

registerHooks({
  // An address, not another parent: `require` looks from the module that calls it, whatever parent it is told.
  resolve: (specifier, context, next) =>
    OURS.test(specifier) && context.parentURL !== import.meta.url
      ? { url: import.meta.resolve(specifier), shortCircuit: true }
      : next(specifier, context),
});
