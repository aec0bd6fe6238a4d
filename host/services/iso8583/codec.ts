/**
 * ISO 8583 messages to bytes and back.
 *
 * Why not npm `iso_8583` (2.6.7), which we tried: it decodes every cut-off prefix of a message as a message with empty
 * fields, reads variable fields as UTF-8 text only, so that the signed objects we carry would come back changed, never
 * looks at what follows the last field, brings no types and two dependencies it barely needs. A codec on the money path
 * must refuse what is not exactly a message. Ours is one table of 25 fields and this file. For messages with a second
 * bitmap (that library always writes one) both make the same bytes; a test holds some.
 *
 * On the wire: message type as four digits, bitmap of 8 bytes (16 if a field above 64 is present), fields in order.
 * There is one encoding of a message, and whatever decodes encodes to the same bytes again.
 */

import {
  FIELD_NUMBERS,
  FIELDS,
  type FieldFormat,
  type FieldNumber,
  formatOf,
  type IsoFields,
  isMessageType,
  MESSAGE_TYPES,
  type MessageType,
} from "./fields.js";

/** Longest message, the two bytes of framing not counted. */
export const MESSAGE_BYTES_MAX = 4096;

const TYPE_BYTES = 4;
const BITMAP_BYTES = 8;

/** What came is not a message. The text never quotes the bytes: they may hold an account number. */
export class IsoFormatError extends Error {
  constructor(what: string) {
    super(`Not an ISO 8583 message: ${what}. It was ignored and no money moved.`);
    this.name = "IsoFormatError";
  }
}

/** A message. However it is printed, the account number is masked and private fields are only counted. */
export class IsoMessage {
  readonly type: MessageType;
  readonly fields: IsoFields;

  constructor(type: MessageType, fields: IsoFields) {
    this.type = type;
    this.fields = fields;
  }

  toString(): string {
    const parts = FIELD_NUMBERS.filter((number) => this.fields[number] !== undefined).map((number) => {
      return `${number}=${printable(number, this.fields[number] as string | Uint8Array)}`;
    });
    return `${this.type} ${MESSAGE_TYPES[this.type]} ${parts.join(" ")}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** First six and last four digits of a full account number; of a short one only the last two. */
export function maskPan(pan: string): string {
  if (pan.length < 13) return "*".repeat(Math.max(0, pan.length - 2)) + pan.slice(-2);
  return pan.slice(0, 6) + "*".repeat(pan.length - 10) + pan.slice(-4);
}

function printable(number: FieldNumber, value: string | Uint8Array): string {
  if (number === 2) return maskPan(value as string);
  if (number === 14) return "****";
  return typeof value === "string" ? value.trim() : `<${value.length} bytes>`;
}

export function encodeMessage(message: IsoMessage): Uint8Array {
  const present = FIELD_NUMBERS.filter((number) => message.fields[number] !== undefined);
  // Everything but bytes is ASCII, so that lengths in characters are lengths in bytes.
  let length = TYPE_BYTES + bitmapBytes(present);
  for (const number of present) {
    const format = FIELDS[number];
    const value = message.fields[number] as string | Uint8Array;
    checkValue(number, format, value);
    length += format.prefix + value.length;
  }
  if (length > MESSAGE_BYTES_MAX) throw new IsoFormatError(`${length} bytes are too many`);
  const writer = new Writer(length);
  writer.text(message.type);
  writer.bytes(bitmapOf(present));
  for (const number of present) {
    const { prefix } = FIELDS[number];
    const value = message.fields[number] as string | Uint8Array;
    if (prefix > 0) writer.text(value.length.toString().padStart(prefix, "0"));
    if (typeof value === "string") writer.text(value);
    else writer.bytes(value);
  }
  return writer.message;
}

export function decodeMessage(bytes: Uint8Array): IsoMessage {
  if (bytes.length > MESSAGE_BYTES_MAX) throw new IsoFormatError(`${bytes.length} bytes are too many`);
  const reader = new Reader(bytes);
  const type = reader.text(TYPE_BYTES, "message type");
  if (!isMessageType(type)) throw new IsoFormatError("unknown message type");
  const numbers = readBitmap(reader);
  const fields: Partial<Record<number, string | Uint8Array>> = {};
  for (const number of numbers) {
    const format = formatOf(number);
    if (format === undefined) throw new IsoFormatError(`field ${number} is not used here`);
    fields[number] = readField(reader, number, format);
  }
  if (reader.left !== 0) throw new IsoFormatError(`${reader.left} bytes follow the last field`);
  return new IsoMessage(type, fields as IsoFields);
}

class Writer {
  readonly message: Uint8Array;
  #at = 0;

  constructor(length: number) {
    this.message = new Uint8Array(length);
  }

  text(value: string): void {
    for (let i = 0; i < value.length; i++) this.message[this.#at++] = value.charCodeAt(i);
  }

  bytes(value: Uint8Array): void {
    this.message.set(value, this.#at);
    this.#at += value.length;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  take(length: number, what: string): Uint8Array {
    const start = this.#skip(length, what);
    return this.#bytes.slice(start, start + length);
  }

  text(length: number, what: string): string {
    const start = this.#skip(length, what);
    let value = "";
    for (let i = start; i < start + length; i++) value += String.fromCharCode(this.#bytes[i] as number);
    return value;
  }

  /** Goes on behind the next `length` bytes: where they start. */
  #skip(length: number, what: string): number {
    if (length > this.left) throw new IsoFormatError(`it ends inside ${what}`);
    this.#offset += length;
    return this.#offset - length;
  }
}

function readBitmap(reader: Reader): number[] {
  const first = reader.take(BITMAP_BYTES, "the bitmap");
  const extended = ((first[0] as number) & 0x80) !== 0;
  const bitmap = extended ? Buffer.concat([first, reader.take(BITMAP_BYTES, "the second bitmap")]) : first;
  const numbers: number[] = [];
  for (let number = 2; number <= bitmap.length * 8; number++) {
    if (((bitmap[(number - 1) >> 3] as number) & (0x80 >> ((number - 1) & 7))) !== 0) numbers.push(number);
  }
  // One message has one encoding: a second bitmap that says nothing is not it, and bit 65 announces a third.
  if (extended && !numbers.some((number) => number > 64)) throw new IsoFormatError("an empty second bitmap");
  return numbers;
}

/** A second bitmap is there for fields above 64. */
function bitmapBytes(numbers: readonly FieldNumber[]): number {
  return (numbers.at(-1) ?? 0) > 8 * BITMAP_BYTES ? 2 * BITMAP_BYTES : BITMAP_BYTES;
}

function bitmapOf(numbers: readonly FieldNumber[]): Uint8Array {
  const bitmap = new Uint8Array(bitmapBytes(numbers));
  if (bitmap.length > BITMAP_BYTES) bitmap[0] = 0x80;
  for (const number of numbers) {
    const index = (number - 1) >> 3;
    bitmap[index] = (bitmap[index] as number) | (0x80 >> ((number - 1) & 7));
  }
  return bitmap;
}

function readField(reader: Reader, number: number, format: FieldFormat): string | Uint8Array {
  const length = format.prefix === 0 ? format.length_max : readLength(reader, number, format);
  if (format.content === "bytes") return reader.take(length, `field ${number}`);
  const value = reader.text(length, `field ${number}`);
  checkText(number, format, value);
  return value;
}

function readLength(reader: Reader, number: number, format: FieldFormat): number {
  const digits = reader.text(format.prefix, `the length of field ${number}`);
  if (!DIGITS.test(digits)) throw new IsoFormatError(`the length of field ${number} is not a number`);
  const length = Number(digits);
  if (length === 0 || length > format.length_max) throw new IsoFormatError(`the length of field ${number}`);
  return length;
}

function checkValue(number: FieldNumber, format: FieldFormat, value: string | Uint8Array): void {
  const variable = format.prefix > 0;
  if (value.length === 0 || value.length > format.length_max || (!variable && value.length !== format.length_max)) {
    throw new IsoFormatError(`field ${number} has ${value.length} characters`);
  }
  if (typeof value === "string") checkText(number, format, value);
}

const DIGITS = /^[0-9]*$/;
const TEXT = /^[\x20-\x7e]*$/;

function checkText(number: number, format: FieldFormat, value: string): void {
  const allowed = format.content === "digits" ? DIGITS : TEXT;
  if (!allowed.test(value)) throw new IsoFormatError(`field ${number} is not ${format.content}`);
}
