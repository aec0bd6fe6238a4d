/** Signed things of every sort, made of keys that are numbers: what parsers are first given. */

import {
  ROLE_AUTHORITY,
  ROLE_CUSTOMER,
  ROLE_MERCHANT,
  ROLE_NETWORK,
  ROLE_TELLER,
} from "../../firmware/protocol/kinds.js";
import {
  TICKET_DEBIT_CARD,
  TICKET_MERCHANT_CREDENTIAL,
  TICKET_RECEIPT,
  TYPE_PURCHASE,
} from "../../firmware/protocol/messages.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { counterProof } from "../../host/codec/fraud-proof.js";
import { buildNote, readNote, verifyNote } from "../../host/codec/note.js";
import { signApproval, signOutcome } from "../../host/codec/receipt.js";
import { issueTicket } from "../../host/codec/ticket.js";
import { Agency, NOW } from "../support/agencies.js";
import { DRAFT, ModuleAgency, transfersAlong } from "../support/note-makers.js";

export function makeSamples() {
  const agents = new Agency();
  const modules = new ModuleAgency();
  const authority = agents.agent({ fill: 1, role: ROLE_AUTHORITY, name: "Registry" });
  const merchant = agents.agent({ fill: 2, role: ROLE_MERCHANT });
  const customer = agents.agent({ fill: 3, role: ROLE_CUSTOMER });
  const network = agents.agent({ fill: 4, role: ROLE_NETWORK, name: "Network" });
  const unit = { currency: 840, exponent: 2 };
  const draft = { issuerName: "Registry", issuerExpiry: NOW + 10_000, receiverExpiry: NOW + 10_000, date: NOW - 1000 };
  const card = {
    bank: "First Bank",
    account: "4000123412341234",
    validFrom: NOW - 10,
    expiry: NOW + 10,
    customer: "A",
  };
  const receipt = {
    ...{ bank: card.bank, account: card.account, type: TYPE_PURCHASE, authorization: 1050n, accountUnit: unit },
    ...{
      amount: 1000n,
      unit,
      fee: 50n,
      rate: { numerator: 1, denominator: 1 },
      date: NOW,
      session: new Uint8Array(32),
    },
  };
  const tickets = [
    issueTicket(
      {
        ...draft,
        type: TICKET_MERCHANT_CREDENTIAL,
        receiver: merchant.id,
        components: { kind: "credential", credential: { name: "Shop", expiry: NOW + 10 } },
      },
      authority,
    ),
    issueTicket(
      { ...draft, type: TICKET_DEBIT_CARD, receiver: customer.id, components: { kind: "card", card } },
      authority,
    ),
    issueTicket(
      {
        ...draft,
        issuerName: "Shop",
        type: TICKET_RECEIPT,
        receiver: customer.id,
        components: { kind: "receipt", receipt },
      },
      merchant,
    ),
  ];
  const hash = new Uint8Array(32).fill(7);
  const approval = signApproval(
    {
      receiptHash: hash,
      bank: card.bank,
      account: card.account,
      type: TYPE_PURCHASE,
      authorization: 1050n,
      accountUnit: unit,
      stan: 1,
      date: NOW,
      lastDay: NOW + 86_400,
    },
    network.signer,
  );
  const outcome = signOutcome({ approvalHash: hash, reference: hash, referenceKind: 1, outcome: 1 }, customer.signer);
  const generator = modules.generator(1);
  const row = [
    generator,
    modules.module({ fill: 2, role: ROLE_TELLER }),
    modules.module({ fill: 3 }),
    modules.module({ fill: 4 }),
  ];
  const note = buildNote(DRAFT, generator, transfersAlong(row));
  const longer = buildNote(
    DRAFT,
    generator,
    transfersAlong([...row, row[2] as (typeof row)[number], row[3] as (typeof row)[number]]),
  );
  return { agents, modules, merchant, customer, network, tickets, approval, outcome, note, longer, receipt };
}

export type Samples = ReturnType<typeof makeSamples>;

export function proofsOf({ note, longer, modules }: Samples): Uint8Array[] {
  const opened = [note, longer].map((bytes) => {
    const read = readNote(bytes);
    const entry = read.entries[1] as (typeof read.entries)[number];
    const { chains } = verifyNote(read, modules.root, { now: undefined });
    return { record: entry.record, key: entry.key ?? new Uint8Array(32), chain: chains[1] as Uint8Array };
  });
  return [counterProof(opened[0] as (typeof opened)[number], opened[1] as (typeof opened)[number])];
}

const CBOR_VALUES: readonly CborValue[] = [
  [
    1,
    "a",
    null,
    true,
    [2n ** 63n, -5],
    new Map<number, CborValue>([
      [1, new Uint8Array(3)],
      [-1, "é"],
    ]),
  ],
  [],
  0,
  "text",
  new Uint8Array(300),
];
export const CBOR_SAMPLES = CBOR_VALUES.map(encode);
