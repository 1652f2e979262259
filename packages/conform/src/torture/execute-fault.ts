import type { Proposal, Verdict } from "@hms/hmm";
import { REFUSE } from "./program.ts";
import type { Run } from "./run.ts";
import { SPACES } from "./world.ts";

export function reclaim(run: Run, i: number): void {
  const { program, world } = run;
  const wanted = program.x(i);
  const freed = world.host.reclaim(wanted, { blocking: program.y(i) === 0 });
  if (freed < 0 || freed > wanted) world.fail(`reclaiming ${wanted} pages answered ${freed}`);
  if (freed > 0) run.succeeded++;
}

export function failAllocation(run: Run, i: number): void {
  run.world.device(run.program.actor(i)).inject.failAllocation = true;
}

export function failCopy(run: Run, i: number): void {
  run.world.device(run.program.actor(i)).inject.copiesLeft = run.program.x(i);
}

/** Lets a device refuse or redirect, or obey again. */
export function refuse(run: Run, i: number): void {
  const { program, world } = run;
  const index = program.actor(i);
  const what = program.x(i);
  world.refusing[index] = what;
  const device = world.device(index);
  for (let space = 0; space < SPACES; space++) {
    const handle = world.handles[index * SPACES + space] ?? null;
    if (handle !== null) handle.refuseNonBlocking = (what & REFUSE.nonBlocking) !== 0;
  }
  device.inject.decide = (what & ~REFUSE.nonBlocking) === 0 ? null : (proposal) => decide(what, proposal);
}

function decide(what: number, { direction }: Proposal): Verdict {
  if (direction === "in" && (what & REFUSE.in) !== 0) return { refuse: "torture" };
  if (direction === "in" && (what & REFUSE.redirect) !== 0) return { redirect: null, reason: "torture" };
  if (direction === "out" && (what & REFUSE.out) !== 0) return { refuse: "torture" };
  return null;
}

/** During the next operation host memory runs out. */
export function failHostAllocation(run: Run, i: number): void {
  run.world.starved = true;
  run.world.host.failNextAllocations(run.program.x(i));
}

export function disappear(run: Run, i: number): void {
  run.losses.disappear(run.program.actor(i));
  run.succeeded++;
}

export function hold(run: Run, i: number): void {
  const { program, world } = run;
  const index = program.actor(i);
  const { memory, device } = world.device(index);
  const page = program.x(i) % memory.pages;
  const held = world.holds[index];
  if (held === undefined || device.gone) return;
  if (program.y(i) === 1 && (memory.frames.mapCount[page] ?? 0) > 0) {
    memory.hold(page, "torture");
    held.add(page);
  } else {
    for (const one of held) memory.unhold(one);
    held.clear();
  }
  run.succeeded++;
}
