// Sorts numbers that do not fit into memory: pieces in place, then a merge of all pieces. It knows nothing of files and
// memory; both are arrays to it.

/** Sorts pieces of an array in place, each of so many elements. */
export function sortPieces(numbers: Uint32Array, pieceLength: number): void {
  for (let first = 0; first < numbers.length; first += pieceLength)
    numbers.subarray(first, Math.min(numbers.length, first + pieceLength)).sort();
}

/** Merges sorted pieces into an array of the same length. Reads and writes everything once, in order. */
export function mergePieces(numbers: Uint32Array, pieceLength: number, sorted: Uint32Array): void {
  const pieces = Math.ceil(numbers.length / pieceLength);
  const at = Float64Array.from({ length: pieces }, (_, piece) => piece * pieceLength);
  const ends = at.map((first) => Math.min(numbers.length, first + pieceLength));
  // A tree of losers: each inner place holds the piece that lost there, place 0 the one that won.
  const heads = new Float64Array(pieces);
  for (let piece = 0; piece < pieces; piece++) heads[piece] = numbers[at[piece] ?? 0] ?? 0;
  const tree = new Int32Array(pieces).fill(-1);
  for (let piece = pieces - 1; piece >= 0; piece--) settle(tree, heads, piece, pieces);
  for (let out = 0; out < sorted.length; out++) {
    const piece = tree[0] ?? 0;
    sorted[out] = heads[piece] ?? 0;
    const next = (at[piece] ?? 0) + 1;
    at[piece] = next;
    heads[piece] = next < (ends[piece] ?? 0) ? (numbers[next] ?? 0) : Number.POSITIVE_INFINITY;
    settle(tree, heads, piece, pieces);
  }
}

/** Lets a piece play its way up: the smaller head wins and goes on, the other stays as the loser. */
function settle(tree: Int32Array, heads: Float64Array, piece: number, pieces: number): void {
  let winner = piece;
  for (let place = (piece + pieces) >> 1; place > 0; place >>= 1) {
    const other = tree[place] ?? -1;
    if (other < 0) {
      // Nobody has been here: it waits for the other side.
      tree[place] = winner;
      return;
    }
    if ((heads[other] ?? 0) < (heads[winner] ?? 0)) {
      tree[place] = winner;
      winner = other;
    }
  }
  tree[0] = winner;
}
