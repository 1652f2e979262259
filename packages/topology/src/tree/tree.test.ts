import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { FolderTree } from "./folder.ts";
import { LinkedTree } from "./linked.ts";
import { LiveTree } from "./live.ts";
import { type MemoryEntry, MemoryStore, MemoryTree } from "./memory.ts";
import { LINKS_FOLLOWED_MAX, TEXT_BYTES_MAX } from "./tree.ts";
import { ViewStore } from "./view.ts";

const FILES: Readonly<Record<string, MemoryEntry>> = {
  "sys/devices/system/node/node0/cpulist": "0-3\n",
  "sys/devices/system/node/node10/cpulist": "8\n",
  "sys/devices/system/node/node2/cpulist": "4-7\n",
  "sys/devices/pci0/0000:00:01.0/class": "0x030000\n",
  "sys/devices/pci0/0000:00:01.0/empty": "",
  "sys/devices/pci0/0000:00:01.0/garbage": Uint8Array.of(0x41, 0xff, 0xfe, 0x42),
  "sys/devices/pci0/0000:00:01.0/padded": `8 GT/s\n${"\0".repeat(4088)}`,
  "sys/devices/pci0/0000:00:01.0/pipe": { kind: "other" },
  "sys/devices/pci0/0000:00:01.0/folder": { kind: "directory" },
  "sys/bus/pci/devices/0000:00:01.0": { link: "../../../devices/pci0/0000:00:01.0" },
  "sys/bus/pci/absolute": { link: "/sys/devices/pci0/0000:00:01.0" },
  "sys/bus/pci/through": { link: "devices/0000:00:01.0/class" },
  "sys/bus/pci/outside": { link: "../../../../../../etc" },
  "sys/bus/pci/dangling": { link: "nowhere/at/all" },
  "sys/bus/pci/self": { link: "self" },
  "sys/bus/pci/ping": { link: "pong" },
  "sys/bus/pci/pong": { link: "./ping" },
  "sys/bus/pci/below": { link: "below/below" },
  "sys/bus/pci/filefolder": { link: "through/more" },
};

const scratch = mkdtempSync(join(tmpdir(), "hms-tree-"));
after(() => rmSync(scratch, { recursive: true }));

function onDisk(files: Readonly<Record<string, MemoryEntry>>): FolderTree {
  const root = mkdtempSync(join(scratch, "root-"));
  for (const [path, entry] of Object.entries(files)) {
    const at = join(root, path);
    mkdirSync(dirname(at), { recursive: true });
    if (typeof entry === "string" || entry instanceof Uint8Array) writeFileSync(at, entry);
    else if ("link" in entry) symlinkSync(entry.link, at);
    else if ("kind" in entry && entry.kind === "directory") mkdirSync(at);
    else if ("kind" in entry) assert.equal(spawnSync("mkfifo", [at]).status, 0);
  }
  return new FolderTree(root);
}

function inView(files: Readonly<Record<string, MemoryEntry>>): LinkedTree {
  const deeper = Object.entries(files).map(([path, entry]) => [`a/b/${path.slice(4)}`, entry] as const);
  const store = new MemoryStore([...deeper, ["a/other/file", "x"]]);
  return new LinkedTree(new ViewStore(store, { from: "a/b", at: "sys" }), { label: "a view" });
}

for (const [title, make] of [
  ["on disk", onDisk],
  ["in memory", (files: Readonly<Record<string, MemoryEntry>>) => new MemoryTree(files)],
  ["in a view of a part", inView],
] as const) {
  describe(`a tree ${title}`, () => {
    const tree = make(FILES);
    const warned = (path: string): string | undefined =>
      tree.warnings.find((warning) => warning.path === path)?.message;

    test("reads text, and says nothing of what is absent", () => {
      assert.equal(tree.readText("sys/devices/system/node/node2/cpulist"), "4-7\n");
      assert.equal(tree.readText("sys/devices/pci0/0000:00:01.0/empty"), "");
      assert.equal(tree.readText("sys/devices/absent"), undefined);
      assert.equal(tree.readText("sys/absent/also/below"), undefined);
      assert.equal(tree.readText("absent"), undefined);
      assert.equal(tree.readBytes("absent"), undefined);
      assert.deepEqual(tree.list("sys/absent"), []);
      assert.deepEqual(tree.warnings, []);
    });

    test("reads bytes that are no UTF-8, and text without the padding of a tar", () => {
      assert.equal(tree.readText("sys/devices/pci0/0000:00:01.0/garbage"), "A\u{fffd}\u{fffd}B");
      assert.deepEqual(
        [...(tree.readBytes("sys/devices/pci0/0000:00:01.0/garbage") ?? [])],
        [0x41, 0xff, 0xfe, 0x42],
      );
      assert.equal(tree.readText("sys/devices/pci0/0000:00:01.0/padded"), "8 GT/s\n");
    });

    test("gives bytes that stay when the next file is read", () => {
      const first = tree.readBytes("sys/devices/system/node/node0/cpulist");
      tree.readBytes("sys/devices/system/node/node2/cpulist");
      assert.deepEqual(first, new Uint8Array(Buffer.from("0-3\n")));
    });

    test("lists in natural order", () => {
      assert.deepEqual(tree.list("sys/devices/system/node"), ["node0", "node2", "node10"]);
      assert.deepEqual(tree.list(""), ["sys"]);
    });

    test("follows links inside, absolute ones from its own root", () => {
      assert.equal(tree.readText("sys/bus/pci/devices/0000:00:01.0/class"), "0x030000\n");
      assert.equal(tree.readText("sys/bus/pci/absolute/class"), "0x030000\n");
      assert.equal(tree.readText("sys/bus/pci/through"), "0x030000\n");
      assert.equal(tree.realPath("sys/bus/pci/devices/0000:00:01.0"), "sys/devices/pci0/0000:00:01.0");
      assert.equal(
        tree.realPath("sys/bus/pci/absolute/../0000:00:01.0/class"),
        "sys/devices/pci0/0000:00:01.0/class",
      );
      assert.ok(tree.exists("sys/bus/pci/through"));
      assert.ok(!tree.exists("sys/bus/pci/dangling"));
      assert.equal(tree.readText("sys/bus/pci/dangling"), undefined);
      assert.equal(tree.readText("sys/bus/pci/filefolder"), undefined);
    });

    test("does not follow links that lead outside or back, and warns of them by name", () => {
      for (const name of ["outside", "self", "ping", "below"]) {
        assert.equal(tree.readText(`sys/bus/pci/${name}`), undefined);
        assert.deepEqual(tree.list(`sys/bus/pci/${name}`), []);
        assert.equal(tree.realPath(`sys/bus/pci/${name}`), undefined);
        assert.ok(!tree.exists(`sys/bus/pci/${name}`));
        assert.match(warned(`sys/bus/pci/${name}`) ?? "", /not followed/);
      }
      assert.equal(tree.readText("../../../../../../etc/hostname"), undefined);
      assert.match(warned("../../../../../../etc/hostname") ?? "", /outside/);
    });

    test("warns of what is there and not what it should be, and does not wait for a pipe", () => {
      assert.equal(tree.readText("sys/devices/pci0/0000:00:01.0/pipe"), undefined);
      assert.match(warned("sys/devices/pci0/0000:00:01.0/pipe") ?? "", /neither a file nor a directory/);
      assert.equal(tree.readText("sys/devices/pci0/0000:00:01.0/folder"), undefined);
      assert.match(warned("sys/devices/pci0/0000:00:01.0/folder") ?? "", /is a directory/);
      assert.deepEqual(tree.list("sys/devices/pci0/0000:00:01.0/class"), []);
      assert.match(warned("sys/devices/pci0/0000:00:01.0/class") ?? "", /is a file/);
    });
  });
}

test("a huge file is cut, with a warning, on disk and in memory", () => {
  const huge = "7".repeat(TEXT_BYTES_MAX + 10);
  for (const tree of [onDisk({ "sys/huge": huge }), new MemoryTree({ "sys/huge": huge })]) {
    assert.equal(tree.readText("sys/huge")?.length, TEXT_BYTES_MAX);
    assert.match(tree.warnings[0]?.message ?? "", /longer than 8388608 bytes/);
    assert.equal(tree.readBytes("sys/huge", 5)?.length, 5);
  }
  const exact = new MemoryTree({ "sys/exact": "7".repeat(TEXT_BYTES_MAX) });
  assert.equal(exact.readText("sys/exact")?.length, TEXT_BYTES_MAX);
  assert.deepEqual(exact.warnings, []);
});

test("links that multiply end at the bound on links followed", () => {
  const files: Record<string, MemoryEntry> = { "sys/l60": { link: "." } };
  for (let i = 0; i < 60; i++) files[`sys/l${i}`] = { link: `l${i + 1}/l${i + 1}/l${i + 1}/l${i + 1}` };
  const tree = new MemoryTree(files);
  assert.equal(tree.realPath("sys/l0"), undefined);
  assert.match(tree.warnings[0]?.message ?? "", new RegExp(`more than ${LINKS_FOLLOWED_MAX}`));
});

test("an unreadable file in memory is told apart from an absent one, and from one without a value", () => {
  const tree = new MemoryTree({ "sys/secret": { error: "EACCES" }, "sys/novalue": { error: "EINVAL" } });
  assert.equal(tree.readText("sys/secret"), undefined);
  assert.equal(tree.readText("sys/secret"), undefined);
  assert.equal(tree.readText("sys/novalue"), undefined);
  assert.deepEqual(tree.warnings, [{ path: "sys/secret", message: "cannot be read (EACCES)" }]);
});

test("a memory store takes entries in any order and refuses what cannot lie there", () => {
  const store = new MemoryStore();
  assert.ok(store.add("a/b", "file"));
  assert.ok(!store.add("a/b/c", "below a file"));
  assert.ok(store.add("a/d", { kind: "directory" }));
  assert.ok(store.add("a/d/e", "x"));
  assert.ok(store.add("a/d", { kind: "directory" }));
  assert.ok(!store.add("a/d", "a file in place of a directory that holds something"));
  assert.ok(store.add("a/b", "again"));
  assert.deepEqual(
    [...(store.entries("a") ?? [])],
    [
      ["b", "file"],
      ["d", "directory"],
    ],
  );
  assert.equal(Buffer.from(store.read("a/b", 100)).toString(), "again");
});

test("the live tree reads this machine's procfs as the folder tree does", () => {
  const live = new LiveTree();
  const folder = new FolderTree("/");
  for (const path of ["proc/cpuinfo", "proc/version", "sys/devices/system/cpu/possible"])
    assert.equal(
      live.readText(path)?.replace(/cpu MHz.*/g, ""),
      folder.readText(path)?.replace(/cpu MHz.*/g, ""),
    );
  assert.deepEqual(live.list("sys/devices/system/node"), folder.list("sys/devices/system/node"));
  assert.equal(live.realPath("sys/class/net"), folder.realPath("sys/class/net"));
  assert.equal(live.readText("no/such/file"), undefined);
  assert.deepEqual(live.list("no/such/folder"), []);
  assert.equal(live.realPath("no/such/link"), undefined);
  assert.deepEqual(live.warnings, []);
});

test("no layout of links makes a tree throw, hang or lead outside", () => {
  const part = fc.constantFrom("a", "b", "c", "..", ".", "", "d");
  const path = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/"));
  const plain = fc
    .array(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join("/"));
  const entry: fc.Arbitrary<MemoryEntry> = fc.oneof(
    fc.constant("text"),
    fc
      .oneof(
        path,
        path.map((text) => `/${text}`),
      )
      .map((link) => ({ link })),
    fc.constant({ kind: "directory" as const }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(plain, entry), { maxLength: 20 }), path, (entries, asked) => {
      const tree = new LinkedTree(new MemoryStore(entries), { label: "links" });
      const real = tree.realPath(asked);
      assert.equal(tree.exists(asked), real !== undefined);
      if (real === undefined) return;
      assert.ok(!real.split("/").includes(".."));
      assert.equal(tree.realPath(real), real);
      assert.deepEqual(tree.list(real), tree.list(asked));
    }),
    { numRuns: 2000 },
  );
});
