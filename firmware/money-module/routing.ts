/**
 * How a message leaves the module (WO 96/41315 fig. 15, 16, 17, 19).
 *
 * A message for the module at the other end is sealed under MM/MM (steps 640, 678). Without an agent it goes to the peer
 * as it is. With one it becomes the `inner` of a message to the agent, sealed again under the link's key (658, 680): the
 * pairing key at first (Send Routed Message, fig. 15), TA/MM later (Send E-Routed Message, fig. 19).
 *
 * Both layers are built in one buffer, which has room before the message for what the outer layer puts there:
 *
 *     [ headroom | kind | MM/MM message, sealed in place ]
 *              ^ outer array's items, written last
 */

import { ADDRESS_AGENT, ADDRESS_PEER, KIND_HANDSHAKE, KIND_LINK, KIND_SEALED, LINK_INNER } from "../protocol/messages";
import { INBOUND, INBOUND_BYTES, IO } from "../lib/io";
import { IO_BYTES } from "../protocol/limits";
import { REASON_TOO_LONG } from "../protocol/reasons";
import { TAG_BYTES } from "../platform/constants";
import { Writer } from "../lib/cbor";
import { outboxCapacity, outboxClose, outboxOpen } from "../lib/envelope";
import { peer } from "../lib/establish";
import { linkSeal } from "../lib/link";
import { sessionSeal } from "../lib/noise";
import { t } from "./transaction";

const HEADROOM: u32 = 128;
const PREFIX_BYTES: u32 = 120;

const message = changetype<Writer>(memory.data(offsetof<Writer>(), 8));
const outer = changetype<Writer>(memory.data(offsetof<Writer>(), 8));
const prefix = memory.data(120, 8);

/** The inner message: its kind byte, and the length with it. */
let innerAt: usize = 0;
let innerLength: u32 = 0;

/** Starts a message to the module at the other end, in IO: small ones, while INBOUND may still be read. */
export function peerMessage(number: i32, items: u32): Writer {
  return startIn(IO, IO_BYTES, number, items);
}

/** The same in INBOUND: notes, whose bytes are read into IO. What came in is gone. */
export function peerMessageLarge(number: i32, items: u32): Writer {
  return startIn(INBOUND, INBOUND_BYTES, number, items);
}

function startIn(buffer: usize, capacity: u32, number: i32, items: u32): Writer {
  innerAt = buffer + HEADROOM;
  message.begin(innerAt + 1, capacity - HEADROOM - 1 - TAG_BYTES);
  message.array(items);
  message.uint(number);
  return message;
}

/** Seals the message under MM/MM; it is then ready to be routed. */
export function sealMessage(): i32 {
  const length = message.finish();
  if (length < 0) return length;
  const sealed = sessionSeal(peer, innerAt + 1, length, innerAt + 1, length + TAG_BYTES);
  if (sealed < 0) return sealed;
  store<u8>(innerAt, KIND_SEALED);
  innerLength = sealed + 1;
  return 0;
}

/** Seals and sends. */
export function sendPeer(): i32 {
  const status = sealMessage();
  return status < 0 ? status : routeInner();
}

/** Where a handshake message is written before `sendHandshake`. */
export function handshakeRoom(): usize {
  innerAt = IO + HEADROOM;
  return innerAt + 1;
}

export function sendHandshake(length: u32): i32 {
  store<u8>(innerAt, KIND_HANDSHAKE);
  innerLength = length + 1;
  return routeInner();
}

/** Sends what is sealed: through the agent, or to the peer as it is. */
export function routeInner(): i32 {
  if (t.viaAgent != 0) {
    agentMessage(LINK_INNER, 2);
    return sendAgent(true);
  }
  const out = outboxOpen(ADDRESS_PEER, load<u8>(innerAt));
  if (innerLength - 1 > outboxCapacity()) return -REASON_TOO_LONG;
  memory.copy(out, innerAt + 1, innerLength - 1);
  outboxClose(innerLength - 1);
  return 0;
}

/** Starts a message to the agent (Send MM/TA Message, fig. 16). */
export function agentMessage(number: i32, items: u32): Writer {
  outer.begin(prefix, PREFIX_BYTES);
  outer.array(items);
  outer.uint(number);
  return outer;
}

/** Ends it with what is sealed as its last item. */
export function sendAgent(withInner: bool): i32 {
  if (!withInner) return sealAgent(prefix, outer.finish());
  outer.bytesHeader(innerLength);
  const length = outer.finish();
  if (length < 0) return length;
  const start = innerAt - length;
  memory.copy(start, prefix, length);
  return sealAgent(start, length + innerLength);
}

function sealAgent(plain: usize, length: i32): i32 {
  if (length < 0) return length;
  const out = outboxOpen(ADDRESS_AGENT, KIND_LINK);
  const sealed = linkSeal(plain, length, out, outboxCapacity());
  if (sealed < 0) return sealed;
  outboxClose(sealed);
  return 0;
}
