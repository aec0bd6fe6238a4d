/**
 * Establish Session (WO 96/41315 fig. 8 for agents, fig. 14 for modules), as Noise XX:
 *
 *     initiator A                                        responder B
 *     1  e                                     ->                          R(A) is e, R(B) the other's e
 *     2                                        <-  e, s, chain, date       320-326; 1502-1506
 *     3  s, chain, date, R of A's agent        ->                          344-350; 1532-1538
 *     4                                        <-  acknowledgement         364-366; 1554-1556, by the applet, sealed
 *
 * Each end checks, in this order: chain, role, that the Noise static key is the certificate's, bad-id list, validity and
 * clock skew (304-316, 328-338; 1480-1496, 1508-1530). A session for outcomes leaves out the last three: two elements
 * must always be able to settle. The body of a KIND_HANDSHAKE envelope is purpose, step, Noise message.
 */

import { KEY_BYTES } from "../platform/constants";
import { CLOCK_SKEW_SECONDS_MAX, HANDSHAKE_PAYLOAD_BYTES_MAX, CHAIN_BYTES_MAX } from "../protocol/limits";
import {
  PROTOCOL_SPOKEN,
  PURPOSE_OUTCOME,
  PURPOSE_PAIRING,
  PURPOSE_TRANSACTION,
  TREE_AGENTS,
  TREE_MODULES,
} from "../protocol/kinds";
import {
  REASON_CLOCK_SKEW,
  REASON_KEY_MISMATCH,
  REASON_MALFORMED,
  REASON_NO_CLOCK,
  REASON_UNEXPECTED,
  REASON_VERSION,
  REASON_WRONG_ROLE,
} from "../protocol/reasons";
import { badIdsCheck, badIdsVersion } from "./bad-ids";
import { Reader, Writer } from "./cbor";
import { Certificate, chainVerify } from "./certificate";
import { clockNow } from "./clock";
import { elementChain, elementChainLength, elementRole, elementTree, rootId, rootKey } from "./identity";
import { HANDSHAKE_PAYLOAD } from "./io";
import { equal } from "./memory";
import { mayMeet } from "./roles";
import {
  handshakeRead,
  handshakeWrite,
  Session,
  SESSION_HANDSHAKE,
  SESSION_OPEN,
  sessionBegin,
  sessionEnd,
  sessionRemoteStatic,
} from "./noise";
import { SLOT_AGREEMENT, SLOT_EPHEMERAL } from "./slots";

const HEADER_BYTES: u32 = 2;
/** Room for the longest handshake message: what Noise adds is 96 bytes at most. */
const HANDSHAKE_BYTES_MAX: u32 = HANDSHAKE_PAYLOAD_BYTES_MAX + 96;
/** "tallystick", version of the handshake itself, tree, purpose, and the reference of 32 bytes or nothing. */
const PROLOGUE = memory.data<u8>([
  0x74, 0x61, 0x6c, 0x6c, 0x79, 0x73, 0x74, 0x69, 0x63, 0x6b, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);
const PROLOGUE_BYTES: u32 = 13;
const REFERENCE_BYTES: u32 = 32;
/** In the prologue of a pairing, which belongs to neither tree. */
const TREE_BOTH: u8 = 2;

/** The session with the element of the same sort in the other device; in a pairing, with the partner. */
export const peer = changetype<Session>(memory.data(offsetof<Session>(), 8));
export const peerCertificate = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));

const payload: usize = HANDSHAKE_PAYLOAD;
const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 8));
const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));
const ownR = memory.data(32, 8);
const peerR = memory.data(32, 8);

let purpose: i32 = 0;
let hasOwnR: bool = false;
let hasPeerR: bool = false;
/** Versions of the bad-id lists as the two ends told them. A host may deliver a newer one at any time. */
let ownVersion: u64 = 0;
let peerVersion: u64 = 0;

export function sessionPurpose(): i32 {
  return purpose;
}
export function isInitiator(): bool {
  return peer.initiator != 0;
}
/** R of the peer's agent, 32 bytes, or 0. */
export function peerAgentR(): usize {
  return hasPeerR ? peerR : 0;
}
/** The two ends told different versions of the bad-id list: both of them know, whatever arrives meanwhile. */
export function listsDiffer(): bool {
  return ownVersion != peerVersion;
}
/** This end told the newer one. */
export function ownListIsNewer(): bool {
  return ownVersion > peerVersion;
}

/** Ends the session and forgets the peer. */
export function establishEnd(): void {
  sessionEnd(peer);
  memory.fill(changetype<usize>(peerCertificate), 0, offsetof<Certificate>());
  memory.fill(ownR, 0, 32);
  memory.fill(peerR, 0, 32);
  hasOwnR = false;
  hasPeerR = false;
  purpose = 0;
  ownVersion = 0;
  peerVersion = 0;
}

/** R of the own agent, to be told to the peer in message 3. */
export function establishTell(r: usize): void {
  memory.copy(ownR, r, 32);
  hasOwnR = true;
}

/**
 * Starts as initiator: writes the body of message 1 and answers its length. `reference`: 32 bytes that both ends must
 * know (the agents' hash around a module session), or 0.
 */
export function establishStart(forPurpose: i32, reference: usize, out: usize): i32 {
  const status = begin(true, forPurpose, reference);
  return status < 0 ? status : write(1, 0, out);
}

/**
 * Prepares a responder. Without it an incoming message 1 is refused: an element answers only when its host or its
 * partner has told it to.
 */
export function establishExpect(forPurpose: i32, reference: usize): i32 {
  return begin(false, forPurpose, reference);
}

function begin(initiator: bool, forPurpose: i32, reference: usize): i32 {
  // Of what was told before only R survives: it belongs to the session that starts now.
  const told = hasOwnR;
  hasOwnR = false;
  hasPeerR = false;
  if (forPurpose == PURPOSE_TRANSACTION && clockNow() == 0) return -REASON_NO_CLOCK;
  purpose = forPurpose;
  hasOwnR = told;
  store<u8>(PROLOGUE, forPurpose == PURPOSE_PAIRING ? TREE_BOTH : <u8>elementTree(), 11);
  store<u8>(PROLOGUE, <u8>forPurpose, 12);
  let length = PROLOGUE_BYTES;
  if (reference != 0) {
    memory.copy(PROLOGUE + PROLOGUE_BYTES, reference, REFERENCE_BYTES);
    length += REFERENCE_BYTES;
  }
  return sessionBegin(peer, initiator, PROLOGUE, length, SLOT_AGREEMENT, SLOT_EPHEMERAL);
}

/**
 * Takes the body of a KIND_HANDSHAKE envelope. Result: length of the body to answer with, written at `out`; 0 when the
 * session is open and the next word is this element's; or an error, after which there is no session.
 * -REASON_REPEAT changes nothing.
 */
export function establishTake(body: usize, length: u32, out: usize): i32 {
  if (length < HEADER_BYTES) return -REASON_MALFORMED;
  const step: u32 = load<u8>(body, 1);
  if (peer.state != SESSION_HANDSHAKE && peer.state != SESSION_OPEN) return -REASON_UNEXPECTED;
  const got = handshakeRead(peer, body + HEADER_BYTES, length - HEADER_BYTES, payload, HANDSHAKE_PAYLOAD_BYTES_MAX);
  if (got < 0) return got;
  // The purpose is bound by the prologue; the two bytes in clear only help whoever reads a recording.
  if (load<u8>(body) != purpose || step != peer.step) return fail(-REASON_MALFORMED);
  if (step == 1) return got == 0 ? write(2, writePayload(false), out) : fail(-REASON_MALFORMED);
  const status = check(<u32>got, step == 3);
  memory.fill(payload, 0, HANDSHAKE_PAYLOAD_BYTES_MAX);
  if (status < 0) return fail(status);
  return step == 2 ? write(3, writePayload(true), out) : 0;
}

function fail(error: i32): i32 {
  establishEnd();
  return error;
}

function write(step: u32, payloadLength: i32, out: usize): i32 {
  if (payloadLength < 0) return fail(payloadLength);
  store<u8>(out, <u8>purpose);
  store<u8>(out, <u8>step, 1);
  const length = handshakeWrite(peer, payload, payloadLength, out + HEADER_BYTES, HANDSHAKE_BYTES_MAX);
  return length < 0 ? fail(length) : length + HEADER_BYTES;
}

/** [1, chain, date, list version] and, in message 3, R of the own agent or null. */
function writePayload(last: bool): i32 {
  writer.begin(payload, HANDSHAKE_PAYLOAD_BYTES_MAX);
  writer.array(last ? 5 : 4);
  writer.uint(PROTOCOL_SPOKEN);
  writer.bytes(elementChain(), elementChainLength());
  writer.uint(clockNow());
  ownVersion = badIdsVersion();
  writer.uint(ownVersion);
  if (last) {
    if (hasOwnR) writer.bytes(ownR, 32);
    else writer.nil();
  }
  return writer.finish();
}

/** Everything an end checks of the other. */
function check(length: u32, last: bool): i32 {
  reader.begin(payload, length);
  reader.arrayOf(last ? 5 : 4);
  const version = reader.uint();
  const chain = reader.bytes(1, CHAIN_BYTES_MAX);
  const chainLength = reader.length;
  const date = reader.uint();
  peerVersion = reader.uint();
  if (last && !reader.isNil()) {
    memory.copy(peerR, reader.fixed(32), 32);
    hasPeerR = true;
  }
  if (reader.finish() < 0) return -REASON_MALFORMED;
  if (version != PROTOCOL_SPOKEN) return -REASON_VERSION;
  const own = elementTree();
  const tree = purpose != PURPOSE_PAIRING ? own : own == TREE_AGENTS ? TREE_MODULES : TREE_AGENTS;
  const timely = purpose == PURPOSE_TRANSACTION;
  const now = timely ? clockNow() : 0;
  const status = chainVerify(chain, chainLength, rootId(tree), rootKey(tree), tree, now, peerCertificate);
  if (status < 0) return status;
  const a = isInitiator() ? elementRole() : peerCertificate.role;
  const b = isInitiator() ? peerCertificate.role : elementRole();
  if (!mayMeet(a, b, purpose)) return -REASON_WRONG_ROLE;
  if (!equal(sessionRemoteStatic(peer), peerCertificate.agreementKey, KEY_BYTES)) return -REASON_KEY_MISMATCH;
  if (!timely) return 0;
  const listed = peerListed();
  if (listed < 0) return listed;
  const apart = date > now ? date - now : now - date;
  return apart > <u64>CLOCK_SKEW_SECONDS_MAX ? -REASON_CLOCK_SKEW : 0;
}

/** 0, or -REASON_BAD_ID when the peer or its security server is on the list. */
export function peerListed(): i32 {
  const listed = badIdsCheck(peerCertificate.id);
  return listed < 0 ? listed : badIdsCheck(peerCertificate.issuer);
}
