import { type ErrnoName, HmsError } from "@hms/topology";
import { Refusal } from "./decoder.ts";
import { Encoder } from "./encoder.ts";
import { type MethodPlan, protocolAttributes } from "./plan.ts";
import { InterfaceError, type Place } from "./refusal.ts";
import { FAILURE } from "./wire.ts";

type Values = Readonly<Record<string, unknown>>;

/** What a failure says. */
export interface Failure {
  readonly code: string;
  readonly errno: ErrnoName | null;
  readonly message: string;
  readonly place: Place | null;
}

/** Bytes of a failure's sentence, and of one that must fit into the smallest ring. */
export const MESSAGE_TEXT_MAX = 16384;
export const SHORT_TEXT_MAX = 1024;

/** A failure that answers no request: what is said before a connection is closed. Its id is 0. */
export function encodeFailure({ code, errno, message }: HmsError): Uint8Array {
  const encoder = new Encoder();
  encoder.begin(0, 0, FAILURE, 0, 0);
  encoder.some(protocolAttributes(), said({ code, errno, message, place: null }, SHORT_TEXT_MAX));
  return new Uint8Array(encoder.end());
}

/** A failure as the attributes that say it. */
export function said({ code, errno, message, place }: Failure, textMax: number): Values {
  return {
    "~code": shortened(code, 128),
    "~errno": errno ?? undefined,
    "~message": shortened(message, textMax),
    "~path": place?.path,
    "~offset": place?.offset ?? undefined,
    "~expected": place === null ? undefined : shortened(place.expected, SHORT_TEXT_MAX),
  };
}

function shortened(text: string, bytes: number): string {
  const clean = text.toWellFormed().replaceAll("\0", "\u{fffd}");
  // A cut may leave half a character.
  return Buffer.byteLength(clean) <= bytes ? clean : `${clean.slice(0, bytes >> 2).toWellFormed()}…`;
}

/** An error of a handler as one of an input. */
export function blamed(plan: MethodPlan, name: string, error: HmsError): InterfaceError {
  const attribute = plan.inputs.attributes.find((one) => one.name === name);
  if (attribute === undefined) throw new Error(`${plan.object}.${plan.method} has no input ${name}.`);
  const place = { path: [attribute.id], offset: null, expected: attribute.expected };
  return new InterfaceError(error.code, error.errno, error.message, place);
}

export function badMessage(why: string, expected: string): Refusal {
  const message = `the message was refused: ${why}; expected is ${expected}.`;
  return new Refusal("BAD_MESSAGE", "EINVAL", message, { path: [], offset: 0, expected });
}

export function notUnderstood(why: string, expected: string): Refusal {
  const message = `${why}; expected is ${expected}. Nothing was done.`;
  return new Refusal("NOT_UNDERSTOOD", "EPROTONOSUPPORT", message, { path: [], offset: 0, expected });
}

/** A handler threw what it may not, or returned what its method does not have: a fault of the service. */
export function fault(plan: MethodPlan, error: unknown): HmsError {
  const why = error instanceof Error ? error.message : String(error);
  // EPROTONOSUPPORT means that nothing was done, which a handler cannot know.
  const errno = HmsError.is(error) && error.errno === "EPROTONOSUPPORT" ? "EINVAL" : "EIO";
  return new HmsError(
    "HANDLER_FAULT",
    errno,
    `${plan.object}.${plan.method} failed by a fault of the service: ${why}`,
    { cause: error },
  );
}

export function tooLarge(plan: MethodPlan, bytes: number, maxBytes: number): HmsError {
  return new HmsError(
    "MESSAGE_TOO_LARGE",
    "EFBIG",
    `${plan.object}.${plan.method} was carried out, but its answer of ${bytes} bytes is longer than the connection takes, which is ${maxBytes}. Ask for less, or make the connection larger.`,
  );
}
