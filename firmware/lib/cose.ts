/**
 * Signed objects: COSE_Sign1 (RFC 9052 section 4.2) with EdDSA over Ed25519, always in one form:
 *
 *   84                    array of four
 *   43 a1 01 27           protected header {1: -8}
 *   a0                    unprotected header, empty
 *   payload               byte string
 *   58 40 signature       byte string of 64
 *
 * What is signed is the Sig_structure of RFC 9052 section 4.4, whose external_aad says what kind of object this is, so
 * that a signature on one kind is worth nothing on another:
 *
 *   84 6a "Signature1"  43 a1 01 27  4c "tallystick" version kind  payload
 */

import { SIGNATURE_BYTES } from "../platform/constants";
import { ed25519Sign } from "../platform/imports";
import { SIGNED_VERSION } from "../protocol/kinds";
import { COSE_PAYLOAD_BYTES_MAX } from "../protocol/limits";
import { REASON_MALFORMED, REASON_TOO_LONG } from "../protocol/reasons";
import { Reader, Writer } from "./cbor";
import { signatureVerify } from "./ed25519";
import { wipe } from "./memory";

/** Bytes of a signed object beside its payload, at most: head, headers, payload's header, signature. */
export const COSE_OVERHEAD_BYTES: u32 = 1 + 4 + 1 + 3 + 66;

/** Array head, protected header, unprotected header. */
const HEAD: usize = memory.data<u8>([0x84, 0x43, 0xa1, 0x01, 0x27, 0xa0]);
const HEAD_BYTES: u32 = 6;

/** The Sig_structure up to and with "tallystick"; version, kind and payload follow. */
const CONTEXT: usize = memory.data<u8>([
  0x84, 0x6a, 0x53, 0x69, 0x67, 0x6e, 0x61, 0x74, 0x75, 0x72, 0x65, 0x31, 0x43, 0xa1, 0x01, 0x27, 0x4c, 0x74, 0x61,
  0x6c, 0x6c, 0x79, 0x73, 0x74, 0x69, 0x63, 0x6b,
]);
const CONTEXT_BYTES: u32 = 27;

const SIGNED_BYTES_MAX: u32 = CONTEXT_BYTES + 2 + 3 + COSE_PAYLOAD_BYTES_MAX;
const signed: usize = memory.data(SIGNED_BYTES_MAX, 8);
const signatureOut: usize = memory.data(SIGNATURE_BYTES, 8);

const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 4));
const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

let payloadLengthLast: u32 = 0;
let signatureLast: usize = 0;

/** Assembles the Sig_structure in `signed`; its length, or -REASON_TOO_LONG. */
function assemble(kind: i32, payload: usize, length: u32): i32 {
  assert(kind > 0 && kind < 256);
  if (length > <u32>COSE_PAYLOAD_BYTES_MAX) return -REASON_TOO_LONG;
  writer.begin(signed, SIGNED_BYTES_MAX);
  writer.raw(CONTEXT, CONTEXT_BYTES);
  const context = writer.reserve(2);
  store<u8>(context, <u8>SIGNED_VERSION);
  store<u8>(context, <u8>kind, 1);
  writer.bytes(payload, length);
  return writer.finish();
}

/**
 * Signs a payload with the key in a slot and writes the signed object; its length, or a negative error. The payload
 * may lie inside `out`.
 */
export function coseSign(kind: i32, slot: u32, payload: usize, payloadLength: u32, out: usize, capacity: u32): i32 {
  const length = assemble(kind, payload, payloadLength);
  if (length < 0) return length;
  const result = ed25519Sign(slot, signed, length, signatureOut, SIGNATURE_BYTES);
  if (result < 0) return result;
  // The payload with its header is the end of what was signed.
  const start = CONTEXT_BYTES + 2;
  writer.begin(out, capacity);
  writer.raw(HEAD, HEAD_BYTES);
  writer.raw(signed + start, length - start);
  writer.bytes(signatureOut, SIGNATURE_BYTES);
  return writer.finish();
}

/** Wipes what was signed or verified last: for who signs secrets. */
export function coseForget(): void {
  wipe(signed, SIGNED_BYTES_MAX);
}

/**
 * The payload of a signed object, whose form is checked strictly but whose signature is not: 0 when it is malformed.
 * Its length is `cosePayloadLength()` until the next call.
 */
export function cosePayload(cose: usize, length: u32): usize {
  payloadLengthLast = 0;
  if (length <= HEAD_BYTES || memory.compare(cose, HEAD, HEAD_BYTES) != 0) return 0;
  reader.begin(cose + HEAD_BYTES, length - HEAD_BYTES);
  const payload = reader.bytes(0, COSE_PAYLOAD_BYTES_MAX);
  const payloadLength = reader.length;
  const signature = reader.fixed(SIGNATURE_BYTES);
  if (reader.finish() != 0) return 0;
  payloadLengthLast = payloadLength;
  signatureLast = signature;
  return payload;
}

export function cosePayloadLength(): u32 {
  return payloadLengthLast;
}

/** 0 when the key signed this object as this kind, else -REASON_MALFORMED, -REASON_BAD_SIGNATURE or a platform error. */
export function coseVerify(kind: i32, cose: usize, length: u32, publicKey: usize): i32 {
  const payload = cosePayload(cose, length);
  if (payload == 0) return -REASON_MALFORMED;
  const signedLength = assemble(kind, payload, payloadLengthLast);
  if (signedLength < 0) return signedLength;
  return signatureVerify(publicKey, signed, signedLength, signatureLast);
}
