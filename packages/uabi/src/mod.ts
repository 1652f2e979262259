// The interface: the registry of objects, methods and attributes, the codec that follows from it, and the transports.
// docs/concepts/interface.md says how it is laid out and why, docs/reference/abi.md lists what is in it.
export {
  type AsyncTransport,
  asyncClient,
  type ClientOptions,
  type SyncTransport,
  syncClient,
} from "./client.ts";
export type { Connection } from "./connection.ts";
export { directTransport } from "./direct.ts";
export { type Extended, extendRegistry } from "./extend.ts";
export { HandleTable } from "./handles.ts";
export type {
  Answered,
  AsyncClient,
  Handle,
  Input,
  Output,
  Received,
  SyncClient,
  TypeValue,
} from "./infer.ts";
export { Later } from "./later.ts";
export type { Credentials, Peer } from "./peer.ts";
export { queryRegistry, type RegistryInfo } from "./query.ts";
export { InterfaceError } from "./refusal.ts";
export { CORE, type CoreRegistry } from "./registry/core.ts";
export { RingClient, type RingClientOptions } from "./ring/client.ts";
export { RingServer } from "./ring/server.ts";
export { createRing } from "./ring/words.ts";
export {
  type Call,
  type Handler,
  type Handlers,
  Service,
  type ServiceOptions,
} from "./service.ts";
export { SocketClient } from "./socket/client.ts";
export { relay } from "./socket/relay.ts";
export { type Acceptor, type SocketOptions, SocketServer, serveSocket } from "./socket/server.ts";
export type * from "./spec.ts";
