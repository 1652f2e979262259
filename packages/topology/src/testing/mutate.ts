/** Breaks texts at random, the same way for the same seed. */

/** Numbers from 0 to 1 out of a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const CHARACTERS = [..."{}[],:;@/=<>*&!|#-+.\"'\\ \n\t0917aZ\u0000\u00e9\u2028"];
const WORDS = [
  "null",
  "1e9",
  "-1",
  "99999999999",
  "<i>",
  "<i/0>",
  "node0",
  "0",
  "~",
  "{",
  "[]",
  "true",
  "__proto__",
  "from x",
];

/** A text with a few things wrong: pieces taken out, put in twice, or exchanged for others. */
export function mutate(text: string, random: () => number): string {
  const below = (max: number): number => Math.floor(random() * max);
  const pick = <T>(list: readonly T[]): T | undefined => list[below(list.length)];
  let broken = text;
  for (let changes = 1 + below(4); changes > 0; changes--) {
    const at = below(broken.length + 1);
    const end = Math.min(broken.length, at + below(random() < 0.9 ? 12 : 400));
    const [before, piece, after] = [broken.slice(0, at), broken.slice(at, end), broken.slice(end)];
    switch (below(6)) {
      case 0:
        broken = before + after;
        break;
      case 1:
        broken = before + piece + piece + after;
        break;
      case 2:
        broken = `${before}${pick(CHARACTERS) ?? ""}${after}`;
        break;
      case 3:
        broken = `${before}${pick(WORDS) ?? ""}${after}`;
        break;
      case 4: {
        const from = below(broken.length + 1);
        broken = before + broken.slice(from, from + piece.length + 4) + after;
        break;
      }
      default:
        // A number becomes another one.
        broken = broken.replace(/\d+/g, (digits) =>
          random() < 0.02
            ? (pick(["0", "1", "7", "1023", "65536", "4294967296", "9".repeat(30)]) ?? digits)
            : digits,
        );
    }
  }
  return broken;
}
