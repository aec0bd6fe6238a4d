/** Looks for values in what is carried, in every encoding that somebody could have left them in. */

import { concatBytes, toHex } from "../../host/codec/bytes.js";
import { encode } from "../../host/codec/cbor.js";

export interface Secret {
  readonly name: string;
  readonly forms: readonly Uint8Array[];
}

/** Shorter needles would be found in any ciphertext by chance. */
const NEEDLE_BYTES_MIN = 4;
const text = (value: string) => new TextEncoder().encode(value);

export function secretBytes(name: string, bytes: Uint8Array): Secret {
  return { name, forms: [bytes, bytes.slice().reverse(), text(toHex(bytes))] };
}

export function secretText(name: string, value: string): Secret {
  return { name, forms: [text(value)] };
}

/** An amount with its unit: as CBOR, as big and little endian words, as decimal text, with and without point. */
export function secretAmount(name: string, amount: bigint, currency: number): Secret {
  const big = new DataView(new ArrayBuffer(8));
  big.setBigUint64(0, amount);
  const little = new DataView(new ArrayBuffer(8));
  little.setBigUint64(0, amount, true);
  const digits = amount.toString().padStart(3, "0");
  const forms = [
    concatBytes(encode(amount), encode(currency)),
    new Uint8Array(big.buffer),
    new Uint8Array(little.buffer),
    text(amount.toString()),
    text(amount.toString().padStart(12, "0")),
    text(`${digits.slice(0, -2)}.${digits.slice(-2)}`),
  ];
  return { name, forms };
}

/** Names of the secrets of which some form stands in these bytes. */
export function found(secrets: readonly Secret[], bytes: Uint8Array): string[] {
  const where = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return secrets.flatMap(({ name, forms }) => {
    const needles = forms.filter(({ length }) => length >= NEEDLE_BYTES_MIN);
    if (needles.length === 0) throw new RangeError(`${name}: too short to be looked for`);
    return needles.some((needle) => where.includes(Buffer.from(needle))) ? [name] : [];
  });
}
