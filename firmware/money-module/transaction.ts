/**
 * The transaction that is under way: one at a time. All of it is volatile; what must survive is in the store (pending.ts,
 * note-directory.ts).
 *
 *     state                payer                                payee
 *     IDLE                 no transaction
 *     HANDSHAKE            session being established (fig. 14)
 *     LISTS                responder: awaits LIST, when the two ends told different versions of the bad-id list
 *     ACKNOWLEDGE          initiator: awaits message 4, and before it perhaps LIST
 *     LISTENING            responder without agent: awaits PROPOSE or REQUEST
 *     PROPOSAL             -                                    awaits PROPOSE (via agent, or after INCORRECT)
 *     PROMPT               awaits amount or consent             awaits consent (604-616)
 *     NEW_AMOUNT           awaits another amount (618-622)      -
 *     PROPOSED             awaits AMOUNT CORRECT (624)          -
 *     SENDING              offered; awaits NEXT or READY        -
 *     RECEIVING            -                                    awaits NOTE
 *     DOUBT                -                                    READY sent, awaits KEY (1706)
 *     COMMITTED            KEY sent, awaits CONFIRM             -
 *     OUTCOME_OPEN, OUTCOME_ANSWER   outcome session: awaits ANSWER, awaits OPEN or CLOSE
 *     ENDED                over; only repeats are answered
 */

import { MEMO_BYTES_MAX } from "../protocol/limits";

export const IDLE: u32 = 0;
export const HANDSHAKE: u32 = 1;
export const ACKNOWLEDGE: u32 = 2;
export const LISTENING: u32 = 3;
export const PROPOSAL: u32 = 4;
export const PROMPT: u32 = 5;
export const NEW_AMOUNT: u32 = 6;
export const PROPOSED: u32 = 7;
export const SENDING: u32 = 8;
export const RECEIVING: u32 = 9;
export const DOUBT: u32 = 10;
export const COMMITTED: u32 = 11;
export const OUTCOME_OPEN: u32 = 12;
export const OUTCOME_ANSWER: u32 = 13;
export const OUTCOME_CLOSE: u32 = 14;
export const ENDED: u32 = 15;
export const LISTS: u32 = 16;

/** What the host ordered. */
export const ORDER_NONE: u32 = 0;
export const ORDER_PAY: u32 = 1; // as initiator, an amount of its own
export const ORDER_PAY_REQUESTED: u32 = 2; // as initiator, what the payee states
export const ORDER_REQUEST: u32 = 3; // as responder, as payee, an amount of its own
export const ORDER_WITHDRAW: u32 = 4; // as initiator, as payee
export const ORDER_LISTEN: u32 = 5; // as responder, whatever the initiator wants
export const ORDER_AGENT: u32 = 6; // Make or Receive Payment of the own agent
export const ORDER_OUTCOME: u32 = 7;
export const ORDER_PAY_NOTES: u32 = 8; // as initiator, to a teller, notes that the host named


@unmanaged
export class Transaction {
  state: u32;
  order: u32;
  viaAgent: u32;
  payer: u32;
  amount: u64;
  currency: u32;
  exponent: u32;
  memoLength: u32;
  /** Notes in the packet, and the one under way, from 0. */
  count: u32;
  index: u32;
  /** Index of the pending record, once there is one. */
  pending: u32;
  /** Queries since the last accepted message. */
  queries: u32;
  /** 1 when this end, as initiator, has answered LIST. */
  listed: u32;
  /** Payee: what came so far, and the last counter seen. */
  received: u64;
  lastCounter: u64;
}

export const t = changetype<Transaction>(memory.data(offsetof<Transaction>(), 8));
/** Hash of the MM/MM handshake, once the session is open. */
export const payId = memory.data(32, 8);
export const lock = memory.data(32, 8);
export const memo = memory.data(32, 8);
export const agentsHash = memory.data(32, 8);
export const agentR = memory.data(32, 8);
/** Places of the provisional notes of this packet. */
export const places = memory.data(8, 8);

export function transactionClear(): void {
  memory.fill(changetype<usize>(t), 0, offsetof<Transaction>());
  memory.fill(payId, 0, 32);
  memory.fill(lock, 0, 32);
  memory.fill(memo, 0, 32);
  memory.fill(agentsHash, 0, 32);
  memory.fill(agentR, 0, 32);
}

/** No transaction, or one that is over. */
export function isFree(): bool {
  return t.state == IDLE || t.state == ENDED;
}

export function setMemo(bytes: usize, length: u32): void {
  assert(length <= <u32>MEMO_BYTES_MAX);
  memory.copy(memo, bytes, length);
  t.memoLength = length;
}
