/**
 * Abort Transaction for money modules (WO 96/41315 fig. 18): roll back, and say so.
 *
 * Where the source lets a payee that has said Ready lose its notes (1728-1738), here it keeps them, in doubt, and tells its
 * owner or bank that there may have been a transfer error. It asks for the outcome when the two meet (outcome.ts).
 */

import { HASH_BYTES } from "../platform/constants";
import { WALLET_NOTES_MAX, PENDING_MAX } from "../protocol/limits";
import { ADDRESS_PEER, KIND_REFUSAL, LINK_ABORTED, LINK_ANSWER, MODULE_ABORT } from "../protocol/messages";
import * as M from "../protocol/messages";
import { noticeBegin, noticeEnd, outboxClose, outboxOpen } from "../lib/envelope";
import { isInitiator, peer, peerCertificate } from "../lib/establish";
import { linkIsOpen } from "../lib/link";
import { logCommitted } from "../lib/log";
import { SESSION_OPEN } from "../lib/noise";
import { storeAbort, storeBegin, storeCommit } from "../lib/store";
import { log } from "./commit";
import { directoryLoad, noteDelete, NOTE_PROVISIONAL, noteTakeRecords, place } from "./note-directory";
import {
  PENDING_DOUBT,
  PENDING_OFFERED,
  pendingDelete,
  pendingItemPlace,
  pendingItems,
  pendingLoad,
  pendingState,
} from "./pending";
import { agentMessage, peerMessage, sealMessage, sendAgent, routeInner } from "./routing";
import { reserveEnd } from "./space";
import * as T from "./transaction";
import { t } from "./transaction";

/**
 * Ends the transaction under way because of `reason`; `byPeer`: the peer said so and need not be told. In doubt, or
 * committed, there is nothing to abort: the session is over and the record stays.
 */
export function abortTransaction(reason: i32, byPeer: bool): i32 {
  storeAbort();
  const state = t.state;
  if (state == T.DOUBT || state == T.COMMITTED) return leave();
  const status = rollBack();
  if (status < 0) return status;
  t.state = T.ENDED;
  // An initiator whose last handshake message has not left is alone in its session: the peer could not open what it seals.
  const alone = state == T.HANDSHAKE && isInitiator();
  // What is over already was told then; after a commit a word of abort would be a lie that the peer believes.
  const over = state == T.IDLE || state == T.ENDED;
  const told = !byPeer && !over && tellPeer(reason, !alone);
  if (t.viaAgent != 0) return tellAgent(reason, told);
  const w = noticeBegin(M.NOTICE_ABORTED, 4);
  w.uint(reason);
  w.bool(byPeer);
  w.nil();
  noticeEnd();
  return told ? routeInner() : 0;
}

/** Ends it likewise, without a word to anybody. */
export function abandonTransaction(): i32 {
  storeAbort();
  const status = t.state == T.DOUBT || t.state == T.COMMITTED ? 0 : rollBack();
  if (status >= 0) t.state = T.ENDED;
  return status;
}

/** Steps 1726, 1750: the store is what it was before, but for log and counter. */
function rollBack(): i32 {
  if (t.state == T.SENDING && pendingLoad(t.pending) && pendingState() == PENDING_OFFERED) {
    const status = abortOffer(t.pending);
    if (status < 0) return status;
  }
  return t.state == T.RECEIVING ? dropProvisional() : 0;
}

/** The loaded record, offered: the notes are whole again, the record is gone. One write. */
export function abortOffer(index: u32): i32 {
  assert(pendingState() == PENDING_OFFERED);
  let status = reserveEnd(1);
  if (status >= 0) status = log(M.LOG_SENT, M.OUTCOME_ABORTED);
  if (status >= 0) status = pendingDelete(index);
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  logCommitted();
  return 0;
}

/** The loaded record, in doubt, and proof that the payer aborted: the notes were void, and go. One write. */
export function dropDoubt(index: u32): i32 {
  assert(pendingState() == PENDING_DOUBT);
  let deletions: u32 = 1;
  for (let i: u32 = 0; i < pendingItems(); i++) deletions += noteTakeRecords(pendingItemPlace(i));
  let status = reserveEnd(deletions);
  for (let i: u32 = 0; i < pendingItems() && status >= 0; i++) status = noteDelete(pendingItemPlace(i));
  if (status >= 0) status = log(M.LOG_RECEIVED, M.OUTCOME_ABORTED);
  if (status >= 0) status = pendingDelete(index);
  if (status >= 0) status = storeCommit();
  if (status < 0) return status;
  logCommitted();
  return directoryLoad();
}

/** Removes provisional notes that no record names: a packet that was never complete. */
export function dropProvisional(): i32 {
  let kept: u64 = 0;
  assert(WALLET_NOTES_MAX <= 64);
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (!pendingLoad(i) || pendingState() != PENDING_DOUBT) continue;
    for (let n: u32 = 0; n < pendingItems(); n++) kept |= (<u64>1) << pendingItemPlace(n);
  }
  for (let i: u32 = 0; i < <u32>WALLET_NOTES_MAX; i++) {
    if (place(i).state != NOTE_PROVISIONAL || ((kept >> i) & 1) != 0) continue;
    let status = storeBegin(0, noteTakeRecords(i));
    if (status >= 0) status = noteDelete(i);
    if (status >= 0) status = storeCommit();
    if (status < 0) return status;
  }
  return directoryLoad();
}

/** Every boot: offers are aborted, packets that were not complete are gone. */
export function recover(): i32 {
  for (let i: u32 = 0; i < <u32>PENDING_MAX; i++) {
    if (!pendingLoad(i) || pendingState() != PENDING_OFFERED) continue;
    const status = abortOffer(i);
    if (status < 0) return status;
  }
  return dropProvisional();
}

/** Steps 1746-1748: seals the word for the peer if there is a session to say it in; in clear before. */
function tellPeer(reason: i32, sealed: bool): bool {
  if (sealed && peer.state == SESSION_OPEN) {
    peerMessage(MODULE_ABORT, 2).uint(reason);
    return sealMessage() == 0;
  }
  if (t.viaAgent != 0) return false;
  store<u8>(outboxOpen(ADDRESS_PEER, KIND_REFUSAL), <u8>reason);
  outboxClose(1);
  return false;
}

function tellAgent(reason: i32, withInner: bool): i32 {
  if (!linkIsOpen()) return 0;
  const w = agentMessage(LINK_ABORTED, 4);
  w.nil();
  w.uint(reason);
  if (!withInner) w.nil();
  return sendAgent(withInner);
}

/** In doubt: the owner, the agent or the bank must know (1734-1742). Committed: only the confirmation is missing. */
function leave(): i32 {
  const inDoubt = t.state == T.DOUBT;
  t.state = T.ENDED;
  if (t.viaAgent != 0) {
    if (!linkIsOpen()) return 0;
    const w = agentMessage(LINK_ANSWER, 3);
    w.bytes(T.payId, HASH_BYTES);
    w.uint(inDoubt ? M.OUTCOME_DOUBT : M.OUTCOME_COMMITTED);
    return sendAgent(false);
  }
  const w = noticeBegin(inDoubt ? M.NOTICE_DOUBT : M.NOTICE_DONE, inDoubt ? 6 : 2);
  w.bytes(T.payId, HASH_BYTES);
  if (inDoubt) {
    w.bytes(peerCertificate.id, 16);
    w.uint(t.amount);
    w.uint(t.currency);
    w.uint(t.exponent);
  }
  noticeEnd();
  return 0;
}
