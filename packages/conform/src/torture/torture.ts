import { Generator } from "./generate.ts";
import { type Profile, profileOf } from "./profile.ts";
import { Program } from "./program.ts";
import { Run } from "./run.ts";
import { TortureFailure, World } from "./world.ts";

/** After so many operations everything is looked at; what each one touched is looked at at once. */
export const SEED_LOOK_EVERY = 1024;

/** How a seed ended. */
export interface SeedReport {
  readonly seed: number;
  /** Operations done, those within others too. */
  readonly steps: number;
  readonly succeeded: number;
  readonly failure: Failure | null;
  readonly statistics: Readonly<Record<string, number>>;
}

export interface Failure {
  /** Number of the operation, from 1. */
  readonly step: number;
  /** The operation, in words. */
  readonly operation: string;
  readonly message: string;
  readonly program: Program;
  readonly profile: Profile;
}

export interface SeedOptions {
  readonly seed: number;
  readonly steps: number;
  readonly devices?: number;
  /** Looks at everything after so many operations. */
  readonly lookEvery?: number;
  /** Called now and then. */
  readonly onProgress?: (steps: number) => void;
  /** Called with the world before it is used, to break it on purpose. */
  readonly prepare?: (world: World) => void;
}

/** Tortures one seed's world. */
export function tortureSeed(options: SeedOptions): SeedReport {
  const { seed, steps, devices, lookEvery = SEED_LOOK_EVERY, onProgress, prepare } = options;
  const profile = profileOf(seed, devices);
  const world = new World(profile);
  prepare?.(world);
  const program = new Program();
  const run = new Run(world, program);
  const generator = new Generator(world, seed);
  let at = 0;
  let looked = 0;
  let failure: Failure | null = null;
  try {
    while (run.done < steps) {
      at = program.length;
      generator.next(program);
      run.step(at, program.length);
      if (run.done - looked >= lookEvery) {
        looked = run.done;
        run.verifyAll();
        onProgress?.(run.done);
      }
    }
    run.finish();
  } catch (error) {
    failure = failureOf(error, at, program, profile);
  }
  return {
    seed,
    steps: run.done,
    succeeded: run.succeeded,
    failure,
    statistics: { ...world.host.core.statistics },
  };
}

/** How a program is done again. */
export interface ReplayOptions {
  /** Looks at everything after so many operations; default 1. */
  readonly lookEvery?: number;
  /** Called with the world before it is used, to break it on purpose. */
  readonly prepare?: ((world: World) => void) | undefined;
}

/**
 * Does a program again: what ran within what, and at which point of it, is part of the program, so the interleaving is
 * the same for as long as the operations are.
 */
export function replay(program: Program, profile: Profile, options: ReplayOptions = {}): Failure | null {
  const { lookEvery = 1, prepare } = options;
  const world = new World(profile);
  prepare?.(world);
  const run = new Run(world, program);
  let at = 0;
  let looked = 0;
  try {
    while (at < program.length) {
      const end = program.endOf(at);
      run.step(at, end);
      if (run.done - looked >= lookEvery) {
        looked = run.done;
        run.verifyAll();
      }
      at = end;
    }
    run.finish();
    return null;
  } catch (error) {
    return failureOf(error, at, program, profile);
  }
}

function failureOf(error: unknown, at: number, program: Program, profile: Profile): Failure {
  const known = error instanceof TortureFailure;
  const message = known
    ? error.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  return {
    step: at + 1,
    operation: program.describe(Math.min(at, program.length - 1)),
    message,
    program,
    profile,
  };
}
