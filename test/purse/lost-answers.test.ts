/**
 * Answers that are lost between card and host, and readers that carry little at once. A command that cannot be
 * carried out twice is recognised when it comes again, and answered again; the others say the same by themselves.
 */

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { AID_PURSE, INS_ENVELOPE } from "../../firmware/protocol/apdu.js";
import { REASON_NOT_FOUND, REASON_PENDING, REASON_PURSE_WAITING } from "../../firmware/protocol/reasons.js";
import { toHex } from "../../host/codec/bytes.js";
import { Element } from "../../host/element.js";
import { PurseCard } from "../../host/tokens/buyer/card.js";
import { type Transport, TransportError } from "../../host/transport.js";
import { SimulatorTransport } from "../../host/transports/simulator.js";
import { RecordReader } from "../support/conservation-records.js";
import { refuses, storedIn } from "../support/purse-checks.js";
import { type Buyer, type Filled, halvesOf, OTHER_SELLER, orderOf, PurseWorld, serialsOf } from "../support/purses.js";
import { reasonOf } from "../support/refusals.js";

let world: PurseWorld;
let buyer: Buyer;
let reader: RecordReader;
let filled: Filled;
let closed: Filled;
let start: Uint8Array;

beforeAll(async () => {
  reader = await RecordReader.create();
  world = new PurseWorld("lost answers");
  buyer = await world.buyer("alice");
  filled = await world.purse(buyer);
  closed = await world.purse(buyer, { seller: OTHER_SELLER });
  await buyer.card.close(closed.slot);
  start = buyer.simulated.snapshot();
});

beforeEach(() => buyer.simulated.restore(start));

/** Loses the answer to the next ENVELOPE, which the card has carried out. */
class Losing implements Transport {
  readonly name = "a worn contact";
  lost = 0;
  armed = false;

  constructor(
    readonly inner: Transport,
    readonly extendedLength: boolean,
  ) {}

  transmit(apdu: Uint8Array): Uint8Array | Promise<Uint8Array> {
    const answer = this.inner.transmit(apdu);
    if (!this.armed || apdu[1] !== INS_ENVELOPE) return answer;
    this.armed = false;
    this.lost += 1;
    throw new TransportError("the answer was lost");
  }

  reset() {
    return this.inner.reset();
  }

  close() {
    return this.inner.close();
  }
}

async function worn(): Promise<{ card: PurseCard; losing: Losing }> {
  const losing = new Losing(buyer.transport, true);
  const card = new PurseCard(await Element.select(losing, AID_PURSE));
  await world.unlock({ element: card.element });
  losing.armed = true;
  return { card, losing };
}

describe("the answer is lost, and the command comes again", () => {
  test("REQUEST: the one that was stored", async () => {
    const { card, losing } = await worn();
    const order = world.order({ unit: { currency: 978, exponent: 3 } });
    const sent = await card.request(order);
    expect(losing.lost).toBe(1);
    const purses = await card.purses();
    expect(purses.filter(({ state }) => state === "requested")).toMatchObject([{ slot: sent.slot, nonce: sent.nonce }]);
    expect(world.mint.open(sent.sealed).nonce).toEqual(sent.nonce);
    // Behind another command it is what it says: a second request.
    await card.repeat(sent.slot);
    expect(await reasonOf(card.request(order))).toBe(REASON_PENDING);
  });

  test("SETTLED and FORGET: done once, and not again for another purse in the same slot", async () => {
    const { card, losing } = await worn();
    const notice = world.mint.refund(closed);
    expect(await card.settled(closed.slot, notice)).toEqual({ slot: closed.slot, purse: closed.purse });
    expect(losing.lost).toBe(1);
    const { slot } = await card.request(world.order({ unit: { currency: 978, exponent: 3 } }));
    expect(slot).toBe(closed.slot);
    losing.armed = true;
    expect(await card.forget(slot)).toBe(slot);
    expect(losing.lost).toBe(2);
    const again = await card.request(world.order({ unit: { currency: 978, exponent: 3 } }));
    expect(again.slot).toBe(slot);
    expect(await reasonOf(card.settled(slot, notice))).toBe(REASON_PURSE_WAITING);
    expect(await card.forget(slot)).toBe(slot);
    expect((await card.purses()).map(({ slot: of }) => of)).toEqual([filled.slot]);
  });

  test("SPEND: the same halves, and the tokens of one payment", async () => {
    const { card, losing } = await worn();
    const order = orderOf(23n);
    const spent = await card.spend(filled.slot, order, 23n);
    expect(losing.lost).toBe(1);
    expect(toHex(spent.halves)).toBe(
      toHex(halvesOf(filled.request.seed, filled.purse, order, serialsOf(spent.ranges))),
    );
    expect((await card.purses())[0]?.stacks.map(({ next }) => next)).toEqual([3, 4, 0]);
  });

  test("INSTALL, ALLOW, CLOSE: as if nothing had been", async () => {
    const { card, losing } = await worn();
    losing.armed = false;
    const request = world.mint.open((await card.request(world.authorization("over-21", 4))).sealed);
    losing.armed = true;
    const { slot } = await card.install(world.mint.share(request));
    losing.armed = true;
    expect(await card.allow(slot, 2n)).toBe(2n);
    losing.armed = true;
    expect(world.mint.openClose((await card.close(slot)).sealed, request).spent).toEqual([0]);
    expect(losing.lost).toBe(3);
  });

  test("who has no PIN is not answered again", async () => {
    await buyer.card.forget((await buyer.card.request(world.authorization("over-21", 4))).slot);
    const before = storedIn(buyer, reader);
    await buyer.element.select();
    await expect(buyer.card.forget(2)).rejects.toThrow(/PIN/);
    await world.unlock(buyer);
    expect(storedIn(buyer, reader)).toBe(before);
  });

  test("after power was gone nothing is remembered: the record says what was done", async () => {
    const { slot } = await buyer.card.request(world.authorization("over-21", 4));
    await buyer.card.forget(slot);
    await world.restart(buyer);
    await refuses(buyer, reader, REASON_NOT_FOUND, () => buyer.card.forget(slot));
  });
});

test("a reader for short commands carries all of it: chained, and in pieces", async () => {
  const short = new SimulatorTransport(buyer.simulated, "short reader", false);
  const card = new PurseCard(await Element.select(short, AID_PURSE));
  await world.unlock({ element: card.element });
  const order = orderOf(1_700n);
  const spent = await card.spend(filled.slot, order, 1_700n);
  const serials = serialsOf(spent.ranges);
  expect(serials).toHaveLength(390);
  expect(toHex(spent.halves)).toBe(toHex(halvesOf(filled.request.seed, filled.purse, order, serials)));
  const { sealed } = await card.request(world.order({ flush: true }));
  expect(world.mint.open(sealed).flushes).toEqual(filled.purse);
});
