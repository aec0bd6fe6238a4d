/**
 * Signed objects: COSE_Sign1 (RFC 9052) with EdDSA over Ed25519, untagged, with an empty unprotected header. The kind
 * of the object is in the signed context (external_aad), so that a signature on one kind is worth nothing on another.
 * Any COSE library can check one: give it `externalAad(kind)`.
 */

import { SIGNED_VERSION } from "../../firmware/protocol/kinds.js";
import { COSE_PAYLOAD_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { REASON_BAD_SIGNATURE } from "../../firmware/protocol/reasons.js";
import { ed25519Verify } from "../crypto.js";
import { assertBytes, assertInteger, concatBytes, equalBytes } from "./bytes.js";
import { decode, encode } from "./cbor.js";
import { signatureIsStrict } from "./ed25519.js";
import { CodecError } from "./errors.js";
import { Fields } from "./read.js";
import type { Signer, Verifier } from "./signer.js";

const SIGNATURE_BYTES = 64;
const CONTEXT = new TextEncoder().encode("tallystick");
/** {1: -8}: the algorithm is EdDSA. */
const PROTECTED = Uint8Array.of(0xa1, 0x01, 0x27);

/** What is signed beside header and payload: "tallystick", the version, the kind. */
export function externalAad(kind: number): Uint8Array {
  assertInteger(kind, "kind", 1, 255);
  return concatBytes(CONTEXT, Uint8Array.of(SIGNED_VERSION, kind));
}

/** Signs a payload as an object of this kind. */
export function sign1(kind: number, payload: Uint8Array, signer: Signer): Uint8Array {
  assertBytes(payload, "payload");
  if (payload.length > COSE_PAYLOAD_BYTES_MAX) {
    throw new RangeError(`payload: ${payload.length} bytes, at most ${COSE_PAYLOAD_BYTES_MAX} can be signed`);
  }
  const signature = signer.sign(signedBytes(kind, payload));
  assertBytes(signature, "signature", SIGNATURE_BYTES);
  return encode([PROTECTED, new Map(), payload, signature]);
}

/** The payload of a signed object whose signature nobody has checked yet; CodecError when it is malformed. */
export function payloadOf(cose: Uint8Array): Uint8Array {
  return parse(cose).payload;
}

/**
 * The payload of an object that this key signed as this kind. CodecError with REASON_MALFORMED or
 * REASON_BAD_SIGNATURE otherwise.
 */
export function verify1(
  kind: number,
  cose: Uint8Array,
  publicKey: Uint8Array,
  verifier: Verifier = ed25519Verify,
): Uint8Array {
  assertBytes(publicKey, "publicKey", 32);
  const { payload, signature } = parse(cose);
  const strict = signatureIsStrict(publicKey, signature);
  if (!strict || !verifier(publicKey, signedBytes(kind, payload), signature)) {
    throw new CodecError("signed object: the signature is not this key's", REASON_BAD_SIGNATURE);
  }
  return payload;
}

/** The Sig_structure of RFC 9052 section 4.4. */
function signedBytes(kind: number, payload: Uint8Array): Uint8Array {
  return encode(["Signature1", PROTECTED, externalAad(kind), payload]);
}

function parse(cose: Uint8Array): { payload: Uint8Array; signature: Uint8Array } {
  assertBytes(cose, "cose");
  const fields = Fields.ofArray(decode(cose), "signed object", 4);
  if (!equalBytes(fields.bytes("protected header", 0, 64), PROTECTED)) {
    throw new CodecError("signed object: the protected header is not {1: -8}");
  }
  fields.map("unprotected header", []);
  const payload = fields.bytes("payload", 0, COSE_PAYLOAD_BYTES_MAX);
  return { payload, signature: fields.bytes("signature", SIGNATURE_BYTES) };
}
