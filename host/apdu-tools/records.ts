/** Records of READ RECORD, file by file: one CBOR array each (docs/APDU.md). */

import * as p from "../../firmware/protocol/apdu.js";
import { TICKET_CREDIT_CARD, TICKET_DEBIT_CARD, TICKET_RECEIPT } from "../../firmware/protocol/messages.js";
import type { AppletName } from "../applets.js";
import { type Field, fields } from "./values.js";

export interface RecordFile {
  readonly file: number;
  /** Behind READ RECORD. */
  readonly name: string;
  readonly meaning: string;
  readonly applets: readonly AppletName[];
  readonly fields: readonly Field[];
}

const TICKET_HEAD = "type: ticket-type, issuer name: text, expiry: seconds";

export const RECORD_FILES: readonly RecordFile[] = [
  {
    file: p.FILE_LOG,
    name: "log",
    meaning: "transactions, the newest first",
    applets: ["money-module", "trusted-agent"],
    fields: fields(
      "sequence, kind: log-kind, date: seconds, peer id: id, currency: currency, exponent: exponent, amount: amount, " +
        "pay-id: hash, outcome: outcome, detail",
    ),
  },
  {
    file: p.FILE_NOTES,
    name: "notes",
    meaning: "the notes in a money module",
    applets: ["money-module"],
    fields: fields(
      "note id: id, currency: currency, exponent: exponent, amount: amount, expiry: seconds, " +
        "final redemption: seconds, hops, state: note-state, place, why it rests: rests",
    ),
  },
  {
    file: p.FILE_TICKETS,
    name: "tickets",
    meaning: "credentials, cards and receipts, account numbers masked",
    applets: ["trusted-agent"],
    fields: fields(TICKET_HEAD),
  },
  {
    file: p.FILE_PURSES,
    name: "purses",
    meaning: "the purses in a chip, all but their keys",
    applets: ["purse"],
    fields: fields(
      "slot, state: purse-state, nonce: id, purse id: id, issuer id: id, seller id: id, purse kind: purse-kind, " +
        "currency: currency, exponent: exponent, [value; count; next]...: any, spend by: seconds, redeem by: seconds, " +
        "assertion: memo, allowance: amount, hash of the open order: hash, revealed for it: amount, holders, index",
    ),
  },
];

const CREDENTIAL = fields(`${TICKET_HEAD}, name: text, valid until: seconds`);
const CARD = fields(
  `${TICKET_HEAD}, bank id: text, account (masked): text, valid from: seconds, valid until: seconds, holder: text`,
);
const RECEIPT = fields(
  `${TICKET_HEAD}, bank id: text, account (masked): text, transaction: transaction-type, authorization amount: amount, ` +
    "account currency: currency, account exponent: exponent, amount: amount, currency: currency, exponent: exponent, " +
    "fee: amount, rate numerator: amount, rate denominator: amount, date: seconds",
);

/** Fields of a ticket's record, by its type. */
export function ticketFields(type: number): readonly Field[] {
  if (type === TICKET_CREDIT_CARD || type === TICKET_DEBIT_CARD) return CARD;
  return type === TICKET_RECEIPT ? RECEIPT : CREDENTIAL;
}

export function recordFile(file: number): RecordFile | undefined {
  return RECORD_FILES.find((each) => each.file === file);
}
