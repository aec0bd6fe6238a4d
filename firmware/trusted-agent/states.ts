/**
 * What an agent is doing, and which message it then takes. Everything that is not in this table is refused and changes
 * nothing.
 *
 *     state                  from peer               from module                        from host
 *     IDLE                   -                       ABORTED (ignored)                  BUY SELL SERVE ACQUIRE ISSUE
 *                                                                                       SETTLE CREATE_OWN
 *     OPENING                handshake, refusal      -                                  -
 *     ACKNOWLEDGE            ACKNOWLEDGE, refusal    -                                  -
 *   customer, fig. 7 and 10
 *     CREDENTIAL             CREDENTIAL              -                                  -
 *     CONFIRM_MERCHANT       -                       -                                  YES NO
 *     AMOUNT                 -                       -                                  AMOUNT_WANTED NO
 *     CARD_REQUEST           REQUEST_CARD            -                                  -
 *     CHOOSE                 -                       -                                  CHOOSE NO
 *     RECEIPT                RECEIPT                 -                                  -
 *     CONFIRM_RECEIPT        -                       -                                  YES NO
 *     AUTHORIZATION          AUTHORIZED (sale)       -                                  -
 *                            PAYMENT (purchase)
 *   merchant, fig. 7 and 10
 *     CREDENTIAL_REQUEST     REQUEST_CREDENTIAL      -                                  -
 *     AMOUNT_TOLD            AMOUNT                  -                                  -
 *     FUNDS_LINK             -                       LINK_OPEN                          -
 *     FUNDS_ANSWER           -                       FUNDS_ANSWER ABORTED               -
 *     FUNDING                -                       -                                  FUNDED NO
 *     CARD                   CARD                    -                                  -
 *     TERMS                  -                       -                                  TERMS NO
 *     RECEIPT_ACKNOWLEDGE    RECEIPT_ACKNOWLEDGE     -                                  -
 *     AUTHORIZE              -                       -                                  AUTHORIZED DECLINED
 *   payment, fig. 12
 *     PAYMENT                PAYMENT                 -                                  -
 *     PAYMENT_READY          PAYMENT_READY           -                                  -
 *     FIRST_INNER            INNER                   -                                  -
 *     PAYMENT_LINK           -                       LINK_OPEN                          -
 *     PAYMENT_START          -                       INNER ABORTED                      -
 *     MODULES                INNER                   INNER READY VERIFY SUCCESS         -
 *                                                    ABORTED ANSWER
 *     CONFIRM (payer)        INNER                   -                                  as IDLE
 *     ABORTING               -                       SUCCESS ABORTED ANSWER             -
 *   credentials
 *     DELIVER                DELIVER                 -                                  -
 *     ACQUIRE                ACQUIRE                 -                                  -
 *     GRANT                  -                       -                                  GRANT NO
 *     DELIVERED              DELIVERED               -                                  -
 *   settling
 *     SETTLE_LINK            -                       LINK_OPEN                          -
 *     SETTLE_ANSWER          -                       ANSWER                             -
 *
 * Beside these: ABORT from the peer while a session is open, CANCEL from the host in every state but IDLE; and when nothing
 * is under way, AUTHORIZED and DECLINED for a transaction that was closed while the card network was asked, and REPORT.
 */

import * as M from "../protocol/messages";
import { TYPE_PURCHASE, TYPE_SALE } from "../protocol/messages";

export const STATE_IDLE: i32 = 0;
export const STATE_OPENING: i32 = 1;
export const STATE_ACKNOWLEDGE: i32 = 2;
export const STATE_CREDENTIAL: i32 = 10;
export const STATE_CONFIRM_MERCHANT: i32 = 11;
export const STATE_AMOUNT: i32 = 12;
export const STATE_CARD_REQUEST: i32 = 13;
export const STATE_CHOOSE: i32 = 14;
export const STATE_RECEIPT: i32 = 15;
export const STATE_CONFIRM_RECEIPT: i32 = 16;
export const STATE_AUTHORIZATION: i32 = 17;
export const STATE_CREDENTIAL_REQUEST: i32 = 20;
export const STATE_AMOUNT_TOLD: i32 = 21;
export const STATE_FUNDS_LINK: i32 = 22;
export const STATE_FUNDS_ANSWER: i32 = 23;
export const STATE_FUNDING: i32 = 24;
export const STATE_CARD: i32 = 25;
export const STATE_TERMS: i32 = 26;
export const STATE_RECEIPT_ACKNOWLEDGE: i32 = 27;
export const STATE_AUTHORIZE: i32 = 28;
export const STATE_PAYMENT: i32 = 30;
export const STATE_PAYMENT_READY: i32 = 31;
export const STATE_FIRST_INNER: i32 = 32;
export const STATE_PAYMENT_LINK: i32 = 33;
export const STATE_PAYMENT_START: i32 = 34;
export const STATE_MODULES: i32 = 35;
export const STATE_CONFIRM: i32 = 36;
export const STATE_ABORTING: i32 = 37;
export const STATE_DELIVER: i32 = 40;
export const STATE_ACQUIRE: i32 = 41;
export const STATE_GRANT: i32 = 42;
export const STATE_DELIVERED: i32 = 43;
export const STATE_SETTLE_LINK: i32 = 50;
export const STATE_SETTLE_ANSWER: i32 = 51;

/** The one state variable of the applet. */
let state: i32 = 0;

export function stateNow(): i32 {
  return state;
}

export function stateSet(next: i32): void {
  state = next;
}

/** Nothing is under way: a payer that has committed and only routes the confirmation may start anew. */
export function isFree(): bool {
  return state == STATE_IDLE || state == STATE_CONFIRM;
}

/** A peer's session is in use. */
export function inSession(): bool {
  return state >= STATE_OPENING && state < STATE_SETTLE_LINK;
}

/** From the first message about the payment on, the own module may be in a session. */
export function inPayment(): bool {
  return state >= STATE_PAYMENT_LINK && state <= STATE_MODULES;
}

/** Column "from peer". `type`: purchase or sale, where it matters. */
export function peerExpects(number: i32, type: u32): bool {
  if (number == M.AGENT_ABORT) return inSession() && state != STATE_OPENING;
  switch (state) {
    case STATE_ACKNOWLEDGE:
      return number == M.AGENT_ACKNOWLEDGE;
    case STATE_CREDENTIAL:
      return number == M.AGENT_CREDENTIAL;
    case STATE_CARD_REQUEST:
      return number == M.AGENT_REQUEST_CARD;
    case STATE_RECEIPT:
      return number == M.AGENT_RECEIPT;
    case STATE_AUTHORIZATION:
      if (type == TYPE_PURCHASE) return number == M.AGENT_PAYMENT;
      return type == TYPE_SALE && number == M.AGENT_AUTHORIZED;
    case STATE_CREDENTIAL_REQUEST:
      return number == M.AGENT_REQUEST_CREDENTIAL;
    case STATE_AMOUNT_TOLD:
      return number == M.AGENT_AMOUNT;
    case STATE_CARD:
      return number == M.AGENT_CARD;
    case STATE_RECEIPT_ACKNOWLEDGE:
      return number == M.AGENT_RECEIPT_ACKNOWLEDGE;
    case STATE_PAYMENT:
      return number == M.AGENT_PAYMENT;
    case STATE_PAYMENT_READY:
      return number == M.AGENT_PAYMENT_READY;
    case STATE_FIRST_INNER:
    case STATE_MODULES:
    case STATE_CONFIRM:
      return number == M.AGENT_INNER;
    case STATE_DELIVER:
      return number == M.AGENT_DELIVER;
    case STATE_ACQUIRE:
      return number == M.AGENT_ACQUIRE;
    case STATE_DELIVERED:
      return number == M.AGENT_DELIVERED;
    default:
      return false;
  }
}

/** Column "from module"; an answer to LINK_OPEN is asked for by `linkOpenExpected`. */
export function linkExpects(number: i32): bool {
  switch (state) {
    case STATE_FUNDS_ANSWER:
      return number == M.LINK_FUNDS_ANSWER || number == M.LINK_ABORTED;
    case STATE_PAYMENT_START:
      return number == M.LINK_INNER || number == M.LINK_ABORTED;
    case STATE_MODULES:
      return (
        number == M.LINK_INNER ||
        number == M.LINK_READY ||
        number == M.LINK_VERIFY ||
        number == M.LINK_SUCCESS ||
        number == M.LINK_ABORTED ||
        number == M.LINK_ANSWER
      );
    case STATE_ABORTING:
      return number == M.LINK_SUCCESS || number == M.LINK_ABORTED || number == M.LINK_ANSWER;
    case STATE_SETTLE_ANSWER:
      return number == M.LINK_ANSWER;
    default:
      return false;
  }
}

export function linkOpenExpected(): bool {
  return state == STATE_FUNDS_LINK || state == STATE_PAYMENT_LINK || state == STATE_SETTLE_LINK;
}

/** Column "from host", without the commands that the text below the table names. */
export function hostExpects(number: i32): bool {
  switch (state) {
    case STATE_IDLE:
    case STATE_CONFIRM:
      return isOpening(number);
    case STATE_CONFIRM_MERCHANT:
    case STATE_CONFIRM_RECEIPT:
      return number == M.COMMAND_YES || number == M.COMMAND_NO;
    case STATE_AMOUNT:
      return number == M.COMMAND_AMOUNT_WANTED || number == M.COMMAND_NO;
    case STATE_CHOOSE:
      return number == M.COMMAND_CHOOSE || number == M.COMMAND_NO;
    case STATE_FUNDING:
      return number == M.COMMAND_FUNDED || number == M.COMMAND_NO;
    case STATE_TERMS:
      return number == M.COMMAND_TERMS || number == M.COMMAND_NO;
    case STATE_GRANT:
      return number == M.COMMAND_GRANT || number == M.COMMAND_NO;
    default:
      return false;
  }
}

function isOpening(number: i32): bool {
  switch (number) {
    case M.COMMAND_BUY:
    case M.COMMAND_SELL:
    case M.COMMAND_SERVE:
    case M.COMMAND_ACQUIRE:
    case M.COMMAND_ISSUE:
    case M.COMMAND_SETTLE:
    case M.COMMAND_CREATE_OWN:
      return true;
    default:
      return false;
  }
}
