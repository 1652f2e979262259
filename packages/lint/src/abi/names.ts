// What names and comments of an interface say, by the habits of the field.

/** A field that was left for later: its bytes have no meaning. */
export function isReserved(name: string): boolean {
  const last = (name.split(".").at(-1) ?? name).replace(/\[\]$/, "");
  return /^_*(x|u|__)?(res(erved|v|rvd)?|rsv(d|e?d)?|rsrvd?|pad(ding)?|unused|spare|filler|fill|dummy|mbz|hole|not_?used|empty|opaque|align(ment)?(_?pad)?)_*[a-z]?(\d+[a-z]?)?(_\d+)*_*$/i.test(
    last,
  );
}

/** `MAX`, `COUNT`, `LAST`: follows what stands before it. */
export function isCount(name: string): boolean {
  return /(^|_)(MAX|COUNT|LAST|NUM|NR|END|SIZE|SIZEOF|TOTAL|CNT|HIGHEST|N|NBITS)(_|$)|^(NUM|NR|N)_|^NSIG|^__.*_(AFTER_LAST|MAX)|MAX$|_?LAST$/i.test(
    name,
  );
}

export function isMask(name: string): boolean {
  return /(^|_)(MASK|ALL|VALID|SUPPORTED|KNOWN|FEATURES|IOCTLS)(_|$)|(FLAGS|BITS)$|_ALL$/i.test(name);
}

export function isVersion(name: string): boolean {
  return /(^|_)(VER|(SUB)?VERSION|PATCH|MAJOR|MINOR|PATCHLEVEL|REVISION|DATE)(_|$)/i.test(name);
}

/** Not for programs: `__KERNEL_THING`. */
export function isPrivate(name: string): boolean {
  return /^_[_A-Z]/.test(name);
}

const ZERO_RULE =
  /\b(must|shall|should|has to|have to|needs? to|always|currently|are|is|initiali[sz]ed?|reset|cleared|set|filled?)\b[^.;]{0,40}?\b(be |to |as |with )?(zero(ed)?|0|null)\b|\bmbz\b|\bzero(ed)?[ -](it|them|out|fill(ed)?|init\w*)\b|\b(reserved|pad(ding)?)\b[^.;]{0,30}\b(zero|0)\b/i;

/** Whether a comment says that something must be, or is, zero. */
export function saysZero(comment: string): boolean {
  return ZERO_RULE.test(comment);
}

/** Whether a comment says that a field counts only if a flag or a size says so. */
export function saysGated(comment: string): boolean {
  return /\b(valid|used|only|present|meaningful|set)\b[^.;]{0,30}\b(if|when|with)\b|(?<!bit )\b(zero|0) (means|is|=)|\bif (zero|0|not set|unset)\b/i.test(
    comment,
  );
}

/** A constant that gathers the bits that are still free. */
export function isReservedMask(name: string): boolean {
  return /(^|_)(RESERVED|RSVD|UNUSED)(_|$)/i.test(name);
}
