// The interface: requests decoded, validated whole, handed to a handler and answered, on one core.
import {
  CORE,
  type CoreRegistry,
  directTransport,
  type Handle,
  Service,
  type SyncClient,
  syncClient,
} from "@hms/uabi";
import { type Benchmark, type Measured, median } from "./benchmark.ts";

/** What is required, messages a second. */
const REQUIRED = 500_000;
const ROUNDS = 9;
const MESSAGES = 100_000;
const THIS = { transport: "direct", credentials: null } as const;

const context = 3 as Handle<"context">;
const space = 7 as Handle<"space">;
const region = 9 as Handle<"region">;

function service(): Service<CoreRegistry> {
  return new Service(CORE, { hasHandle: (_, handle) => handle < 10 }).on({
    context: { close() {} },
    space: {
      create: () => ({ space, pasid: 1 }),
      migrate: ({ range }) => ({ moved: range.count, left: 0, kept: [] }),
    },
    region: { create: ({ bytes }) => ({ region, address: 0x7f00_0000_0000, size: bytes ?? 0 }) },
  });
}

/** Seconds that this thread had a core: what else the machine does is not counted. */
function cpuSeconds(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e6;
}

type Call = (client: SyncClient<CoreRegistry>) => unknown;

const smallest: Call = (client) => client.context.close({ context });
const typical: Call = (client) =>
  client.space.migrate({ space, range: { first: 0x7_f000_0000, count: 512 }, target: "accel0", flags: 1 });
/** All inputs of the method that has most. */
const largest: Call = (client) =>
  client.region.create({
    space,
    kind: "file",
    bytes: 1 << 30,
    protection: 3,
    path: "/srv/data/graphs/twitter-2010.edges",
    offset: 4096,
    huge: "auto",
    label: "edges of the graph",
  });

/** The request that a call sends. */
function requestOf(call: Call): Uint8Array {
  const direct = directTransport(service());
  let request: Uint8Array = new Uint8Array();
  call(
    syncClient(CORE, {
      ...direct,
      call(bytes) {
        request = new Uint8Array(bytes);
        return direct.call(bytes);
      },
    }),
  );
  return request;
}

/** Messages a second that a service validates, carries out and answers. */
function served(call: Call): readonly [rate: number, bytes: number] {
  const request = requestOf(call);
  let answered = 0;
  const connection = service().connect(THIS, (answer) => {
    // Word 4 holds the kind: an answer, not a failure.
    if (answer[18] === 1) answered++;
  });
  const rates = Array.from({ length: ROUNDS }, () => {
    answered = 0;
    const started = cpuSeconds();
    for (let i = 0; i < MESSAGES; i++) connection.receive(request);
    const seconds = cpuSeconds() - started;
    if (answered !== MESSAGES) throw new Error(`${MESSAGES - answered} of ${MESSAGES} requests failed`);
    return MESSAGES / seconds;
  });
  return [Math.round(median(rates)), request.length];
}

/** Calls a second by a client in the same thread: encoded, validated, answered, decoded. */
function called(call: Call): number {
  const client = syncClient(CORE, directTransport(service()));
  const rates = Array.from({ length: ROUNDS }, () => {
    const started = cpuSeconds();
    for (let i = 0; i < MESSAGES; i++) call(client);
    return MESSAGES / (cpuSeconds() - started);
  });
  return Math.round(median(rates));
}

function measure(what: string, call: Call): Measured {
  // Other methods first: the code that is measured has seen all of them.
  for (const other of [smallest, typical, largest]) served(other);
  const [ours, bytes] = served(call);
  const how = `${what}, ${bytes} bytes; copied, validated whole, handed to a handler, answered; seconds of one core; peer is the required rate; median of ${ROUNDS} × ${MESSAGES}; ${called(call)} calls/s with the client's encoding and decoding in the same thread`;
  return { ours, peer: REQUIRED, how };
}

export const benchmarks: readonly Benchmark[] = [
  {
    name: "validated messages, typical",
    unit: "messages/s",
    better: "higher",
    bound: 1,
    run: () => measure("space.migrate of a range to a device", typical),
  },
  {
    name: "validated messages, largest",
    unit: "messages/s",
    better: "higher",
    bound: 1,
    run: () => measure("region.create with all of its inputs", largest),
  },
  {
    name: "validated messages, smallest",
    unit: "messages/s",
    better: "higher",
    bound: 1,
    run: () => measure("context.close", smallest),
  },
];
