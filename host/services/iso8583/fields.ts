/**
 * The fields of ISO 8583:1987 that the card messages here use, and how each stands on the wire.
 *
 * Digits and text are ASCII, as most networks on TCP have them; a variable field is led by its length as two or three
 * decimal digits; what we sign and carry is bytes in the private fields, raw.
 */

export type FieldContent = "digits" | "text" | "bytes";

export interface FieldFormat {
  readonly name: string;
  readonly content: FieldContent;
  /** Digits of the length that leads a variable field; 0 for a field of fixed length. */
  readonly prefix: 0 | 2 | 3;
  readonly length_max: number;
}

function fixed<Content extends FieldContent>(name: string, content: Content, length_max: number) {
  return { name, content, prefix: 0, length_max } as const;
}

function variable<Content extends FieldContent>(name: string, content: Content, prefix: 2 | 3, length_max: number) {
  return { name, content, prefix, length_max };
}

/** Longest variable field: three digits of length. */
export const FIELD_BYTES_MAX = 999;

/** Numbers are those of the standard. 61 to 63 are its reserved private fields; 48 is additional private data. */
export const FIELDS = {
  2: variable("primary account number", "digits", 2, 19),
  3: fixed("processing code", "digits", 6),
  4: fixed("amount, transaction", "digits", 12),
  6: fixed("amount, cardholder billing", "digits", 12),
  7: fixed("transmission date and time, UTC", "digits", 10),
  10: fixed("conversion rate, cardholder billing", "digits", 8),
  11: fixed("systems trace audit number", "digits", 6),
  12: fixed("time, local transaction", "digits", 6),
  13: fixed("date, local transaction", "digits", 4),
  14: fixed("date, expiration", "digits", 4),
  32: variable("acquiring institution", "digits", 2, 11),
  37: fixed("retrieval reference number", "text", 12),
  38: fixed("authorization identification", "text", 6),
  39: fixed("response code", "text", 2),
  41: fixed("card acceptor terminal", "text", 8),
  42: fixed("card acceptor identification", "text", 15),
  43: fixed("card acceptor name and location", "text", 40),
  48: variable("receipt hash, agents, settlement account", "bytes", 3, FIELD_BYTES_MAX),
  49: fixed("currency, transaction", "digits", 3),
  51: fixed("currency, cardholder billing", "digits", 3),
  61: variable("certificate chain of the network", "bytes", 3, FIELD_BYTES_MAX),
  62: variable("signed approval", "bytes", 3, FIELD_BYTES_MAX),
  63: variable("signed outcome with its chain", "bytes", 3, FIELD_BYTES_MAX),
  70: fixed("network management code", "digits", 3),
  90: fixed("original data elements", "digits", 42),
} as const satisfies Record<number, FieldFormat>;

export type FieldNumber = keyof typeof FIELDS;
type ContentOf<Number extends FieldNumber> = (typeof FIELDS)[Number]["content"];

/** The fields of a message: bytes as Uint8Array, everything else as text in its full length. */
export type IsoFields = {
  readonly [Number in FieldNumber]?: ContentOf<Number> extends "bytes" ? Uint8Array : string;
};

export const FIELD_NUMBERS = Object.keys(FIELDS)
  .map(Number)
  .sort((left, right) => left - right) as FieldNumber[];

export function formatOf(number: number): FieldFormat | undefined {
  return (FIELDS as Record<number, FieldFormat>)[number];
}

export const MESSAGE_TYPES = {
  "0100": "authorization request",
  "0110": "authorization response",
  "0220": "completion advice",
  "0230": "completion advice response",
  "0400": "reversal request",
  "0410": "reversal response",
  "0420": "reversal advice",
  "0430": "reversal advice response",
  "0800": "network management request",
  "0810": "network management response",
} as const;

export type MessageType = keyof typeof MESSAGE_TYPES;

export function isMessageType(text: string): text is MessageType {
  return Object.hasOwn(MESSAGE_TYPES, text);
}

/** The message type that answers a request. */
export function responseType(request: MessageType): MessageType {
  const answer = `${request.slice(0, 2)}${Number(request[2]) + 1}0`;
  if (Number(request[2]) % 2 === 1 || !isMessageType(answer)) throw new TypeError(`${request} is not a request`);
  return answer;
}
