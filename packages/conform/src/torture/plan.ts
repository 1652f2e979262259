import { Scheduler } from "@hms/host-model";

/** How deep operations happen within each other. */
export const DEPTH_MAX = 3;

/**
 * A scheduler that follows a plan: the program says which operation happens at which point within which other one, so
 * that a run can be done again, or with operations left out.
 */
export class PlannedScheduler extends Scheduler {
  /** Called at each point while an operation with others within it is under way. */
  onPoint: (() => void) | null = null;
  /** How many operations are on the stack. */
  level = 0;

  constructor() {
    super(1);
  }

  override get active(): boolean {
    return this.onPoint !== null;
  }

  override get depth(): number {
    return this.level;
  }

  override point(): void {
    this.onPoint?.();
  }
}
