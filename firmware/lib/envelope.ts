/**
 * Envelopes: what an element says to its host, its partner element and its peer (the idea of ETSI TS 102 221's
 * proactive commands: ENVELOPE delivers one, status 91xx says that one waits, FETCH takes it).
 *
 * An element answers one accepted envelope with a few, which wait here, in order, until the next is accepted. They can
 * be fetched again from the first as often as the host needs: the bytes stay the same, so a lost reply costs nothing and
 * no nonce is ever used twice.
 *
 *     OUTBOX   [ length u32 | address u8 | kind u8 | body ] [ ... ]     length counts address, kind and body
 */

import { IO } from "./io";
import { Writer } from "./cbor";
import { ADDRESS_HOST, KIND_HOST } from "../protocol/messages";
import { ENVELOPE_BYTES_MAX, OUTBOX_BYTES } from "../protocol/limits";

const OUTBOX: usize = memory.data(OUTBOX_BYTES, 8);
const LENGTH_BYTES: u32 = 4;
const HEADER_BYTES: u32 = 6;

let used: u32 = 0;
let fetched: u32 = 0;

/** Writes notices; also lent to whoever composes a body in place. */
const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 8));

/** Forgets what waits: the envelope just accepted is answered by what follows. */
export function outboxClear(): void {
  used = 0;
  fetched = 0;
}

/** Offers everything again from the first: the answer to a repeat, and to FETCH with P1 = 01. */
export function outboxRewind(): void {
  fetched = 0;
}

/** Starts an envelope; its body of at most `outboxCapacity()` bytes is written at the result. */
export function outboxOpen(address: i32, kind: i32): usize {
  assert(used + HEADER_BYTES <= <u32>OUTBOX_BYTES);
  const at = OUTBOX + used;
  store<u8>(at, <u8>address, LENGTH_BYTES);
  store<u8>(at, <u8>kind, LENGTH_BYTES + 1);
  return at + HEADER_BYTES;
}

/** Bytes that the body started last may have. */
export function outboxCapacity(): u32 {
  const left = <u32>OUTBOX_BYTES - used - HEADER_BYTES;
  const most = <u32>ENVELOPE_BYTES_MAX - 2;
  return left < most ? left : most;
}

/**
 * Room behind what waits, for tables that live no longer than the function that asks for it: the next envelope may be written
 * over them.
 */
export function outboxSpare(length: u32): usize {
  assert(used + length + 7 <= <u32>OUTBOX_BYTES);
  return OUTBOX + ((<u32>OUTBOX_BYTES - length) & ~7);
}

/** Ends the envelope started last. */
export function outboxClose(bodyLength: u32): void {
  assert(bodyLength <= outboxCapacity());
  store<u32>(OUTBOX + used, bodyLength + 2);
  used += HEADER_BYTES + bodyLength;
}

/** An envelope whose body is ready elsewhere. */
export function outboxAdd(address: i32, kind: i32, body: usize, length: u32): void {
  const at = outboxOpen(address, kind);
  assert(length <= outboxCapacity());
  memory.copy(at, body, length);
  outboxClose(length);
}

/** Starts a notice to the host, an array of `items` of which the number is the first; then `noticeEnd()`. */
export function noticeBegin(number: i32, items: u32): Writer {
  const at = outboxOpen(ADDRESS_HOST, KIND_HOST);
  writer.begin(at, outboxCapacity());
  writer.array(items);
  writer.uint(number);
  return writer;
}

export function noticeEnd(): void {
  const length = writer.finish();
  assert(length > 0);
  outboxClose(<u32>length);
}

/** A notice that is a number alone. */
export function notice(number: i32): void {
  noticeBegin(number, 1);
  noticeEnd();
}

/** Length of the envelope that waits, 0 if none does. */
export function outboxWaiting(): u32 {
  return fetched < used ? load<u32>(OUTBOX + fetched) : 0;
}

/** Copies the next envelope to IO; its length, 0 if none waits. */
export function outboxFetch(): u32 {
  const length = outboxWaiting();
  if (length == 0) return 0;
  memory.copy(IO, OUTBOX + fetched + LENGTH_BYTES, length);
  fetched += LENGTH_BYTES + length;
  return length;
}
