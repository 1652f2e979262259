/** What cannot reach what. */
import type { Initiator, Target } from "../model/machine.ts";
import { rowOf } from "../query/matrix.ts";
import { type Alike, alike, nameRange } from "./names.ts";
import { type Survey, shortName } from "./survey.ts";
import { CLASS_WORDS, clean, count, KIND_WORDS } from "./words.ts";
import { wrapText } from "./wrap.ts";

/** Sentences at most; the rest is counted. */
const GROUPS_MAX = 8;

/** An initiator, and what it does not reach. */
interface Miss {
  readonly initiator: Initiator;
  readonly missed: readonly Target[];
}

/** Who cannot reach what: initiators that miss the same memories share a line. Empty when all reach all. */
export function reachLines(survey: Survey, width: number): string[] {
  const { targets, initiators } = survey.machine;
  const own = new Map<number, number[]>();
  for (const target of targets) {
    const owner = survey.owner(target);
    if (owner !== undefined) own.set(owner.uid, [...(own.get(owner.uid) ?? []), target.uid]);
  }
  const misses = initiators.flatMap((initiator): Miss[] => {
    const { reached } = rowOf(survey.machine, initiator, "bandwidth");
    if (!reached.includes(0)) return [];
    return [{ initiator, missed: targets.filter((_, place) => reached[place] !== 1) }];
  });
  // Each of eight GPUs misses the memory of the other seven: with its own memory counted in, all eight miss the same.
  const groups = alike(misses, ({ initiator, missed }) => {
    const uids = [...missed.map((target) => target.uid), ...(own.get(initiator.uid) ?? [])];
    return `${initiator.class};${[...new Set(uids)].sort((a, b) => a - b).join()}`;
  });
  const lines = groups.slice(0, GROUPS_MAX).flatMap((group) => wrapText(sentence(group), width, 3));
  const rest = Math.max(0, groups.length - GROUPS_MAX);
  if (rest > 0) lines.push(`and ${count(rest, "more", "more")}: the matrix shows every pair`);
  return lines;
}

function sentence({ first, all }: Alike<Miss>): string {
  const who = all.map(({ initiator }) => initiator);
  const word = CLASS_WORDS[first.initiator.class];
  const subject =
    who.length === 1
      ? `${word} ${shortName(first.initiator)}`
      : `${who.length} × ${word} (${clean(nameRange(who.map(shortName)), 32)})`;
  const same = all.every(
    ({ missed }) =>
      missed.length === first.missed.length && missed.every((target, i) => target === first.missed[i]),
  );
  if (same) return `${subject} cannot reach ${memories(first.missed)}`;
  const everybody = new Map(all.flatMap(({ missed }) => missed.map((target) => [target.uid, target])));
  return `${subject} cannot reach the others' memory (${memories([...everybody.values()])})`;
}

/** `CXL node2, 8 × GPU memory (0000:01:00.0/vram … 0000:08:00.0/vram)`. */
function memories(targets: readonly Target[]): string {
  return alike(targets, (target) => target.kind.kind)
    .map(({ first, all }) => {
      const names = clean(nameRange(all.map((target) => target.id)), 48);
      const kind = KIND_WORDS[first.kind.kind];
      return all.length === 1 ? `${kind} ${names}` : `${all.length} × ${kind} (${names})`;
    })
    .join(", ");
}
