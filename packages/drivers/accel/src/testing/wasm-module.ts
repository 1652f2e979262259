// WebAssembly modules for tests, put together by hand.

function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest = Math.floor(rest / 128);
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...leb(bytes.length), ...bytes];
}

function section(id: number, bytes: readonly number[]): number[] {
  return [id, ...leb(bytes.length), ...bytes];
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...leb(items.length), ...items.flat()];
}

const I32 = 0x7f;
const F64 = 0x7c;

export interface ModuleOptions {
  readonly initial?: number;
  readonly maximum?: number;
  readonly shared?: boolean;
  /** A memory of its own in place of an imported one. */
  readonly own?: boolean;
  /** Imports a function too. */
  readonly needs?: boolean;
}

/**
 * A module with kernels (x, a, first, end): `scale` multiplies doubles x[first…end) by a; `crash` traps; `outside`
 * reads where nothing is; `spin` never ends. And `_helper`, which is no kernel.
 */
export function scaleModule(options: ModuleOptions = {}): Uint8Array<ArrayBuffer> {
  const { initial = 1, maximum = 2048, shared = true, own = false, needs = false } = options;
  const limits = [shared ? 3 : 1, ...leb(initial), ...leb(maximum)];
  const type = [0x60, ...vector([[I32], [F64], [I32], [I32]]), 0];
  const imports: number[][] = [];
  if (needs) imports.push([...text("env"), ...text("print"), 0, 0]);
  if (!own) imports.push([...text("env"), ...text("memory"), 2, ...limits]);
  const base = needs ? 1 : 0;
  // block loop: if first >= end break; x[first] *= a; first++; continue
  const address = [0x20, 0, 0x20, 2, 0x41, 3, 0x74, 0x6a];
  const scale = [
    0x02,
    0x40,
    0x03,
    0x40,
    0x20,
    2,
    0x20,
    3,
    0x4e,
    0x0d,
    1,
    ...address,
    ...address,
    0x2b,
    3,
    0,
    0x20,
    1,
    0xa2,
    0x39,
    3,
    0,
    0x20,
    2,
    0x41,
    1,
    0x6a,
    0x21,
    2,
    0x0c,
    0,
    0x0b,
    0x0b,
  ];
  const outside = [0x41, 0x7f, 0x2d, 0, 0, 0x1a];
  const bodies = [scale, [0x00], outside, [0x03, 0x40, 0x0c, 0, 0x0b], []].map((code) => {
    const body = [0, ...code, 0x0b];
    return [...leb(body.length), ...body];
  });
  const names = ["scale", "crash", "outside", "spin", "_helper"];
  return new Uint8Array([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, vector([type])),
    ...(imports.length > 0 ? section(2, vector(imports)) : []),
    ...section(3, vector(names.map(() => [0]))),
    ...(own ? section(5, vector([limits])) : []),
    ...section(7, vector(names.map((name, i) => [...text(name), 0, ...leb(i + base)]))),
    ...section(10, vector(bodies)),
  ]);
}
