/**
 * Sealing what is longer than one Noise message: `Noise_N_25519_ChaChaPoly_SHA256`, whose first message carries the length
 * of what follows, then that in transport messages of the same session.
 */

import { assertBytes, concatBytes } from "../codec/bytes.js";
import { CodecError } from "../codec/errors.js";
import { type OpenSealedOptions, oneWayReceiver, oneWaySender, type SealToOptions } from "../codec/noise.js";

const LENGTH_BYTES = 8;
const TAG_BYTES = 16;
/** Of the first message: ephemeral key, length, tag. */
const HEAD_BYTES = 32 + LENGTH_BYTES + TAG_BYTES;
/** Text of one transport message: Noise's 65,535 less the tag. */
export const BULK_PIECE_BYTES = 65_519;

export function sealBulk(options: SealToOptions, plaintext: Uint8Array): Uint8Array {
  assertBytes(plaintext, "plaintext");
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setBigUint64(0, BigInt(plaintext.length));
  const sender = oneWaySender(options);
  const parts = [sender.write(length)];
  for (let at = 0; at < plaintext.length; at += BULK_PIECE_BYTES)
    parts.push(sender.seal(plaintext.subarray(at, at + BULK_PIECE_BYTES)));
  sender.end();
  return concatBytes(...parts);
}

/** The reverse. NoiseError or CodecError where something was altered, cut off, added, or sealed to another. */
export function openBulk(options: OpenSealedOptions, sealed: Uint8Array): Uint8Array {
  assertBytes(sealed, "sealed");
  const receiver = oneWayReceiver(options);
  const length = new DataView(receiver.read(sealed.slice(0, HEAD_BYTES)).slice().buffer);
  if (length.byteLength !== LENGTH_BYTES) throw new CodecError("sealed in bulk: its first message is no length");
  const total = Number(length.getBigUint64(0));
  const pieces = Math.ceil(total / BULK_PIECE_BYTES);
  if (sealed.length !== HEAD_BYTES + total + pieces * TAG_BYTES)
    throw new CodecError("sealed in bulk: not as long as its first message says");
  const plaintext = new Uint8Array(total);
  let at = HEAD_BYTES;
  for (let done = 0; done < total; done += BULK_PIECE_BYTES) {
    const piece = Math.min(BULK_PIECE_BYTES, total - done) + TAG_BYTES;
    plaintext.set(receiver.open(sealed.subarray(at, at + piece)), done);
    at += piece;
  }
  receiver.end();
  return plaintext;
}
