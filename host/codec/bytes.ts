/** Argument guards and small helpers over bytes. Errors name the argument. */

export function assertBytes(value: unknown, name: string, length?: number): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name}: expected a Uint8Array, found ${typeof value}`);
  if (length !== undefined && value.length !== length) {
    throw new RangeError(`${name}: expected ${length} bytes, found ${value.length}`);
  }
}

/** A whole number from `min` to `max`, both included. */
export function assertInteger(value: unknown, name: string, min: number, max: number): asserts value is number {
  if (typeof value !== "number") throw new TypeError(`${name}: expected a number, found ${typeof value}`);
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new RangeError(`${name}: expected a whole number from ${min} to ${max}, found ${value}`);
  }
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** For public values: it stops at the first difference. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A Buffer that is there already: one for each call would cost more than the digits. */
const short = Buffer.alloc(64);

/** Lower-case hexadecimal digits, two for a byte. */
export function toHex(bytes: Uint8Array): string {
  assertBytes(bytes, "bytes");
  const { byteLength, length } = bytes;
  if (length > short.length) return Buffer.from(bytes.buffer, bytes.byteOffset, byteLength).toString("hex");
  short.set(bytes);
  return short.toString("hex", 0, length);
}

/** The reverse of `toHex()`; upper case is refused, because an identifier has one spelling. */
export function fromHex(digits: string): Uint8Array {
  if (typeof digits !== "string") throw new TypeError(`digits: expected a string, found ${typeof digits}`);
  if (!/^(?:[0-9a-f]{2})*$/.test(digits))
    throw new RangeError("digits: expected pairs of lower-case hexadecimal digits");
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
