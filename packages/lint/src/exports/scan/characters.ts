/** Sorts of characters, for the scanner's first look. */
export const CHARACTER = {
  other: 0,
  blank: 1,
  name: 2,
  digit: 3,
  newline: 4,
} as const;

/** The sort of each byte. Bytes above ASCII count as other: names in C have none, whatever the encoding. */
export const SORT: Uint8Array = new Uint8Array(256);
for (const byte of [32, 9, 13, 11, 12]) SORT[byte] = CHARACTER.blank;
for (let byte = 65; byte <= 90; byte++) SORT[byte] = CHARACTER.name;
for (let byte = 97; byte <= 122; byte++) SORT[byte] = CHARACTER.name;
SORT[95] = CHARACTER.name;
SORT[36] = CHARACTER.other;
for (let byte = 48; byte <= 57; byte++) SORT[byte] = CHARACTER.digit;
SORT[10] = CHARACTER.newline;

/** 1 where a byte can stand in a name. */
export const IN_NAME: Uint8Array = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++)
  if (SORT[byte] === CHARACTER.name || SORT[byte] === CHARACTER.digit) IN_NAME[byte] = 1;
