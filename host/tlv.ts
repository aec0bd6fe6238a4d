/** BER-TLV as cards use it (ISO/IEC 7816-4, 5.2.2): tags of one or two bytes, definite lengths. */

export interface Tlv {
  readonly tag: number;
  readonly value: Uint8Array;
}

const LENGTH_BYTES_MAX = 3;

export class TlvError extends Error {
  constructor(what: string) {
    super(
      `The chip's answer is not well formed: ${what}. No money is affected; the firmware may be of another version.`,
    );
    this.name = "TlvError";
  }
}

/** All data objects in the bytes, in order, the constructed ones unopened. */
export function readTlv(bytes: Uint8Array): Tlv[] {
  const objects: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = readTag(bytes, at);
    const length = readLength(bytes, at + tag.size);
    const start = at + tag.size + length.size;
    if (start + length.value > bytes.length) throw new TlvError("a value that ends beyond its data");
    objects.push({ tag: tag.value, value: bytes.subarray(start, start + length.value) });
    at = start + length.value;
  }
  return objects;
}

function readTag(bytes: Uint8Array, at: number): { value: number; size: number } {
  const first = bytes[at];
  if (first === undefined) throw new TlvError("a missing tag");
  if ((first & 0x1f) !== 0x1f) return { value: first, size: 1 };
  const second = bytes[at + 1];
  if (second === undefined || second >= 0x80) throw new TlvError("a tag of more than two bytes");
  return { value: (first << 8) | second, size: 2 };
}

function readLength(bytes: Uint8Array, at: number): { value: number; size: number } {
  const first = bytes[at];
  if (first === undefined) throw new TlvError("a missing length");
  if (first < 0x80) return { value: first, size: 1 };
  const size = first & 0x7f;
  if (size === 0 || size > LENGTH_BYTES_MAX || at + size >= bytes.length) throw new TlvError("a length it cannot have");
  let value = 0;
  for (let i = 1; i <= size; i += 1) value = value * 256 + (bytes[at + i] ?? 0);
  return { value, size: 1 + size };
}

/** The data objects of one level, by tag. */
export class TlvReader {
  readonly #objects: readonly Tlv[];

  constructor(bytes: Uint8Array) {
    this.#objects = readTlv(bytes);
  }

  /** Values of every object with this tag. */
  all(tag: number): Uint8Array[] {
    return this.#objects.filter((object) => object.tag === tag).map((object) => object.value);
  }

  find(tag: number): Uint8Array | undefined {
    return this.#objects.find((object) => object.tag === tag)?.value;
  }

  bytes(tag: number): Uint8Array {
    const value = this.find(tag);
    if (value === undefined) throw new TlvError(`no data object ${tag.toString(16).toUpperCase()}`);
    return value;
  }

  /** An unsigned integer, big endian. */
  integer(tag: number): bigint {
    return integerOf(this.bytes(tag));
  }

  number(tag: number): number {
    const value = this.integer(tag);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new TlvError("an integer out of range");
    return Number(value);
  }
}

export function integerOf(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

/** For tests and card emulators: the bytes of one data object. */
export function writeTlv(tag: number, value: Uint8Array): Uint8Array {
  const tagBytes = tag > 0xff ? [tag >> 8, tag & 0xff] : [tag];
  const length = value.length;
  const lengthBytes =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, (length >> 8) & 0xff, length & 0xff];
  if (length > 0xffff) throw new RangeError("value: more than 65535 bytes");
  const bytes = new Uint8Array(tagBytes.length + lengthBytes.length + length);
  bytes.set(tagBytes);
  bytes.set(lengthBytes, tagBytes.length);
  bytes.set(value, tagBytes.length + lengthBytes.length);
  return bytes;
}
