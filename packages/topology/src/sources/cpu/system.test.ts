import assert from "node:assert/strict";
import { test } from "node:test";
import { factsOf } from "../../testing/captures.ts";
import { LiveTree } from "../../tree/live.ts";
import { system } from "./system.ts";

test("the operating system, from what the kernel says or the capture notes", () => {
  assert.deepEqual(
    factsOf(
      {
        "proc/sys/kernel/ostype": "Linux\n",
        "proc/sys/kernel/osrelease": "6.12.1\n",
        "proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC\n",
        "proc/sys/kernel/arch": "aarch64\n",
        "proc/sys/kernel/hostname": "secret\n",
      },
      [system],
    ).info,
    {
      Backend: "Linux",
      OSName: "Linux",
      OSRelease: "6.12.1",
      OSVersion: "#1 SMP PREEMPT_DYNAMIC",
      Architecture: "aarch64",
    },
  );
  assert.deepEqual(
    factsOf(
      {
        "proc/hwloc-nofile-info":
          "OSName: Linux\nOSRelease: 4.9.0\nHostName: secret\nArchitecture: ppc64le\n",
      },
      [system],
    ).info,
    { Backend: "Linux", OSName: "Linux", OSRelease: "4.9.0", Architecture: "ppc64le" },
  );
  assert.deepEqual(
    factsOf({ "proc/version": "Linux version 6.1.0-9 (builder@host) (gcc 12) #1 SMP Debian 6.1.27-1\n" }, [
      system,
    ]).info,
    { Backend: "Linux", OSName: "Linux", OSRelease: "6.1.0-9", OSVersion: "#1 SMP Debian 6.1.27-1" },
  );
});

test("names of the firmware, without what names one machine", () => {
  const id = "sys/devices/virtual/dmi/id";
  const { info, warnings } = factsOf(
    {
      "sys/class/dmi/id": { link: "../../devices/virtual/dmi/id" },
      [`${id}/product_name`]: "PowerEdge R740\n",
      [`${id}/product_version`]: "\n",
      [`${id}/product_serial`]: "SERIAL123\n",
      [`${id}/product_uuid`]: "4c4c4544-0000\n",
      [`${id}/chassis_asset_tag`]: "ASSET1\n",
      [`${id}/bios_vendor`]: "Dell Inc.  \n",
      [`${id}/sys_vendor`]: Uint8Array.of(0x44, 0xff, 0xfe),
    },
    [system],
  );
  assert.deepEqual(info, { Backend: "Linux", DMIProductName: "PowerEdge R740", DMIBIOSVendor: "Dell Inc." });
  assert.deepEqual(warnings, []);
});

test("the running machine has a kernel and an architecture", () => {
  const { info } = factsOf(new LiveTree(), [system]);
  assert.equal(info.OSName, "Linux");
  assert.match(info.OSRelease ?? "", /^\d+\.\d+/);
  assert.match(info.Architecture ?? "", /^\w+$/);
});
