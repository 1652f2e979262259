/** Who a process is, as its kernel says. */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** The other end of a connection, as handlers see it. */
export interface Peer {
  readonly transport: "direct" | "ring" | "socket";
  /** Null: it is this process. */
  readonly credentials: Credentials | null;
}
