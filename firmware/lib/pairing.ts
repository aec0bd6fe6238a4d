/**
 * Pairing: a trusted agent and a money module become one transaction device. Once, during personalisation, by a Noise
 * session between both certificates (the one place where an element accepts the other tree):
 *
 *     agent  1 ->            module
 *            <- 2
 *            3 ->            stores secret and partner, tells its host
 *            <- sealed word  stores secret and partner, tells its host
 *
 * The secret is exported from the session; nobody else can know it. Should the last word get lost the module is paired
 * and the agent not: the host starts again, which replaces the secret at both.
 */

import { KEY_BYTES, TAG_BYTES } from "../platform/constants";
import { LIFE_PERSONALISED } from "../protocol/apdu";
import { PURPOSE_PAIRING, TREE_AGENTS } from "../protocol/kinds";
import { ID_BYTES } from "../protocol/limits";
import { ADDRESS_AGENT, ADDRESS_MODULE, KIND_HANDSHAKE, KIND_SEALED, NOTICE_PAIRED } from "../protocol/messages";
import { REASON_BAD_SEAL, REASON_NOT_PERMITTED } from "../protocol/reasons";
import { noticeBegin, noticeEnd, outboxAdd, outboxCapacity, outboxClear, outboxClose, outboxOpen } from "./envelope";
import { establishEnd, establishExpect, establishStart, establishTake, peer, peerCertificate } from "./establish";
import { elementTree, lifeState } from "./identity";
import { IO } from "./io";
import { wipe } from "./memory";
import { SESSION_OPEN, sessionExport, sessionOpen, sessionSeal } from "./noise";
import { partnerId, partnerSet } from "./partner";
import { personalisationOpen } from "./personalise";

/** "pairing" */
const INFO = memory.data<u8>([0x70, 0x61, 0x69, 0x72, 0x69, 0x6e, 0x67]);
const INFO_BYTES: u32 = 7;
/** The module's last word says nothing but that its seal is right. */
const WORD_BYTES: u32 = 1;

const secret = memory.data(32, 8);
const word = memory.data(8, 8);

/** COMMAND_PAIR: the agent starts, the module waits. Both only while personalisation is open. */
export function pairBegin(): i32 {
  if (lifeState() != LIFE_PERSONALISED || !personalisationOpen()) return -REASON_NOT_PERMITTED;
  outboxClear();
  if (elementTree() != TREE_AGENTS) return establishExpect(PURPOSE_PAIRING, 0);
  const length = establishStart(PURPOSE_PAIRING, 0, outboxOpen(ADDRESS_MODULE, KIND_HANDSHAKE));
  if (length > 0) outboxClose(length);
  return length;
}

/** A KIND_HANDSHAKE envelope from the partner. */
export function pairTake(body: usize, length: u32): i32 {
  // Written aside first: a repeat must find the outbox as it was.
  const answer = establishTake(body, length, IO);
  if (answer < 0) return answer;
  outboxClear();
  const partner = elementTree() == TREE_AGENTS ? ADDRESS_MODULE : ADDRESS_AGENT;
  if (answer > 0) outboxAdd(partner, KIND_HANDSHAKE, IO, answer);
  if (peer.state != SESSION_OPEN) return 0;
  const status = sessionExport(peer, INFO, INFO_BYTES, secret);
  if (status < 0 || elementTree() == TREE_AGENTS) return status;
  return moduleDone();
}

/** The module has all it needs: keep it, then say so. */
function moduleDone(): i32 {
  const status = keep();
  if (status < 0) return status;
  const out = outboxOpen(ADDRESS_AGENT, KIND_SEALED);
  store<u8>(word, 0);
  const length = sessionSeal(peer, word, WORD_BYTES, out, outboxCapacity());
  if (length < 0) return length;
  outboxClose(length);
  tell();
  return 0;
}

/** The module's last word, at the agent. */
export function pairTakeWord(body: usize, length: u32): i32 {
  if (length != WORD_BYTES + TAG_BYTES) return -REASON_BAD_SEAL;
  let status = sessionOpen(peer, body, length, body, WORD_BYTES);
  if (status < 0) return status;
  outboxClear();
  status = keep();
  if (status < 0) return status;
  tell();
  return 0;
}

function keep(): i32 {
  const status = partnerSet(peerCertificate.id, secret);
  wipe(secret, KEY_BYTES);
  return status;
}

/** The session stays until the next one starts, so that a repeat of message 3 is known and answered. */
function tell(): void {
  const w = noticeBegin(NOTICE_PAIRED, 2);
  w.bytes(partnerId(), ID_BYTES);
  noticeEnd();
}

/** Whether a handshake with the partner is under way that may still end: not after personalisation was closed. */
export function isPairing(purpose: i32): bool {
  return purpose == PURPOSE_PAIRING && lifeState() == LIFE_PERSONALISED;
}

export function pairEnd(): void {
  wipe(secret, KEY_BYTES);
  establishEnd();
}
