import type { Facts, InitiatorFact, LinkMedium, LinkProperties, TargetFact } from "./facts.ts";

/** What all four object types have (the HMS model of 2018: name `v<version>-<uid>-<type>`). */
export interface HmsObject {
  /** One counter over all four types; stable for the same input. */
  readonly uid: number;
  /** A program must treat an object of a version it does not know as absent. */
  readonly version: number;
}

/** A memory with one set of properties. */
export interface Target extends HmsObject, TargetFact {
  readonly type: "target";
  /** Uids of the links it is on. */
  readonly links: readonly number[];
}

/** What issues loads, stores or DMA. */
export interface Initiator extends HmsObject, Omit<InitiatorFact, "type"> {
  readonly type: "initiator";
  /** cpu, gpu, nic, … */
  readonly class: InitiatorFact["type"];
  readonly links: readonly number[];
  /** Uids of the bridges it may use. */
  readonly bridges: readonly number[];
}

/**
 * Joins targets and initiators: each initiator on it reaches each target on it with these properties. Where two
 * links join the same pair the better one is what the pair gets (values are best case).
 */
export interface Link extends HmsObject {
  readonly type: "link";
  readonly medium: LinkMedium;
  readonly targets: readonly number[];
  readonly initiators: readonly number[];
  readonly properties: LinkProperties;
}

/**
 * Joins two links for the initiators that it lists, from either to the other. Its properties say what it adds or
 * limits; what it does not state (null) it leaves as the links have it.
 */
export interface Bridge extends HmsObject {
  readonly type: "bridge";
  readonly medium: LinkMedium;
  /** Uids of the two links. */
  readonly links: readonly [number, number];
  readonly initiators: readonly number[];
  readonly properties: LinkProperties;
}

/** Where a machine was read from. */
export interface MachineInput {
  readonly kind: "live" | "capture" | "hwloc-xml" | "json" | "spec";
  /** As given by the caller; null for the live machine. */
  readonly path: string | null;
}

/** A machine: immutable once discovered. */
export interface Machine
  extends Omit<
    Facts,
    "initiatorFacts" | "targetFacts" | "reaches" | "attachments" | "linkFacts" | "bridgeFacts"
  > {
  readonly name: string;
  readonly input: MachineInput;
  readonly targets: readonly Target[];
  readonly initiators: readonly Initiator[];
  readonly links: readonly Link[];
  readonly bridges: readonly Bridge[];
  /** How many objects of the input had a version that this library does not know, and were left out. */
  readonly unknownVersions: number;
}
