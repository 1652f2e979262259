// Loaded before a program that lies where no package `hms` is found: it gets the one that this file is part of.
import { registerHooks } from "node:module";

const OURS = /^hms(?:\/|$)/;

registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier, OURS.test(specifier) ? { ...context, parentURL: import.meta.url } : context),
});
