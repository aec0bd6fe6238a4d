/** What the chip says to an issuer: signed, filled up to one length, sealed to the issuer's key, and put into a notice. */

import { ENVELOPE_BYTES_MAX } from "../protocol/limits";
import { Writer } from "../lib/cbor";
import { coseForget, coseSign } from "../lib/cose";
import { elementChain, elementChainLength } from "../lib/identity";
import { IO } from "../lib/io";
import { wipe } from "../lib/memory";
import { sealTo, SEALED_TO_EXTRA_BYTES } from "../lib/noise";
import { SLOT_EPHEMERAL, SLOT_SIGNATURE } from "../lib/slots";

/** Payload, signed object and plaintext, one behind the other in IO, which is free while a command runs. */
const PAYLOAD: usize = IO;
export const PAYLOAD_BYTES: u32 = 512;
const SIGNED: usize = PAYLOAD + PAYLOAD_BYTES;
const SIGNED_BYTES: u32 = 640;
const PLAIN: usize = SIGNED + SIGNED_BYTES;

const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 8));

/** A payload to be sealed is written by this. */
export function payloadBegin(): Writer {
  writer.begin(PAYLOAD, PAYLOAD_BYTES);
  return writer;
}

/**
 * Signs the payload, seals it in `plainBytes`, with the own chain if asked for, and writes the result as a byte
 * string. 0, or an error.
 */
export function sealPayload(
  kind: i32,
  withChain: bool,
  issuerKey: usize,
  prologue: usize,
  prologueLength: u32,
  plainBytes: u32,
  into: Writer,
): i32 {
  const payload = writer.finish();
  if (payload < 0) return payload;
  let status = coseSign(kind, SLOT_SIGNATURE, PAYLOAD, payload, SIGNED, SIGNED_BYTES);
  if (status >= 0) status = fill(status, withChain, plainBytes);
  const sealed = plainBytes + SEALED_TO_EXTRA_BYTES;
  if (status >= 0) {
    into.bytesHeader(sealed);
    const to = into.reserve(sealed);
    assert(to != 0);
    status = sealTo(issuerKey, prologue, prologueLength, SLOT_EPHEMERAL, PLAIN, plainBytes, to, sealed);
  }
  wipe(PAYLOAD, PAYLOAD_BYTES + SIGNED_BYTES + plainBytes);
  coseForget();
  return status < 0 ? status : 0;
}

/** [signed object, chain of this element, padding], or without the chain: exactly `plainBytes` long. */
function fill(signedLength: u32, withChain: bool, plainBytes: u32): i32 {
  assert(PAYLOAD_BYTES + SIGNED_BYTES + plainBytes <= <u32>ENVELOPE_BYTES_MAX);
  writer.begin(PLAIN, plainBytes);
  writer.array(withChain ? 3 : 2);
  writer.bytes(SIGNED, signedLength);
  if (withChain) writer.bytes(elementChain(), elementChainLength());
  const left = plainBytes - <u32>(writer.at - writer.start);
  // The header of a byte string of 256 to 65,535 takes three bytes; near 256 there are lengths that none fills.
  assert(writer.failed == 0 && left >= 3 + 256 && left <= plainBytes);
  writer.bytesHeader(left - 3);
  const padding = writer.reserve(left - 3);
  memory.fill(padding, 0, left - 3);
  return writer.finish();
}
