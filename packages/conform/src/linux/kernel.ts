// The kernel thread: one case after the other, each with a host of its own.
import { isMainThread, workerData } from "node:worker_threads";
import { bufferAt, EventFd, KernelLoop } from "@hms/host-linux";
import { answer, awaitCall, type Channel } from "./channel.ts";
import { Room } from "./room.ts";

/** What the threads share. */
export interface Shared {
  /** The program's, and its second thread's. */
  readonly channels: readonly Channel[];
  /** What wakes the kernel thread: a descriptor. */
  readonly wake: number;
  /** Memory for the bytes of device commands: its address and length. */
  readonly carrier: { readonly address: number; readonly bytes: number };
}

function serve({ channels, wake: fd, carrier }: Shared): void {
  const wake = EventFd.of(fd);
  const bytes = new Uint8Array(bufferAt(carrier.address, carrier.bytes));
  const [first] = channels;
  if (first === undefined) return;
  for (;;) {
    awaitCall(first);
    runCase(channels, wake, bytes);
  }
}

/** From the call that opens a case to the one that closes it. */
function runCase(channels: readonly Channel[], wake: EventFd, carrier: Uint8Array): void {
  let room: Room | null = null;
  const handler: Parameters<typeof answer>[1] = (name, args) => {
    room ??= new Room(carrier);
    const call = room[name] as (...args: readonly unknown[]) => unknown;
    return call.apply(room, [...args]);
  };
  const [first] = channels;
  if (first !== undefined) answer(first, handler);
  const opened = room as Room | null;
  if (opened === null) return;
  const loop = new KernelLoop(
    opened.host,
    {
      poll: () => {
        if (opened.closed) loop.stop();
        return opened.closed ? 0 : channels.reduce((done, channel) => done + answer(channel, handler), 0);
      },
      sleeping: () => undefined,
    },
    wake,
  );
  loop.run();
  opened.host.close();
}

if (!isMainThread && workerData?.carrier !== undefined && "wake" in workerData) serve(workerData as Shared);
