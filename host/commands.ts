/** Commands of the host to an element, as the bytes of the envelope that carries them (firmware/protocol/messages.ts). */

import * as m from "../firmware/protocol/messages.js";
import { type CborValue, encode } from "./codec/cbor.js";
import type { Money, Unit } from "./units.js";

/** An envelope from the host: address, kind, message. */
export function hostEnvelope(...message: CborValue[]): Uint8Array {
  const body = encode(message);
  const envelope = new Uint8Array(body.length + 2);
  envelope[0] = m.ADDRESS_HOST;
  envelope[1] = m.KIND_HOST;
  envelope.set(body, 2);
  return envelope;
}

/** The host's word that the reply has not come. */
export function timeoutEnvelope(): Uint8Array {
  return Uint8Array.of(m.ADDRESS_HOST, m.KIND_TIMEOUT);
}

function unit(of: Unit): [number, number] {
  return [of.currency, of.exponent];
}

function money(of: Money): [bigint, number, number] {
  return [of.amount, ...unit(of.unit)];
}

export const command = {
  cancel: () => hostEnvelope(m.COMMAND_CANCEL),
  yes: () => hostEnvelope(m.COMMAND_YES),
  /** Generator: yes, with notes of these values. */
  yesWithNotes: (values: readonly bigint[]) => hostEnvelope(m.COMMAND_YES, values),
  no: (reason: number) => hostEnvelope(m.COMMAND_NO, reason),
  outcome: (initiator: boolean) => hostEnvelope(m.COMMAND_OUTCOME, initiator),
  listen: () => hostEnvelope(m.COMMAND_LISTEN),
  pair: (initiator: boolean) => hostEnvelope(m.COMMAND_PAIR, initiator),

  pay: (amount: Money, memo: Uint8Array | null) => hostEnvelope(m.COMMAND_PAY, ...money(amount), memo),
  /** Pays what the payee will state. */
  payRequested: () => hostEnvelope(m.COMMAND_PAY),
  request: (amount: Money, memo: Uint8Array | null) => hostEnvelope(m.COMMAND_REQUEST, ...money(amount), memo),
  withdraw: (amount: Money, memo: Uint8Array | null) => hostEnvelope(m.COMMAND_WITHDRAW, ...money(amount), memo),
  amount: (amount: Money) => hostEnvelope(m.COMMAND_AMOUNT, ...money(amount)),
  redeem: (place: number) => hostEnvelope(m.COMMAND_REDEEM, place),
  redeemed: (place: number, noteId: Uint8Array) => hostEnvelope(m.COMMAND_REDEEMED, place, noteId),
  forget: (payId: Uint8Array) => hostEnvelope(m.COMMAND_FORGET, payId),
  /** Pays the notes at these places whole, to a teller. */
  payNotes: (places: readonly number[], memo: Uint8Array | null) =>
    hostEnvelope(
      m.COMMAND_PAY_NOTES,
      [...places].sort((a, b) => a - b),
      memo,
    ),

  buy: () => hostEnvelope(m.COMMAND_BUY),
  sell: () => hostEnvelope(m.COMMAND_SELL),
  serve: () => hostEnvelope(m.COMMAND_SERVE),
  amountWanted: (amount: Money) => hostEnvelope(m.COMMAND_AMOUNT_WANTED, ...money(amount)),
  choose: (ticketIndex: number) => hostEnvelope(m.COMMAND_CHOOSE, ticketIndex),
  terms: (fee: bigint, accountUnit: Unit, numerator: bigint, denominator: bigint) =>
    hostEnvelope(m.COMMAND_TERMS, fee, ...unit(accountUnit), numerator, denominator),
  funded: () => hostEnvelope(m.COMMAND_FUNDED),
  authorized: (approval: Uint8Array, networkChain: Uint8Array) =>
    hostEnvelope(m.COMMAND_AUTHORIZED, approval, networkChain),
  declined: (responseCode: string, receiptHash: Uint8Array) =>
    hostEnvelope(m.COMMAND_DECLINED, responseCode, receiptHash),
  acquire: (ticketType: number) => hostEnvelope(m.COMMAND_ACQUIRE, ticketType),
  issue: () => hostEnvelope(m.COMMAND_ISSUE),
  grant: (expiry_seconds: number, components: readonly CborValue[]) =>
    hostEnvelope(m.COMMAND_GRANT, expiry_seconds, ...components),
  settle: () => hostEnvelope(m.COMMAND_SETTLE),
  createOwn: () => hostEnvelope(m.COMMAND_CREATE_OWN),
  report: (approvalHash: Uint8Array) => hostEnvelope(m.COMMAND_REPORT, approvalHash),
} as const;
