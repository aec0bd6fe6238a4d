/**
 * The auditor's own eyes: BER-TLV and CBOR as far as a module's answers need them, written for the auditor alone and shared with
 * nobody. What is not as docs/APDU.md says is an error.
 */

export class ReadingError extends Error {
  override readonly name = "ReadingError";
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export type Tlv = readonly { readonly tag: number; readonly value: Uint8Array }[];

/** The items of a BER-TLV string: tags of one or two bytes, lengths of up to three. */
export function readTlv(bytes: Uint8Array): Tlv {
  const items: { tag: number; value: Uint8Array }[] = [];
  let at = 0;
  const take = () => {
    const byte = bytes[at];
    if (byte === undefined) throw new ReadingError("a TLV that ends too soon");
    at += 1;
    return byte;
  };
  while (at < bytes.length) {
    let tag = take();
    if ((tag & 0x1f) === 0x1f) tag = (tag << 8) | take();
    let length = take();
    if (length > 0x80) {
      let bytesLeft = length - 0x80;
      length = 0;
      for (; bytesLeft > 0; bytesLeft -= 1) length = length * 256 + take();
    }
    if (at + length > bytes.length) throw new ReadingError("a TLV whose value is cut short");
    items.push({ tag, value: bytes.subarray(at, at + length) });
    at += length;
  }
  return items;
}

export function itemOf(items: Tlv, tag: number): Uint8Array {
  const found = items.find((item) => item.tag === tag);
  if (found === undefined) throw new ReadingError(`no item ${tag.toString(16)}`);
  return found.value;
}

export function numberOf(bytes: Uint8Array): bigint {
  return bytes.reduce((number, byte) => number * 256n + BigInt(byte), 0n);
}

export type Item = bigint | Uint8Array | string | null | readonly Item[];

/** One CBOR item of a record: unsigned integers, bytes, text, arrays, null. */
export function readCbor(bytes: Uint8Array): Item {
  let at = 0;
  const taken = (length: number) => {
    if (at + length > bytes.length) throw new ReadingError("a CBOR item that ends too soon");
    at += length;
    return bytes.subarray(at - length, at);
  };
  const item = (): Item => {
    const head = Number(numberOf(taken(1)));
    const [major, info] = [head >> 5, head & 31];
    if (head === 0xf6) return null;
    if (info > 27) throw new ReadingError(`CBOR of the form ${head}`);
    const argument = info < 24 ? BigInt(info) : numberOf(taken(2 ** (info - 24)));
    if (major === 0) return argument;
    if (major === 2) return taken(Number(argument));
    if (major === 3) return new TextDecoder().decode(taken(Number(argument)));
    if (major === 4) return Array.from({ length: Number(argument) }, item);
    throw new ReadingError(`CBOR of major type ${major}`);
  };
  const whole = item();
  if (at !== bytes.length) throw new ReadingError("bytes behind a CBOR item");
  return whole;
}

/** What is sent to a card, and what comes back. */
export type Card = (apdu: Uint8Array) => Uint8Array;

const SUCCESS = 0x9000;
const NO_RECORD = 0x6a83;

function ask(card: Card, ins: number, p1: number, p2: number): { status: number; data: Uint8Array } {
  const response = card(Uint8Array.of(0x00, ins, p1, p2, 0, 0, 0));
  const end = response.length - 2;
  return { status: Number(numberOf(response.subarray(end))), data: response.subarray(0, end) };
}

/** GET DATA. */
export function dataOf(card: Card, tag: number): Uint8Array {
  const { status, data } = ask(card, 0xca, tag >> 8, tag & 0xff);
  if (status !== SUCCESS) throw new ReadingError(`GET DATA ${tag.toString(16)}: ${status.toString(16)}`);
  return itemOf(readTlv(data), tag);
}

/** READ RECORD; undefined when there is none of this number. */
export function recordOf(card: Card, file: number, number: number): Item | undefined {
  const { status, data } = ask(card, 0xb2, number, (file << 3) | 4);
  if (status === NO_RECORD) return undefined;
  if (status !== SUCCESS) throw new ReadingError(`READ RECORD ${file}/${number}: ${status.toString(16)}`);
  return readCbor(data);
}
