/**
 * Messages of an agent: composing what goes to the peer (fig. 9, under TA/TA) and to the own module (fig. 17, under the
 * key of the link), and reading what came. Plaintexts are composed in IO, which is scratch while a command runs, and
 * sealed into the outbox.
 */

import { Reader, Writer } from "../lib/cbor";
import { outboxCapacity, outboxClear, outboxClose, outboxOpen } from "../lib/envelope";
import { peer } from "../lib/establish";
import { IO } from "../lib/io";
import { linkAsk, linkAsked, linkSeal, LINK_RANDOM_BYTES } from "../lib/link";
import { outboxAdd } from "../lib/envelope";
import { sessionSeal } from "../lib/noise";
import { ENVELOPE_BYTES_MAX } from "../protocol/limits";
import { ADDRESS_MODULE, ADDRESS_PEER, KIND_LINK, KIND_LINK_OPEN, KIND_SEALED } from "../protocol/messages";
import { REASON_MALFORMED } from "../protocol/reasons";
import { transaction } from "./transaction";

const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 4));

/** The message that is being answered; fields are read from it in their order. */
export const incoming = changetype<Reader>(memory.data(offsetof<Reader>(), 4));
let items: u32 = 0;

/** Starts reading a message: its number, or -REASON_MALFORMED. */
export function incomingBegin(message: usize, length: u32): i32 {
  incoming.begin(message, length);
  items = incoming.array();
  const number = incoming.uint();
  if (incoming.failed != 0 || number > 255) return -REASON_MALFORMED;
  return <i32>number;
}

/** Items of the message, its number included. */
export function incomingItems(): u32 {
  return items;
}

/** The message must have had exactly so many items, and nothing behind them. */
export function incomingEnd(expected: u32): i32 {
  const result = incoming.finish();
  return result == 0 && items != expected ? -REASON_MALFORMED : result;
}

/** A unit's two items. */
export function incomingSmall(max: u64): u32 {
  const value = incoming.uint();
  if (value > max) incoming.fail(REASON_MALFORMED);
  return <u32>value;
}

/** What was accepted is answered by what follows. */
export function accept(): void {
  outboxClear();
  transaction.queries = 0;
}

/** Starts a message for peer or module; `send` ends it. */
export function compose(number: i32, itemCount: u32): Writer {
  writer.begin(IO, ENVELOPE_BYTES_MAX);
  writer.array(itemCount);
  writer.uint(number);
  return writer;
}

/** A message that is a number alone. */
export function composeBare(number: i32): void {
  compose(number, 1);
}

/** An envelope of a module inside a message, or null. */
export function composeInner(inner: usize, length: u32): void {
  if (length == 0) writer.nil();
  else writer.bytes(inner, length);
}

/** Seals the message for the peer. 0 or an error. */
export function sendToPeer(): i32 {
  const length = writer.finish();
  if (length < 0) return length;
  const out = outboxOpen(ADDRESS_PEER, KIND_SEALED);
  const sealed = sessionSeal(peer, IO, length, out, outboxCapacity());
  if (sealed < 0) return sealed;
  outboxClose(sealed);
  return 0;
}

/** Seals the message for the own module. 0 or an error. */
export function sendToModule(): i32 {
  const length = writer.finish();
  if (length < 0) return length;
  const out = outboxOpen(ADDRESS_MODULE, KIND_LINK);
  const sealed = linkSeal(IO, length, out, outboxCapacity());
  if (sealed < 0) return sealed;
  outboxClose(sealed);
  return 0;
}

/** Asks the own module to open the link. 0 or an error. */
export function askForLink(): i32 {
  const asked = linkAsk();
  if (asked < 0) return asked;
  outboxAdd(ADDRESS_MODULE, KIND_LINK_OPEN, linkAsked(), LINK_RANDOM_BYTES);
  return 0;
}

/** Reads `inner`: its address, 0 for null; its length is in `incoming.length`. */
export function incomingInner(): usize {
  if (incoming.isNil()) {
    incoming.length = 0;
    return 0;
  }
  return incoming.bytes(1, ENVELOPE_BYTES_MAX);
}
