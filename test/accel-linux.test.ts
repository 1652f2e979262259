import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type QueueClient, WHY } from "@hms/driver-accel";
import { CAN_READ, CAN_WRITE } from "@hms/hmm";
import { LinuxHost } from "@hms/host-linux";
import { HmsError } from "@hms/topology";
import { scaleModule } from "../packages/drivers/accel/src/testing/wasm-module.ts";
import { MADV_DONTNEED } from "../packages/host-linux/src/sys/abi.generated.ts";
import { addressOf, madvise } from "../packages/host-linux/src/sys/memory.ts";
import { RealLab } from "./accel/lab.ts";

/** Why the real host cannot run here; undefined when it can. */
function impossible(): string | undefined {
  try {
    new LinuxHost().close();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const options = { skip: impossible(), timeout: 120_000 };
const MIB = 1 << 20;

interface Range {
  readonly first: number;
  readonly end: number;
}
type Words = Record<"x" | "y", Int32Array>;

function add({ x }: Words, { first, end }: Range): void {
  for (let i = first; i < end; i++) x[i] = (x[i] ?? 0) + i + 1;
}

function sumInto({ x, y }: Words, { first, end }: Range): void {
  for (let i = first; i < end; i++) y[i] = 2 * (x[i] ?? 0);
}

const int32 = (
  region: number,
  length: number,
  access: "read" | "write" | "update" = "update",
  byteOffset = 0,
) => ({ region, type: "int32", length, access, byteOffset }) as const;

async function consistent(lab: RealLab): Promise<void> {
  assert.deepEqual(await lab.call("check"), []);
  assert.deepEqual(await lab.call("faults"), []);
}

test(
  "a kernel works on what the CPU has written, through real faults, and the CPU reads what it did",
  options,
  async () => {
    await using lab = new RealLab();
    await lab.call("device", "accel0", 32 * MIB);
    const client = await lab.queue("q", "accel0");
    const kernel = await lab.kernel("accel0", sumInto, ["x", "y"]);
    for (const kind of ["private", "shared"]) {
      const x = await lab.map(4 * MIB, { kind });
      const y = await lab.map(4 * MIB, { kind });
      for (const { region } of [x, y]) await lab.call("attach", "q", region);
      const a = new Int32Array(x.buffer);
      const b = new Int32Array(y.buffer);
      for (let i = 0; i < a.length; i++) a[i] = i;
      const faults = (await lab.call("queueStatistics", "q")).faults;
      const args = [int32(x.region, a.length, "read"), int32(y.region, b.length, "write")];
      assert.equal((await client.run({ kernel, args })).code, 0);
      assert.ok((await lab.call("queueStatistics", "q")).faults > faults);
      const expected = kind === "private" ? "accel0 memory" : "file";
      assert.equal(await lab.call("where", x.region, 3), expected);
      for (let i = 0; i < a.length; i++)
        if (b[i] !== 2 * i || a[i] !== i) assert.fail(`${kind} ${i}: ${b[i]}`);
      assert.equal(await lab.call("where", y.region, 3), kind === "private" ? "host" : "file");
      await consistent(lab);
    }
    client.close();
  },
);

test(
  "data much larger than the device's memory, byte by byte, on two devices and the CPU",
  options,
  async () => {
    await using lab = new RealLab();
    await lab.call("device", "accel0", 2 * MIB);
    await lab.call("device", "accel1", 1 * MIB);
    const x = await lab.map(16 * MIB);
    const words = new Int32Array(x.buffer);
    const clients: QueueClient[] = [];
    const kernels: number[] = [];
    for (const name of ["accel0", "accel1"]) {
      clients.push(await lab.queue(name, name));
      await lab.call("attach", name, x.region);
      kernels.push(await lab.kernel(name, add, ["x"]));
    }
    const rounds = 4;
    for (let round = 0; round < rounds; round++) {
      const args = [int32(x.region, words.length)];
      const client = clients[round % 2];
      const kernel = kernels[round % 2];
      if (client === undefined || kernel === undefined) continue;
      assert.equal((await client.run({ kernel, args })).code, 0);
    }
    for (let i = 0; i < words.length; i++)
      if (words[i] !== Math.imul(rounds, i + 1)) assert.fail(`${i}: ${words[i]}`);
    assert.ok((await lab.call("status", "accel0")).evicted > 0);
    await consistent(lab);
    for (const client of clients) client.close();
  },
);

test("CPU and two devices write the same pages at the same time, each its own words", options, async () => {
  await using lab = new RealLab();
  const x = await lab.map(256 * 1024);
  const words = new Int32Array(x.buffer);
  const third = Math.floor(words.length / 3);
  const clients: QueueClient[] = [];
  const ids: number[] = [];
  const rounds = 12;
  for (const [at, name] of ["accel0", "accel1"].entries()) {
    await lab.call("device", name, 128 * 1024);
    const client = await lab.queue(name, name);
    await lab.call("attach", name, x.region);
    // Every third word, from its own on.
    const kernel = await lab.kernel(
      name,
      ({ x, from }: { x: Int32Array; from: number }, { first, end }: Range) => {
        for (let i = first; i < end; i++) x[3 * i + from] = (x[3 * i + from] ?? 0) + 1;
      },
      ["x", "from"],
    );
    clients.push(client);
    for (let round = 0; round < rounds; round++)
      ids.push(
        client.submit({
          kernel,
          args: [int32(x.region, words.length), at],
          range: { first: 0, end: third },
        }),
      );
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < third; i++) words[3 * i + 2] = (words[3 * i + 2] ?? 0) + 1;
    await sleep(1);
  }
  for (const [i, id] of ids.entries()) {
    const client = clients[Math.floor(i / rounds)];
    assert.equal((await client?.completion(id))?.code, 0);
  }
  for (let i = 0; i < 3 * third; i++) if (words[i] !== rounds) assert.fail(`word ${i}: ${words[i]}`);
  await consistent(lab);
  for (const client of clients) client.close();
});

interface Ahead {
  readonly movedAhead: number;
  readonly overBudget: number;
}

test(
  "what a sequence comes to next goes to the device, and comes home, before it is touched",
  options,
  async () => {
    await using lab = new RealLab(96 * MIB);
    await lab.call("device", "accel0", 48 * MIB);
    const client = await lab.queue("q", "accel0");
    const kernel = await lab.kernel("accel0", add, ["x"]);
    const x = await lab.map(32 * MIB);
    await lab.call("attach", "q", x.region);
    const a = new Int32Array(x.buffer);
    const args = [int32(x.region, a.length)];
    const ahead = async (): Promise<number> => ((await lab.call("statistics")).host as Ahead).movedAhead;
    const rounds = 8;
    const moved: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < a.length; i++) a[i] = round + i;
      const before = await ahead();
      assert.equal((await client.run({ kernel, args })).code, 0);
      const there = await ahead();
      for (let i = 0; i < a.length; i++)
        if (a[i] !== ((round + 2 * i + 1) | 0)) assert.fail(`round ${round}, ${i}: ${a[i]}`);
      moved.push(there - before, (await ahead()) - there);
      await consistent(lab);
    }
    const [toDevice, home] = [0, 1].map((way) =>
      moved.filter((_, i) => i % 2 === way).reduce((sum, pages) => sum + pages, 0),
    );
    // At first nothing is known of the sequence; later nearly all could come.
    assert.ok((toDevice ?? 0) > x.pages && (home ?? 0) > x.pages, `${moved.join(" ")} of ${x.pages} pages`);
    assert.equal(((await lab.call("statistics")).host as Ahead).overBudget, 0);
    client.close();
  },
);

test("sequences of the CPU and the device over the same region at the same time", options, async () => {
  await using lab = new RealLab(40 * MIB);
  await lab.call("device", "accel0", 20 * MIB);
  const client = await lab.queue("q", "accel0");
  const kernel = await lab.kernel("accel0", add, ["x"]);
  let seed = 20_261;
  const below = (n: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
  for (let life = 0; life < 4; life++) {
    const x = await lab.map(24 * MIB);
    await lab.call("attach", "q", x.region);
    const a = new Int32Array(x.buffer);
    const truth = new Int32Array(a.length);
    for (let step = 0; step < 12; step++) {
      // What the device has of it, the CPU leaves alone meanwhile.
      const cut = below(a.length);
      const [first = 0, end = 0] = below(2) === 0 ? [0, cut] : [cut, a.length];
      const running = client.run({ kernel, args: [int32(x.region, a.length)], range: { first, end } });
      for (let i = first; i < end; i++) truth[i] = ((truth[i] ?? 0) + i + 1) | 0;
      const [from = 0, to = 0] = first === 0 ? [cut, a.length] : [0, cut];
      const until = from + below(to - from + 1);
      for (let i = from; i < until; i++) a[i] = truth[i] = ((truth[i] ?? 0) ^ i) | 0;
      assert.equal((await running).code, 0);
      await consistent(lab);
    }
    for (let i = 0; i < a.length; i += 1 + (life & 1) * 1021)
      if (a[i] !== truth[i]) assert.fail(`life ${life}, ${i}: ${a[i]}, not ${truth[i]}`);
    // Gone while more of it may be wanted.
    await client.run({ kernel, args: [int32(x.region, a.length)], range: { first: 0, end: 3 << 19 } });
    await lab.call("detach", "q", x.region);
    await lab.unmap(x);
  }
  assert.equal(((await lab.call("statistics")).host as Ahead).overBudget, 0);
  client.close();
});

test("what the program drops while more of it comes home is zeros", options, async () => {
  await using lab = new RealLab();
  await lab.call("device", "accel0", 64 * MIB);
  const client = await lab.queue("q", "accel0");
  const kernel = await lab.kernel("accel0", add, ["x"]);
  const x = await lab.map(32 * MIB);
  await lab.call("attach", "q", x.region);
  const a = new Int32Array(x.buffer);
  const address = addressOf(x.buffer);
  const words = MIB >> 2;
  for (let round = 0; round < 60; round++) {
    a.fill(7);
    assert.equal((await client.run({ kernel, args: [int32(x.region, a.length)] })).code, 0);
    // Every third time to the end, so that it is known how far it goes.
    const read = round % 3 === 0 ? 32 : 4 + ((round * 5) % 24);
    for (let i = 0; i < read * words; i += 1024) if (a[i] !== i + 8) assert.fail(`${round}, ${i}: ${a[i]}`);
    madvise(address + read * MIB, (32 - read) * MIB, MADV_DONTNEED);
    for (let i = read * words; i < a.length; i += 1024)
      if (a[i] !== 0) assert.fail(`${round}, ${i}: ${a[i]}`);
  }
  await consistent(lab);
  client.close();
});

test("less RAM than data, and less device memory still", options, async () => {
  await using lab = new RealLab(24 * MIB);
  await lab.call("device", "accel0", 2 * MIB);
  const x = await lab.map(64 * MIB);
  const client = await lab.queue("q", "accel0");
  await lab.call("attach", "q", x.region);
  const kernel = await lab.kernel("accel0", add, ["x"]);
  const words = new Int32Array(x.buffer);
  for (let i = 0; i < words.length; i += 1024) words[i] = -i;
  assert.equal((await client.run({ kernel, args: [int32(x.region, words.length)] })).code, 0);
  for (let i = 0; i < words.length; i++)
    if (words[i] !== (i % 1024 === 0 ? 1 : i + 1)) assert.fail(`${i}: ${words[i]}`);
  const { host } = await lab.call("statistics");
  assert.ok((host as { swappedOut: number }).swappedOut > 0);
  await consistent(lab);
  client.close();
});

test(
  "a touch of what is not there, or may not be written, fails its request, and the next one sees the truth",
  options,
  async () => {
    await using lab = new RealLab();
    await lab.call("device", "accel0", 4 * MIB);
    const x = await lab.map(MIB);
    const y = await lab.map(MIB);
    const client = await lab.queue("q", "accel0");
    for (const { region } of [x, y]) await lab.call("attach", "q", region);
    const kernel = await lab.kernel("accel0", add, ["x"]);
    const words = new Int32Array(x.buffer);
    words.fill(5);
    await lab.call("protect", x.region, CAN_READ);
    const args = [int32(x.region, words.length)];
    const refused = await client.completion(client.submit({ kernel, args }));
    assert.deepEqual([refused.code, refused.why], [14, WHY.memoryFault]);
    assert.ok(words.every((word) => word === 5));
    await lab.call("protect", x.region, CAN_READ | CAN_WRITE);
    assert.equal((await client.run({ kernel, args })).code, 0);
    for (let i = 0; i < words.length; i++) if (words[i] !== 5 + i + 1) assert.fail(`${i}: ${words[i]}`);
    // A region that goes away under a kernel that works on it.
    const endless = await lab.kernel(
      "accel0",
      ({ x }: Words) => {
        for (let i = 0; ; i = (i + 1024) % x.length) x[i] = (x[i] ?? 0) + 1;
      },
      ["x"],
    );
    const running = client.submit({ kernel: endless, args: [int32(y.region, MIB / 4)] });
    await sleep(30);
    await lab.unmap(y);
    await sleep(30);
    await lab.call("reset", "q");
    const ended = await client.completion(running);
    assert.notEqual(ended.code, 0);
    const again = await lab.queue("q2", "accel0");
    await lab.call("attach", "q2", x.region);
    assert.equal((await again.run({ kernel, args })).code, 0);
    await consistent(lab);
    client.close();
    again.close();
  },
);

test(
  "the device's thread is killed again and again while it works, and no byte is lost",
  options,
  async () => {
    await using lab = new RealLab();
    await lab.call("device", "accel0", 2 * MIB);
    const x = await lab.map(8 * MIB);
    const words = new Int32Array(x.buffer);
    for (let i = 0; i < words.length; i++) words[i] = i;
    const kernel = await lab.kernel(
      "accel0",
      ({ x }: Words, { first, end }: Range) => {
        // Done twice it is as done once: what a killed request did in part shows nowhere.
        for (let i = first; i < end; i++) x[i] = (x[i] ?? 0) | 0x40000000;
      },
      ["x"],
    );
    let died = 0;
    for (let round = 0; round < 12; round++) {
      const client = await lab.queue(`q${round}`, "accel0");
      await lab.call("attach", `q${round}`, x.region);
      const id = client.submit({ kernel, args: [int32(x.region, words.length)] });
      await sleep(Math.random() * 25);
      await lab.call("resetDevice", "accel0");
      const { code } = await client.completion(id);
      if (code !== 0) died++;
      client.close();
      await lab.call("closeQueue", `q${round}`);
      for (let i = 0; i < words.length; i++)
        if (((words[i] ?? 0) & 0x3fffffff) !== i) assert.fail(`round ${round}, word ${i}: ${words[i]}`);
      await consistent(lab);
    }
    assert.ok(died > 0);
    const client = await lab.queue("last", "accel0");
    await lab.call("attach", "last", x.region);
    await client.run({ kernel, args: [int32(x.region, words.length)] });
    for (let i = 0; i < words.length; i++) if (words[i] !== (i | 0x40000000)) assert.fail(`word ${i}`);
    client.close();
  },
);

test("migrations, evictions and advice while a device works", options, async () => {
  await using lab = new RealLab();
  await lab.call("device", "accel0", MIB);
  const x = await lab.map(2 * MIB);
  const words = new Int32Array(x.buffer);
  const kernel = await lab.kernel("accel0", add, ["x"]);
  let rounds = 0;
  for (const advice of ["auto", "move", "duplicate", "stay"] as const) {
    const client = await lab.queue(advice, "accel0");
    await lab.call("attach", advice, x.region, { advice });
    const ids: number[] = [];
    for (let i = 0; i < 6; i++) ids.push(client.submit({ kernel, args: [int32(x.region, words.length)] }));
    rounds += 6;
    for (let i = 0; i < 20; i++) {
      await lab.call("migrate", x.region, i % 2 === 0 ? "accel0" : null, (i * 37) % 300, 100);
      if (i % 5 === 0) await lab.call("evict", "accel0");
    }
    for (const id of ids) assert.equal((await client.completion(id)).code, 0);
    client.close();
    await lab.call("closeQueue", advice);
  }
  for (let i = 0; i < words.length; i++)
    if (words[i] !== Math.imul(rounds, i + 1)) assert.fail(`${i}: ${words[i]}`);
  await consistent(lab);
});

test(
  "reading what the CPU keeps touching duplicates it: neither waits for the other any more",
  options,
  async () => {
    await using lab = new RealLab();
    await lab.call("device", "accel0", 4 * MIB);
    const x = await lab.map(64 * 1024);
    const out = await lab.map(4096);
    const words = new Int32Array(x.buffer).fill(1);
    const client = await lab.queue("q", "accel0");
    for (const { region } of [x, out]) await lab.call("attach", "q", region);
    const kernel = await lab.kernel(
      "accel0",
      ({ x, y }: Words, { first, end }: Range) => {
        let sum = 0;
        for (let i = first; i < end; i++) sum += x[i] ?? 0;
        y[0] = (y[0] ?? 0) + sum;
      },
      ["x", "y"],
    );
    let expected = 0;
    for (let round = 0; round < 20; round++) {
      words[round * 700] = round;
      for (const word of words) expected += word;
      const args = [int32(x.region, words.length, "read"), int32(out.region, 1)];
      assert.equal((await client.run({ kernel, args })).code, 0);
      assert.equal(new Int32Array(out.buffer)[0], expected, `round ${round}`);
    }
    const { core } = await lab.call("statistics");
    assert.ok((core as { duplicated: number }).duplicated > 0);
    await consistent(lab);
    client.close();
  },
);

test(
  "WebAssembly kernels fault pages into their own memory, and share them with JavaScript and the CPU",
  options,
  async () => {
    await using lab = new RealLab();
    await lab.call("device", "accel0", MIB);
    const x = await lab.map(4 * MIB);
    const values = new Float64Array(x.buffer);
    for (let i = 0; i < values.length; i++) values[i] = i;
    const loaded = await lab.call("load", "accel0", "wasm", {
      kind: "wasm",
      bytes: scaleModule({ initial: 17 }),
    });
    assert.ok(loaded.outcome === "OK", JSON.stringify(loaded));
    const program = loaded.program ?? 0;
    const scale = await lab.call("kernel", "accel0", program, "scale", ["x", "a"]);
    const crash = await lab.call("kernel", "accel0", program, "crash", ["x", "a"]);
    const spin = await lab.call("kernel", "accel0", program, "spin", ["x", "a"]);
    const half = await lab.kernel(
      "accel0",
      ({ x }: { x: Float64Array }, { first, end }: Range) => {
        for (let i = first; i < end; i++) x[i] = (x[i] ?? 0) / 2;
      },
      ["x"],
    );
    const client = await lab.queue("q", "accel0");
    await lab.call("attach", "q", x.region, { program });
    await lab.call("attach", "q", x.region);
    const all = { region: x.region, type: "float64", length: values.length } as const;
    for (let round = 0; round < 2; round++) {
      assert.equal((await client.run({ kernel: scale, args: [all, 4] })).code, 0);
      assert.equal((await client.run({ kernel: half, args: [all] })).code, 0);
      const trapped = await client.completion(client.submit({ kernel: crash, args: [all, 0] }));
      assert.deepEqual([trapped.code, trapped.why], [5, WHY.kernelFailed]);
      const factor = 2 ** (round + 1);
      for (let i = 0; i < values.length; i++) if (values[i] !== i * factor) assert.fail(`${i}: ${values[i]}`);
    }
    assert.ok((await lab.call("status", "accel0")).evicted > 0);
    const spinning = client.submit({ kernel: spin, args: [all, 0] });
    await sleep(20);
    await lab.call("resetDevice", "accel0");
    assert.equal((await client.completion(spinning)).code, 5);
    for (let i = 0; i < values.length; i++) if (values[i] !== i * 4) assert.fail(`${i}: ${values[i]}`);
    client.close();
    await lab.call("closeQueue", "q");
    const again = await lab.queue("q2", "accel0");
    await lab.call("attach", "q2", x.region, { program });
    assert.equal((await again.run({ kernel: scale, args: [all, 0.25] })).code, 0);
    for (let i = 0; i < values.length; i++) if (values[i] !== i) assert.fail(`${i}: ${values[i]}`);
    await consistent(lab);
    again.close();
  },
);

test("opening and closing leaves neither descriptors nor mappings nor threads", options, async () => {
  const held = (): string[] => [
    ...readdirSync("/proc/self/fd").map(descriptor),
    ...readFileSync("/proc/self/maps", "utf8")
      .split("\n")
      .filter((line) => line.includes("hms ")),
    ...readdirSync("/proc/self/task").map(() => "thread"),
  ];
  const count = (): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const what of held()) counts.set(what, (counts.get(what) ?? 0) + 1);
    return counts;
  };
  const once = async (): Promise<void> => {
    await using lab = new RealLab();
    await lab.call("device", "accel0", MIB);
    const x = await lab.map(MIB);
    for (let i = 0; i < 5; i++) {
      const client = await lab.queue(`q${i}`, "accel0");
      await lab.call("attach", `q${i}`, x.region);
      // A thread that is ended while it starts may cost the runtime a descriptor: here it runs.
      await client.run({ kernel: 0 });
      client.close();
      await lab.call("closeQueue", `q${i}`);
    }
  };
  for (let i = 0; i < 2; i++) await once();
  await sleep(200);
  const before = count();
  for (let i = 0; i < 6; i++) await once();
  const more = (): string[] =>
    [...count()].filter(([what, n]) => n > (before.get(what) ?? 0)).map(([what, n]) => `${n} × ${what}`);
  for (let looks = 0; looks < 50 && more().length > 0; looks++) await sleep(50);
  assert.deepEqual(more(), []);
});

/** What a descriptor is, without what differs from one to the next. */
function descriptor(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, "");
  } catch {
    return "closed";
  }
}

test("everything is closed while a kernel faults without end", options, async () => {
  for (let round = 0; round < 4; round++) {
    await using lab = new RealLab();
    await lab.call("device", "accel0", 256 * 1024);
    const x = await lab.map(2 * MIB);
    const client = await lab.queue("q", "accel0");
    await lab.call("attach", "q", x.region);
    const kernel = await lab.kernel(
      "accel0",
      ({ x }: Words) => {
        for (let i = 0; ; i = (i + 7 * 1024) % x.length) x[i] = (x[i] ?? 0) + 1;
      },
      ["x"],
    );
    const id = client.submit({ kernel, args: [int32(x.region, x.pages * 1024)] });
    await sleep(20 + round * 7);
    const ended = client.completion(id);
    await lab[Symbol.asyncDispose]();
    assert.notEqual((await ended).code, 0);
    client.close();
  }
});

test("what a device must not be asked", options, async () => {
  await using lab = new RealLab();
  await assert.rejects(lab.call("device", "tiny", 4096), (error: unknown) => {
    return HmsError.is(error) && error.errno === "EINVAL";
  });
  await lab.call("device", "accel0", MIB);
  const x = await lab.map(4096);
  const client = await lab.queue("q", "accel0");
  await lab.call("attach", "q", x.region);
  await assert.rejects(lab.call("attach", "q", x.region), { errno: "EEXIST" });
  await lab.unmap(x);
  const completion = await client.completion(client.submit({ kernel: 0 }));
  assert.equal(completion.code, 0);
  client.close();
});
