import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CpuInfo } from "./cpuinfo.ts";

describe("/proc/cpuinfo, by the sort of machine", () => {
  test("x86", () => {
    const block = (cpu: number): string =>
      `processor\t: ${cpu}\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\nphysical id\t: ${cpu}\nflags\t\t: fpu lm\n\n`;
    const info = new CpuInfo(block(0) + block(1));
    assert.deepEqual(info.cpus, [0, 1]);
    assert.deepEqual(info.infoOf(1), {
      CPUVendor: "AuthenticAMD",
      CPUFamilyNumber: "25",
      CPUModelNumber: "17",
      CPUModel: "AMD EPYC",
      CPUStepping: "1",
    });
    assert.equal(info.numberOf(1, "physical id"), 1);
    assert.equal(info.numberOf(1, "core id"), undefined);
    assert.deepEqual(info.machine, {});
  });

  test("Itanium", () => {
    const info = new CpuInfo(
      "processor  : 0\nvendor     : GenuineIntel\narch       : IA-64\nfamily     : 31\nmodel      : 2\nmodel name : Madison up to 9M cache\nrevision   : 1\n\n",
    );
    assert.deepEqual(info.infoOf(0), {
      CPUVendor: "GenuineIntel",
      CPUFamilyNumber: "31",
      CPUModelNumber: "2",
      CPUModel: "Madison up to 9M cache",
    });
  });

  test("ARM, old: the machine's lines above and below those of the CPUs, no serial number", () => {
    const info = new CpuInfo(
      "Processor\t: ARMv7 Processor rev 1 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 1595\n\nprocessor\t: 1\nBogoMIPS\t: 1595\n\nFeatures\t: swp\nCPU implementer\t: 0x41\nCPU architecture: 7\nCPU part\t: 0xc09\n\nHardware\t: Some board\nRevision\t: 0000\nSerial\t\t: 0000000000000123\n",
    );
    assert.deepEqual(info.cpus, [0, 1]);
    assert.deepEqual(info.machine, {
      CPUModel: "ARMv7 Processor rev 1 (v7l)",
      CPUImplementer: "0x41",
      CPUArchitecture: "7",
      CPUPart: "0xc09",
      HardwareName: "Some board",
      HardwareRevision: "0000",
    });
  });

  test("ARM, new: each CPU has its own", () => {
    const block = (cpu: number, part: string): string =>
      `processor\t: ${cpu}\nBogoMIPS\t: 50\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: ${part}\nCPU revision\t: 0\n\n`;
    const info = new CpuInfo(block(0, "0xd4f") + block(1, "0xd40"));
    assert.equal(info.infoOf(0).CPUPart, "0xd4f");
    assert.equal(info.infoOf(1).CPUPart, "0xd40");
  });

  test("POWER", () => {
    const info = new CpuInfo(
      "processor\t: 0\ncpu\t\t: POWER9, altivec supported\nrevision\t: 2.1 (pvr 004e 1201)\n\ntimebase\t: 512000000\nplatform\t: PowerNV\nmodel\t\t: 8335-GTW\nmachine\t\t: PowerNV 8335-GTW\n",
    );
    assert.deepEqual(info.infoOf(0), {
      CPUModel: "POWER9, altivec supported",
      CPURevision: "2.1 (pvr 004e 1201)",
    });
    assert.deepEqual(info.machine, { PlatformName: "PowerNV", PlatformModel: "PowerNV 8335-GTW" });
  });

  test("S/390 and RISC-V", () => {
    const mainframe = new CpuInfo(
      "vendor_id       : IBM/S390\n# processors    : 1\nprocessor 0: version = 00,  machine = 2817\n",
    );
    assert.deepEqual(mainframe.machine, { CPUVendor: "IBM/S390" });
    assert.deepEqual(mainframe.cpus, []);
    const riscv = new CpuInfo(
      "processor\t: 0\nhart\t\t: 1\nisa\t\t: rv64imafdc\nmmu\t\t: sv39\nuarch\t\t: sifive,u74-mc\n\n",
    );
    assert.deepEqual(riscv.infoOf(0), { CPUModel: "sifive,u74-mc" });
  });

  test("nothing, and what is no such file", () => {
    for (const text of [
      "",
      "\n\n\n",
      "processor",
      "processor : x\n",
      "\0\0\0",
      ":::\n:",
      "processor\t: 99999999\n",
    ]) {
      const info = new CpuInfo(text);
      assert.deepEqual(info.cpus, [], JSON.stringify(text));
      assert.deepEqual(info.infoOf(0), {});
    }
  });

  test("a file cut short in the middle of a CPU", () => {
    const info = new CpuInfo("processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel na");
    assert.deepEqual(info.infoOf(0), { CPUVendor: "GenuineIntel", CPUFamilyNumber: "6" });
  });

  test("thousands of CPUs take no time", () => {
    const text = Array.from(
      { length: 4096 },
      (_, cpu) => `processor\t: ${cpu}\nmodel name\t: X\nflags\t: ${"f ".repeat(500)}\n\n`,
    ).join("");
    const started = performance.now();
    const info = new CpuInfo(text);
    assert.equal(info.cpus.length, 4096);
    assert.equal(info.infoOf(4095).CPUModel, "X");
    assert.ok(performance.now() - started < 2000);
  });
});
