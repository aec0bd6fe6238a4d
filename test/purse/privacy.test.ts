/**
 * A purse in a seller's terminal does not say whose it is: without the PIN nothing that it answers differs from what
 * another purse would answer. And what is secret is not left in memory behind a command.
 */

import { beforeAll, describe, expect, test } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import { ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { COMMAND_PURSE_REPEAT } from "../../firmware/protocol/tokens.js";
import { encodeCommand } from "../../host/apdu.js";
import { ChipFactory } from "../../host/chips.js";
import { toHex } from "../../host/codec/bytes.js";
import { hostEnvelope } from "../../host/commands.js";
import { sha256 } from "../../host/crypto.js";
import { authenticate, personalise } from "../../host/provision.js";
import { buyerHalf, halfKey, halfMask, orderKey } from "../../host/tokens/derive.js";
import { statusOf } from "../support/purse-checks.js";
import { type Buyer, type Filled, NOW, orderOf, PIN, PUK, PurseWorld } from "../support/purses.js";

let world: PurseWorld;
let buyer: Buyer;
let filled: Filled;

beforeAll(async () => {
  world = new PurseWorld("privacy");
  buyer = await world.buyer("alice");
  filled = await world.purse(buyer);
});

const TAGS = [p.TAG_INFORMATION, p.TAG_CHAIN, p.TAG_STORE, p.TAG_COUNTERS, p.TAG_DIGEST, p.TAG_BALANCE, p.TAG_LIMITS];

/** What anybody gets out of a chip that was put into a terminal. */
function asked(of: Buyer): string[] {
  const send = (apdu: Uint8Array) => toHex(of.transport.transmit(apdu));
  const aid = Uint8Array.of(0xf0, 0x54, 0x41, 0x4c, 0x4c, 0x59, p.AID_PURSE);
  const answers = [send(encodeCommand({ cla: 0, ins: p.INS_SELECT, p1: 4, p2: 0, data: aid, answerBytesMax: 256 }))];
  for (const tag of TAGS)
    answers.push(
      send(encodeCommand({ cla: 0, ins: p.INS_GET_DATA, p1: tag >> 8, p2: tag & 0xff, answerBytesMax: 65_536 })),
    );
  for (let file = 1; file < 8; file += 1)
    answers.push(
      send(encodeCommand({ cla: 0, ins: p.INS_READ_RECORD, p1: 1, p2: (file << 3) | 4, answerBytesMax: 65_536 })),
    );
  return answers;
}

describe("who it is", () => {
  test("no two purses differ in what they tell a terminal, however full they are", async () => {
    const bob = await world.buyer("bob");
    await world.restart(buyer);
    buyer.transport.reset();
    bob.transport.reset();
    const [one, other] = [asked(buyer), asked(bob)];
    expect(one).toEqual(other);
    for (const answer of one) expect(answer).not.toContain(toHex(buyer.id));
    await world.unlock(buyer);
  });

  test("its owner is told, with the PIN", async () => {
    await world.restart(buyer);
    expect(toHex((await buyer.element.information()).id as Uint8Array)).toBe(toHex(buyer.id));
    expect((await buyer.element.store()).freeRecords).toBeGreaterThan(0);
    expect((await buyer.element.counters()).pinTries).toBe(3);
    expect(await buyer.element.digest()).toHaveLength(32);
    await buyer.element.select();
    expect(buyer.element.known.id).toBeUndefined();
    expect(() => buyer.element.id).toThrow(/PIN/);
    for (const ask of ["store", "counters", "digest", "chain"] as const)
      expect(await statusOf(buyer.element[ask]())).toBe(p.SW_SECURITY_STATUS);
    await buyer.element.verifyPin(PIN);
    expect(toHex(buyer.element.id)).toBe(toHex(buyer.id));
  });

  test("who personalises it is told too", async () => {
    const chips = new ChipFactory({ clock: world.time.clock });
    const { element } = await chips.chip("fresh", "purse");
    const order = { role: ROLE_PURSE, pin: PIN, puk: PUK };
    const { id, personalisationKey } = await personalise(element, world.agencies, order, world.random, BigInt(NOW));
    expect(toHex(element.id)).toBe(id);
    await element.restart();
    expect(element.known.id).toBeUndefined();
    await authenticate(element, Uint8Array.from(Buffer.from(personalisationKey, "hex")));
    expect(toHex((await element.information()).id as Uint8Array)).toBe(id);
    expect(await element.digest()).toHaveLength(32);
  });
});

describe("what is left in memory", () => {
  /** Linear memory of the applet, as it is between two commands. */
  function memory(): string {
    const snapshot = buyer.simulated.snapshot();
    const view = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
    return toHex(snapshot.subarray(5, 5 + view.getUint32(1, true)));
  }

  test("behind a SPEND: no seed, no key, no half, no mask", async () => {
    await world.restart(buyer);
    const order = orderOf(107n, 40);
    const { seed } = filled.request;
    const spent = await buyer.card.spend(filled.slot, order, 107n);
    const image = memory();
    // What was revealed is there, to be fetched again: the search finds what there is.
    expect(image).toContain(toHex(spent.halves.subarray(0, 32)));
    expect(image).not.toContain(toHex(seed));
    expect(image).not.toContain(toHex(halfKey(seed)));
    expect(image).not.toContain(toHex(orderKey(seed)));
    for (const { first, count } of spent.ranges) {
      for (let serial = first; serial < first + count; serial += 1) {
        expect(image).not.toContain(toHex(buyerHalf(halfKey(seed), filled.purse, serial)));
        expect(image).not.toContain(toHex(halfMask(orderKey(seed), sha256(order), serial)));
      }
    }
  });

  test("behind a request, before its answer is fetched: no seed", async () => {
    await world.restart(buyer);
    const { slot, sealed } = await buyer.card.request(world.authorization("over-21", 5));
    const { seed } = world.mint.open(sealed);
    await world.restart(buyer);
    const data = hostEnvelope(COMMAND_PURSE_REPEAT, slot);
    // Without an Le the answer stays in the chip, and nothing has been written over what was sealed.
    const [status] = buyer.transport.transmit(
      encodeCommand({ cla: p.CLA_OWN, ins: p.INS_ENVELOPE, p1: 0, p2: 0, data }),
    );
    expect(status).toBe(p.SW_FETCH >> 8);
    expect(memory()).not.toContain(toHex(seed));
    const [again] = await buyer.element.fetchAgain();
    expect(toHex(again as Uint8Array)).not.toContain(toHex(seed));
    await buyer.card.forget(slot);
  });

  test("behind every other command: no seed", async () => {
    await world.restart(buyer);
    const seedOf = (sealed: Uint8Array) => toHex(world.mint.open(sealed).seed);
    const sent = await buyer.card.request(world.order({ flush: true }));
    const seeds = [toHex(filled.request.seed), seedOf(sent.sealed)];
    const clean = () => seeds.forEach((seed) => void expect(memory()).not.toContain(seed));
    clean();
    await buyer.card.repeat(sent.slot);
    clean();
    const { slot } = await buyer.card.install(world.mint.share(world.mint.open(sent.sealed)));
    clean();
    await buyer.card.allow(slot, 5n);
    clean();
    await buyer.card.purses();
    clean();
    await buyer.card.close(slot);
    clean();
    await expect(buyer.card.repeat(slot)).rejects.toThrow();
    clean();
  });
});
