/**
 * A typed client of a purse: one method for each of its commands (docs/TOKENS.md, docs/APDU.md). What a purse
 * understands and refuses is a ReasonError; a status word otherwise. An answer that was lost is asked for again by
 * Element.
 */

import * as p from "../../../firmware/protocol/apdu.js";
import { ADDRESS_HOST, KIND_HOST } from "../../../firmware/protocol/messages.js";
import { REASON_NOT_FOUND } from "../../../firmware/protocol/reasons.js";
import * as t from "../../../firmware/protocol/tokens.js";
import { concatBytes, equalBytes } from "../../codec/bytes.js";
import type { CborValue } from "../../codec/cbor.js";
import { CodecError } from "../../codec/errors.js";
import type { Fields } from "../../codec/read.js";
import { hostEnvelope } from "../../commands.js";
import type { Element } from "../../element.js";
import { ReasonError } from "../../reasons.js";
import type { Unit } from "../../units.js";
import type { JointPurse } from "../messages/request.js";
import { type Denomination, rangesCount } from "../terms.js";
import {
  type ClosedPurse,
  type FoundPurse,
  type InstalledPurse,
  noticeOf,
  type PurseRecord,
  readAllowed,
  readClosed,
  readFound,
  readInstalled,
  readPurseRecord,
  readSentRequest,
  readSlot,
  readSpent,
  type SentRequest,
  type SpentPage,
  type SpentTokens,
} from "./card-data.js";

/** Tokens that a purse shall ask for (EP 0 833 285 A2 fig. 2, step 102). */
export interface PurseOrder {
  /** Chain of the issuer's certificate: role mint, in the agents' tree. */
  readonly issuerChain: Uint8Array;
  /** 16 bytes. */
  readonly seller: Uint8Array;
  /** PURSE_MONEY or PURSE_AUTHORIZATION. */
  readonly kind: number;
  readonly unit: Unit;
  /** Values rising. */
  readonly denominations: readonly Denomination[];
  readonly spendBy_seconds: number;
  /** Of an authorization purse. */
  readonly assertion?: string;
  /** Close the open purse of the same pair and have the issuer take it back. */
  readonly flush?: boolean;
  readonly joint?: JointPurse;
}

export interface SpendOptions {
  /**
   * The first token of each denomination, from 0 within it, none before the purse's `next`: for a joint purse whose
   * holders got out of step. What is skipped is never revealed. Only for an order that is new to the purse.
   */
  readonly firsts?: readonly number[];
}

export class PurseCard {
  constructor(readonly element: Element) {}

  /** Stores the request in the chip, then says it. */
  async request(order: PurseOrder): Promise<SentRequest> {
    const { joint, unit } = order;
    const fields = await this.#command(
      t.NOTICE_PURSE_REQUEST,
      t.COMMAND_PURSE_REQUEST,
      order.issuerChain,
      order.seller,
      order.kind,
      unit.currency,
      unit.exponent,
      order.denominations.map(({ value, count }) => [value, count]),
      order.spendBy_seconds,
      order.assertion ?? null,
      order.flush ?? false,
      joint === undefined ? null : [joint.id, joint.holders, joint.index],
    );
    return readSentRequest(fields);
  }

  /** The same request, sealed anew. */
  async repeat(slot: number): Promise<SentRequest> {
    return readSentRequest(await this.#command(t.NOTICE_PURSE_REQUEST, t.COMMAND_PURSE_REPEAT, slot));
  }

  /** Takes an issuer's sealed share. The same again is installed already, and says so. */
  async install(share: Uint8Array): Promise<InstalledPurse> {
    return readInstalled(await this.#command(t.NOTICE_PURSE_INSTALLED, t.COMMAND_PURSE_INSTALL, share));
  }

  /**
   * Reveals the halves that pay `amount` of an order in all; the same again shows the same halves.
   * @param order its bytes, as the seller has them: they are hashed
   */
  async spend(slot: number, order: Uint8Array, amount: bigint, { firsts }: SpendOptions = {}): Promise<SpentTokens> {
    const first = await this.spendPage(slot, order, amount, 0, firsts);
    const tokens = rangesCount(first.ranges);
    const halves = [first.halves];
    for (let shown = first.halves.length / t.HALF_BYTES; shown < tokens; ) {
      const page = await this.spendPage(slot, order, amount, shown, firsts);
      requireSame(first, page, shown);
      halves.push(page.halves);
      shown += page.halves.length / t.HALF_BYTES;
    }
    const { purse, index, ranges, goodsKey } = first;
    return { purse, index, amount: first.amount, ranges, halves: concatBytes(...halves), goodsKey };
  }

  /** One SPEND: at most HALVES_PER_SPEND_MAX halves of those that the order was paid, from `skip` on. */
  async spendPage(
    slot: number,
    order: Uint8Array,
    amount: bigint,
    skip: number,
    firsts?: readonly number[],
  ): Promise<SpentPage> {
    const page = readSpent(
      await this.#command(t.NOTICE_PURSE_SPENT, t.COMMAND_PURSE_SPEND, slot, order, amount, skip, firsts ?? null),
    );
    const expected = Math.min(rangesCount(page.ranges) - skip, t.HALVES_PER_SPEND_MAX);
    if (page.skip !== skip || page.halves.length !== expected * t.HALF_BYTES)
      throw new CodecError(`spent tokens: ${page.halves.length} bytes of halves, not ${expected} halves`);
    return page;
  }

  /** Lets the purse pay this amount without the PIN; 0 ends that. */
  async allow(slot: number, amount: bigint): Promise<bigint> {
    return readAllowed(await this.#command(t.NOTICE_PURSE_ALLOWED, t.COMMAND_PURSE_ALLOW, slot, amount));
  }

  /** The open purse for a seller; without the PIN only one with an allowance. Undefined when there is none. */
  async find(
    seller: Uint8Array,
    kind: number,
    { currency, exponent }: Unit,
    assertion: string | null = null,
  ): Promise<FoundPurse | undefined> {
    const wanted = [seller, kind, currency, exponent, assertion];
    try {
      return readFound(await this.#command(t.NOTICE_PURSE_FOUND, t.COMMAND_PURSE_FIND, ...wanted));
    } catch (error) {
      if (error instanceof ReasonError && error.reason === REASON_NOT_FOUND) return undefined;
      throw error;
    }
  }

  /** Ends spending, then says how far it went. Again: the same. */
  async close(slot: number): Promise<ClosedPurse> {
    return readClosed(await this.#command(t.NOTICE_PURSE_CLOSED, t.COMMAND_PURSE_CLOSE, slot));
  }

  /** Shows the chip the issuer's notice that the purse was refunded: the chip forgets it. */
  async settled(slot: number, notice: Uint8Array): Promise<InstalledPurse> {
    return readInstalled(await this.#command(t.NOTICE_PURSE_SETTLED, t.COMMAND_PURSE_SETTLED, slot, notice));
  }

  /** Gives up a request that the issuer refused, or a purse that nobody redeems any more. */
  async forget(slot: number): Promise<number> {
    return readSlot(await this.#command(t.NOTICE_PURSE_FORGOTTEN, t.COMMAND_PURSE_FORGET, slot));
  }

  /** Every purse in the chip. */
  async purses(): Promise<PurseRecord[]> {
    return (await this.element.records(p.FILE_PURSES)).map(readPurseRecord);
  }

  /** Items of the one notice that answers a command. */
  async #command(notice: number, ...message: CborValue[]): Promise<Fields> {
    const envelopes = await this.element.deliver(hostEnvelope(...message));
    const [envelope] = envelopes;
    if (envelope === undefined || envelopes.length !== 1 || envelope[0] !== ADDRESS_HOST || envelope[1] !== KIND_HOST)
      throw new CodecError(`answer of a purse: ${envelopes.length} envelopes, or one for somebody else`);
    return noticeOf(envelope.subarray(2), notice);
  }
}

/** Pages are of one payment. */
function requireSame(first: SpentPage, page: SpentPage, shown: number): void {
  const isSame =
    equalBytes(first.purse, page.purse) && first.amount === page.amount && equalBytes(first.goodsKey, page.goodsKey);
  if (!isSame || page.halves.length === 0 || rangesCount(page.ranges) !== rangesCount(first.ranges))
    throw new CodecError(`spent tokens: what comes behind ${shown} halves belongs to another payment`);
}
