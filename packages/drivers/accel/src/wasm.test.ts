import assert from "node:assert/strict";
import { test } from "node:test";
import { HmsError } from "@hms/topology";
import { EIO, WHY } from "./code.ts";
import { checkWasm } from "./programs.ts";
import { Lab } from "./testing/lab.ts";
import { scaleModule } from "./testing/wasm-module.ts";
import { memoryImport } from "./wasm-imports.ts";
import { WasmSpace } from "./wasm-space.ts";

test("what a module says about the memory that it imports", () => {
  assert.deepEqual(memoryImport(scaleModule({ initial: 3, maximum: 300, needs: true })), {
    module: "env",
    name: "memory",
    initial: 3,
    maximum: 300,
    shared: true,
  });
  assert.equal(memoryImport(scaleModule({ own: true })), null);
});

test("modules that this device cannot run are refused with what to do", async () => {
  assert.throws(() => checkWasm("m", scaleModule({ own: true })), /--import-memory/);
  assert.throws(() => checkWasm("m", scaleModule({ shared: false })), /--shared-memory/);
  assert.throws(() => checkWasm("m", scaleModule({ needs: true })), /imports env.print/);
  assert.throws(() => checkWasm("m", new Uint8Array([1, 2, 3])), { errno: "EINVAL" });
  const whole = scaleModule();
  // Cut off anywhere: some beginnings are modules, the others are refused.
  for (let length = 0; length < whole.length; length++) {
    try {
      checkWasm("m", whole.slice(0, length));
    } catch (error) {
      assert.ok(HmsError.is(error) && error.errno === "EINVAL", String(error));
    }
  }
  await using lab = new Lab();
  const reply = await lab.load({ kind: "wasm", bytes: scaleModule({ own: true }) });
  assert.ok(reply.outcome === "ECANCELED" && reply.error.errno === "EINVAL");
});

test("regions are placed in a module's memory one behind the other, above what is its own", () => {
  const space = new WasmSpace({ module: "env", name: "memory", initial: 40, maximum: 200, shared: true });
  const first = space.place(4096);
  const second = space.place(3 << 20);
  assert.ok(first >= 40 * 65536 && first % (1 << 21) === 0);
  assert.ok(second >= first + 4096 && second % (1 << 21) === 0);
  assert.ok(space.memory.buffer.byteLength >= second + (3 << 20));
  assert.throws(() => space.place(64 << 20), { errno: "ENOMEM" });
  space.give(first, 4096);
  assert.equal(space.place(4096), first);
});

test("a WebAssembly kernel works on a region in place, and its traps fail its request only", {
  timeout: 60_000,
}, async () => {
  await using lab = new Lab();
  const reply = await lab.load({ kind: "wasm", bytes: scaleModule() }, "wasm");
  assert.ok(reply.outcome === "OK", JSON.stringify(reply));
  assert.deepEqual(reply.kernels, ["scale", "crash", "outside", "spin"]);
  const program = reply.program ?? 0;
  const parameters = ["x", "a"];
  const scale = lab.driver.kernel(program, "scale", parameters);
  const x = { region: 1, type: "float64", byteOffset: 64, length: 1000 } as const;
  const { client } = lab;
  // Not in this program's memory yet.
  const early = await client.completion(client.submit({ kernel: scale, args: [x, 3] }));
  assert.notEqual(early.code, 0);
  lab.driver.attach(lab.queue, { region: 1, first: lab.first, pages: lab.pages, program });
  const window = [...lab.machine.windows].find((each) => each.byteOffset > 0);
  assert.ok(window !== undefined);
  for (let page = lab.first; page < lab.first + lab.pages; page++) window.touch(page, true);
  const values = new Float64Array(window.buffer, window.byteOffset + 64, 1000);
  for (let i = 0; i < 1000; i++) values[i] = i;
  assert.equal((await client.run({ kernel: scale, args: [x, 3] })).code, 0);
  assert.ok(values.every((value, i) => value === 3 * i));
  for (const name of ["crash", "outside"]) {
    const kernel = lab.driver.kernel(program, name, parameters);
    const { code, why, detail } = await client.completion(client.submit({ kernel, args: [x, 0] }));
    assert.deepEqual([code, why], [EIO, WHY.kernelFailed]);
    assert.match(detail, /RuntimeError/);
  }
  await client.run({ kernel: scale, args: [x, 2] });
  assert.equal(values[10], 60);
  // The memory is the kernel's: it is still there when the thread is not.
  const spin = lab.driver.kernel(program, "spin", parameters);
  const spinning = client.submit({ kernel: spin, args: [x, 0] });
  assert.equal(client.wait(spinning, 30), 110);
  lab.driver.resetDevice();
  assert.equal((await client.completion(spinning)).code, EIO);
  await lab.until(() => lab.driver.status().restarts === 1);
  const queue = lab.open();
  lab.driver.attach(queue, { region: 1, first: lab.first, pages: lab.pages, program });
  const bytes = new Uint8Array(8);
  assert.equal(lab.process.read(lab.first, 64 + 80, bytes), 0);
  assert.equal(new Float64Array(bytes.buffer)[0], 60);
});
