/** What a purse may never do, whatever it was told: show a half for two orders, or take back what it said. */

import { ADDRESS_HOST, KIND_HOST } from "../../firmware/protocol/messages.js";
import { HALF_BYTES, NOTICE_PURSE_SPENT } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { CodecError } from "../../host/codec/errors.js";
import { ReasonError } from "../../host/reasons.js";
import { noticeOf, type PurseRecord, readSpent, type SpentPage } from "../../host/tokens/card-data.js";
import { Finding } from "./target.js";

const STATES: readonly PurseRecord["state"][] = ["requested", "open", "closed"];

/**
 * Halves that left the chip in one run, as they were masked. The mask is made of the order, so that a half which looks
 * different the second time was shown for another order.
 */
export class ShownHalves {
  readonly #halves = new Map<string, string>();
  readonly #purses = new Map<string, number[]>();

  /** An answer of the chip, without its status word. */
  watch(answer: Uint8Array): void {
    const page = spentIn(answer);
    if (page === undefined) return;
    const purse = toHex(page.purse);
    const serials = page.ranges.flatMap(({ first, count }) => Array.from({ length: count }, (_, at) => first + at));
    const known = this.#purses.get(purse) ?? [];
    this.#purses.set(purse, known);
    for (let at = 0; at < page.halves.length; at += HALF_BYTES) {
      const serial = serials[page.skip + at / HALF_BYTES];
      if (serial === undefined) throw new Finding("half", `a half of no token of ${purse}`);
      const half = toHex(page.halves.subarray(at, at + HALF_BYTES));
      const before = this.#halves.get(`${purse} ${serial}`);
      if (before !== undefined && before !== half) throw new Finding("half", `token ${serial} shown for two orders`);
      this.#halves.set(`${purse} ${serial}`, half);
      known.push(serial);
    }
  }

  get isAny(): boolean {
    return this.#halves.size > 0;
  }

  of(purse: Uint8Array): readonly number[] {
    return this.#purses.get(toHex(purse)) ?? [];
  }
}

function spentIn(answer: Uint8Array): SpentPage | undefined {
  if (answer[0] !== ADDRESS_HOST || answer[1] !== KIND_HOST) return undefined;
  try {
    return readSpent(noticeOf(answer.subarray(2), NOTICE_PURSE_SPENT));
  } catch (error) {
    // Another notice, or a part of one.
    if (error instanceof CodecError || error instanceof ReasonError) return undefined;
    throw error;
  }
}

/** What the chip says of its purses after a run, beside what it said before it and what it showed meanwhile. */
export function checkPurses(before: readonly PurseRecord[], after: readonly PurseRecord[], shown: ShownHalves): void {
  for (const purse of after) {
    const was = before.find(({ nonce }) => toHex(nonce) === toHex(purse.nonce));
    if (was !== undefined) checkForward(was, purse);
    if (purse.purse === null) continue;
    let start = 0;
    for (const { count, next } of purse.stacks) {
      const end = start + count;
      const late = shown.of(purse.purse).find((serial) => serial >= start + next && serial < end);
      if (late !== undefined) throw new Finding("half", `token ${late} was shown, and the purse says it was not`);
      start = end;
    }
  }
  for (const was of before) checkNotAgain(was, shown);
}

function checkForward(was: PurseRecord, is: PurseRecord): void {
  const name = `purse ${toHex(is.nonce)}`;
  if (STATES.indexOf(is.state) < STATES.indexOf(was.state))
    throw new Finding("purse", `${name} was ${was.state} and is ${is.state}`);
  if (was.purse !== null && toHex(was.purse) !== toHex(is.purse ?? new Uint8Array(0)))
    throw new Finding("purse", `${name} has another id`);
  if (termsOf(was) !== termsOf(is)) throw new Finding("purse", `${name} is another than was asked for`);
  was.stacks.forEach(({ next }, at) => {
    if ((is.stacks[at]?.next ?? 0) < next) throw new Finding("purse", `${name} has tokens again that it spent`);
  });
  if (was.state === "closed" && spentOf(is) !== spentOf(was))
    throw new Finding("purse", `${name} is closed and spends`);
}

function termsOf(purse: PurseRecord): string {
  const { assertion, holders, index, issuer, kind, seller, stacks, unit } = purse;
  const tokens = stacks.map(({ count, value }) => `${count}*${value}`);
  return [
    toHex(issuer),
    toHex(seller),
    kind,
    unit.currency,
    unit.exponent,
    ...tokens,
    assertion,
    holders,
    index,
  ].join();
}

function spentOf({ stacks }: PurseRecord): string {
  return stacks.map(({ next }) => next).join();
}

/** What had been passed by an order before the last one is shown to nobody any more. */
function checkNotAgain(was: PurseRecord, shown: ShownHalves): void {
  if (was.purse === null) return;
  const serials = shown.of(was.purse);
  if (was.state === "closed" && serials.length > 0) throw new Finding("half", "a closed purse shows halves");
  let start = 0;
  let again = 0n;
  for (const { count, next, value } of was.stacks) {
    again += BigInt(new Set(serials.filter((serial) => serial >= start && serial < start + next)).size) * value;
    start += count;
  }
  if (again > was.revealed) throw new Finding("half", "halves of an order that is over are shown again");
}
