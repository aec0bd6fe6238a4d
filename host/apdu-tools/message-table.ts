/**
 * Messages between a host and an element, by number: commands and notices in envelopes of KIND_HOST, and what follows the
 * number in their CBOR array (firmware/protocol/messages.ts and tokens.ts; docs/PROTOCOLS.md, docs/TOKENS.md).
 */

import * as m from "../../firmware/protocol/messages.js";
import * as t from "../../firmware/protocol/tokens.js";
import type { AppletName } from "../applets.js";
import { type Field, fields } from "./values.js";

export interface Message {
  readonly number: number;
  readonly name: string;
  /** Who hears this command, or says this notice. */
  readonly applets: readonly AppletName[];
  readonly fields: readonly Field[];
  /** Further items may follow. */
  readonly isOpen: boolean;
}

const MODULE: readonly AppletName[] = ["money-module"];
const AGENT: readonly AppletName[] = ["trusted-agent"];
const PURSE: readonly AppletName[] = ["purse"];
const DEVICE: readonly AppletName[] = ["money-module", "trusted-agent"];
const ALL: readonly AppletName[] = ["money-module", "trusted-agent", "purse"];

const MONEY = "amount: amount, currency: currency, exponent: exponent";

/** `what`: the fields; a last "..." says that more may follow. */
function message(number: number, name: string, applets: readonly AppletName[], what = ""): Message {
  const isOpen = what.endsWith("...");
  const closed = what.replace(/,?\s*\.\.\.$/, "");
  return { number, name, applets, fields: closed === "" ? [] : fields(closed), isOpen };
}

export const HOST_COMMANDS: readonly Message[] = [
  message(m.COMMAND_CANCEL, "CANCEL", DEVICE),
  message(m.COMMAND_YES, "YES", DEVICE, "values of the notes: any"),
  message(m.COMMAND_NO, "NO", DEVICE, "reason: reason"),
  message(m.COMMAND_OUTCOME, "OUTCOME", MODULE, "initiator: bool"),
  message(m.COMMAND_LISTEN, "LISTEN", MODULE),
  message(m.COMMAND_PAIR, "PAIR", DEVICE, "initiator: bool"),
  message(m.COMMAND_PAY, "PAY", MODULE, `${MONEY}, memo: memo`),
  message(m.COMMAND_REQUEST, "REQUEST", MODULE, `${MONEY}, memo: memo`),
  message(m.COMMAND_WITHDRAW, "WITHDRAW", MODULE, `${MONEY}, memo: memo`),
  message(m.COMMAND_AMOUNT, "AMOUNT", MODULE, MONEY),
  message(m.COMMAND_REDEEM, "REDEEM", MODULE, "place"),
  message(m.COMMAND_REDEEMED, "REDEEMED", MODULE, "place, note id: id"),
  message(m.COMMAND_FORGET, "FORGET", MODULE, "pay-id: hash"),
  message(m.COMMAND_PAY_NOTES, "PAY NOTES", MODULE, "places: any, memo: memo"),
  message(m.COMMAND_BUY, "BUY", AGENT),
  message(m.COMMAND_SELL, "SELL", AGENT),
  message(m.COMMAND_SERVE, "SERVE", AGENT),
  message(m.COMMAND_AMOUNT_WANTED, "AMOUNT WANTED", AGENT, MONEY),
  message(m.COMMAND_CHOOSE, "CHOOSE", AGENT, "ticket index"),
  message(
    m.COMMAND_TERMS,
    "TERMS",
    AGENT,
    "fee: amount, account currency: currency, account exponent: exponent, rate numerator, rate denominator",
  ),
  message(m.COMMAND_FUNDED, "FUNDED", AGENT),
  message(m.COMMAND_AUTHORIZED, "AUTHORIZED", AGENT, "approval: signed, network chain: chain"),
  message(m.COMMAND_DECLINED, "DECLINED", AGENT, "response code: text, receipt hash: hash"),
  message(m.COMMAND_ACQUIRE, "ACQUIRE", AGENT, "ticket type: ticket-type"),
  message(m.COMMAND_ISSUE, "ISSUE", AGENT),
  message(m.COMMAND_GRANT, "GRANT", AGENT, "receiver expiry: seconds, ..."),
  message(m.COMMAND_SETTLE, "SETTLE", AGENT),
  message(m.COMMAND_CREATE_OWN, "CREATE OWN", AGENT),
  message(m.COMMAND_REPORT, "REPORT", AGENT, "approval hash: hash"),
  message(
    t.COMMAND_PURSE_REQUEST,
    "PURSE REQUEST",
    PURSE,
    "issuer's chain: chain, seller id: id, purse kind: purse-kind, currency: currency, exponent: exponent, " +
      "[value; count]...: any, spend by: seconds, assertion: memo, flush: bool, [joint id; holders; index]: any",
  ),
  message(t.COMMAND_PURSE_REPEAT, "PURSE REPEAT", PURSE, "slot"),
  message(t.COMMAND_PURSE_FORGET, "PURSE FORGET", PURSE, "slot"),
  message(t.COMMAND_PURSE_INSTALL, "PURSE INSTALL", PURSE, "sealed share: sealed"),
  message(t.COMMAND_PURSE_SETTLED, "PURSE SETTLED", PURSE, "slot, notice: signed"),
  message(t.COMMAND_PURSE_CLOSE, "PURSE CLOSE", PURSE, "slot"),
  message(
    t.COMMAND_PURSE_SPEND,
    "PURSE SPEND",
    PURSE,
    "slot, order: bytes, amount: amount, skip, [first token of each denomination]: any",
  ),
  message(t.COMMAND_PURSE_ALLOW, "PURSE ALLOW", PURSE, "slot, amount: amount"),
  message(
    t.COMMAND_PURSE_FIND,
    "PURSE FIND",
    PURSE,
    "seller id: id, purse kind: purse-kind, currency: currency, exponent: exponent, assertion: memo",
  ),
];

export const NOTICES: readonly Message[] = [
  message(m.NOTICE_DONE, "DONE", DEVICE, "pay-id: hash"),
  message(m.NOTICE_ABORTED, "ABORTED", ALL, "reason: reason, by the peer: bool, session: hash"),
  message(m.NOTICE_DOUBT, "DOUBT", MODULE, `pay-id: hash, peer id: id, ${MONEY}`),
  message(m.NOTICE_SETTLED, "SETTLED", MODULE, "committed, aborted, left open"),
  message(m.NOTICE_PAIRED, "PAIRED", DEVICE, "partner id: id"),
  message(m.NOTICE_SESSION, "SESSION", DEVICE, "peer id: id, role: role"),
  message(m.NOTICE_VOID, "VOID", MODULE, "pay-id: hash"),
  message(m.NOTICE_VERIFY, "VERIFY", MODULE, `peer id: id, ${MONEY}, memo: memo`),
  message(m.NOTICE_REQUESTED, "REQUESTED", MODULE, `peer id: id, ${MONEY}, memo: memo`),
  message(m.NOTICE_NEW_AMOUNT, "NEW AMOUNT", MODULE),
  message(m.NOTICE_SENT, "SENT", MODULE, `pay-id: hash, peer id: id, ${MONEY}, memo: memo`),
  message(m.NOTICE_RECEIVED, "RECEIVED", MODULE, `pay-id: hash, peer id: id, ${MONEY}, memo: memo`),
  message(m.NOTICE_REDEEMABLE, "REDEEMABLE", MODULE, `place, note id: id, ${MONEY}, note: bytes, key: key`),
  message(m.NOTICE_REDEEMED, "REDEEMED", MODULE, "place, note id: id"),
  message(m.NOTICE_CONFIRM_MERCHANT, "CONFIRM MERCHANT", AGENT, "merchant: text, credential expiry: seconds"),
  message(m.NOTICE_AMOUNT, "AMOUNT", AGENT),
  message(m.NOTICE_FUNDS, "FUNDS", AGENT, MONEY),
  message(m.NOTICE_CARDS, "CARDS", AGENT, "[index; type; bank id; account; expiry]...: any"),
  message(m.NOTICE_TERMS, "TERMS", AGENT, `type: transaction-type, ${MONEY}, bank id: text, account (masked): text`),
  message(m.NOTICE_CONFIRM_RECEIPT, "CONFIRM RECEIPT", AGENT, "receipt: any"),
  message(
    m.NOTICE_AUTHORIZE,
    "AUTHORIZE",
    AGENT,
    `type: transaction-type, bank id: text, account: text, ${MONEY}, receipt hash: hash, customer id: id, ` +
      "merchant id: id, card expiry: seconds",
  ),
  message(m.NOTICE_OUTCOME, "OUTCOME", AGENT, "approval hash: hash, outcome: signed, agent's chain: chain"),
  message(m.NOTICE_GRANT, "GRANT", AGENT, "requester id: id, role: role, ticket type: ticket-type"),
  message(m.NOTICE_ACQUIRED, "ACQUIRED", AGENT, "ticket index, type: ticket-type"),
  message(m.NOTICE_ISSUED, "ISSUED", AGENT, "requester id: id, ticket type: ticket-type, ticket hash: hash"),
  message(m.NOTICE_PROVISIONAL, "PROVISIONAL", AGENT, "pay-id: hash"),
  message(m.NOTICE_CLOSED, "CLOSED", AGENT, "receipt hash: hash"),
  message(t.NOTICE_PURSE_REQUEST, "PURSE REQUEST", PURSE, "slot, nonce: id, sealed request: sealed"),
  message(t.NOTICE_PURSE_FORGOTTEN, "PURSE FORGOTTEN", PURSE, "slot"),
  message(t.NOTICE_PURSE_INSTALLED, "PURSE INSTALLED", PURSE, "slot, purse id: id"),
  message(t.NOTICE_PURSE_SETTLED, "PURSE SETTLED", PURSE, "slot, purse id: id"),
  message(t.NOTICE_PURSE_CLOSED, "PURSE CLOSED", PURSE, "slot, purse id: id, sealed close: sealed"),
  message(
    t.NOTICE_PURSE_SPENT,
    "PURSE SPENT",
    PURSE,
    "purse id: id, index, amount for this order: amount, [first serial; count]...: any, skip, masked halves: bytes, " +
      "goods key: key",
  ),
  message(t.NOTICE_PURSE_ALLOWED, "PURSE ALLOWED", PURSE, "slot, amount: amount"),
  message(
    t.NOTICE_PURSE_FOUND,
    "PURSE FOUND",
    PURSE,
    "slot, purse id: id, [value; count; next]...: any, allowance: amount",
  ),
];

export function hostCommandNamed(name: string): Message | undefined {
  const wanted = name.toUpperCase();
  return HOST_COMMANDS.find((each) => each.name === wanted);
}
