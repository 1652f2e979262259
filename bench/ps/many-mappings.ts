// A process with as many mappings as its argument says: pages of one range whose rights alternate, each touched. It
// writes its PID when all is there, and ends when its input does.
import koffi from "koffi";

const PAGE_BYTES = 4096;
const PROT_READ = 1;
const PROT_READ_WRITE = 3;
const PRIVATE_ANONYMOUS_NO_RESERVE = 0x4022;
const MADV_NOHUGEPAGE = 15;

const libc = koffi.load("libc.so.6");
const mmap: (at: number, bytes: number, rights: number, flags: number, fd: number, offset: number) => number =
  libc.func("int64_t mmap64(uint64_t, uint64_t, int, int, int, int64_t)");
const mprotect: (address: number, bytes: number, rights: number) => number = libc.func(
  "int mprotect(uint64_t, uint64_t, int)",
);
const madvise: (address: number, bytes: number, advice: number) => number = libc.func(
  "int madvise(uint64_t, uint64_t, int)",
);

const count = Number(process.argv[2]);
const bytes = count * PAGE_BYTES;
const address = mmap(0, bytes, PROT_READ_WRITE, PRIVATE_ANONYMOUS_NO_RESERVE, -1, 0);
if (address === -1) throw new Error(`mmap: errno ${koffi.errno()}`);
madvise(address, bytes, MADV_NOHUGEPAGE);
new Uint8Array(koffi.view(address, bytes)).fill(1);
for (let page = 1; page < count; page += 2) {
  if (mprotect(address + page * PAGE_BYTES, PAGE_BYTES, PROT_READ) !== 0)
    throw new Error(`mprotect of page ${page}: errno ${koffi.errno()}; raise vm.max_map_count`);
}
process.stdout.write(`${process.pid}\n`);
process.stdin.on("end", () => process.exit(0)).resume();
