/** A life of purses, recorded: what an owner, a terminal and a mint have a chip do, and what they are refused. */

import { PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { ReasonError } from "../../host/reasons.js";
import { StatusWordError } from "../../host/status-words.js";
import { NO_UNIT } from "../../host/tokens/terms.js";
import { MILLS, NOW, OTHER_SELLER, orderOf, PIN, PUK, PurseWorld, REDEEM_BY, SELLER } from "../support/purses.js";
import { knowledgeOf, OTHER_PIN, type Recording, RecordingChips } from "./recording-chips.js";

const SEED = "fuzz purses";

/** Two chips: a life from the first request to the last refund, and one of many purses, which is spent without a PIN. */
export async function recordPurses(recordings: Recording[]): Promise<void> {
  const knowledge = knowledgeOf(SEED);
  const world = new PurseWorld(
    SEED,
    {},
    {
      chips: (parts) => new RecordingChips("purses", parts, knowledge, recordings),
      noise: knowledge.recordingNoise(),
    },
  );
  knowledge.addAuthority(new Uint8Array(32).fill(world.mint.fill));
  await recordLife(world);
  await recordMany(world);
}

/** Requested, repeated, installed, spent in steps and in pages, flushed, closed, settled. */
async function recordLife(world: PurseWorld): Promise<void> {
  const buyer = await world.buyer("alice");
  const { card, element } = buyer;
  const sent = await card.request(world.order());
  await card.repeat(sent.slot);
  const request = world.mint.open(sent.sealed);
  await refused(card.install(world.mint.share(request, { holders: 2 })));
  const share = world.mint.share(request);
  const { slot, purse } = await card.install(share);
  await card.install(share);
  await card.spend(slot, orderOf(37n), 10n);
  await card.spend(slot, orderOf(37n), 37n);
  await card.spend(slot, orderOf(37n), 37n);
  await card.spend(slot, orderOf(12n, 2), 12n, { firsts: [20, 9, 1] });
  await refused(card.spend(slot, orderOf(9n, 3, { seller: OTHER_SELLER }), 9n));
  await world.restart(buyer);
  await card.spend(slot, orderOf(300n, 4), 300n);
  await card.purses();
  // A new purse of the same pair: the old one is closed by it.
  const next = await world.purse(buyer, { flush: true, denominations: [{ value: 2n, count: 400 }] });
  await card.settled(slot, world.mint.refund({ slot, purse, request }));
  await card.spend(next.slot, orderOf(600n, 5), 600n);
  await card.close(next.slot);
  await card.close(next.slot);
  await refused(card.spend(next.slot, orderOf(2n, 6), 2n));
  await refused(card.settled(next.slot, world.mint.refund(next, { purse: new Uint8Array(16) })));
  await card.settled(next.slot, world.mint.refund(next));
  await element.putList(world.agencies.agents.badIdList(2n, NOW, [[new Uint8Array(16).fill(0xee), 1]]));
  await refused(element.verifyPin("9999"));
  await element.changePin(PIN, OTHER_PIN);
  await element.unblockPin(PUK, PIN);
}

/** An allowance, an authorization, a joint purse, a request that is given up, a purse that is over. */
async function recordMany(world: PurseWorld): Promise<void> {
  const buyer = await world.buyer("bob");
  const { card, element } = buyer;
  const money = await world.purse(buyer, {});
  const proof = await world.purse(buyer, world.authorization("over-21", 5));
  const joint = { id: new Uint8Array(16).fill(0x77), holders: 3, index: 1 };
  const shared = await world.purse(buyer, { seller: OTHER_SELLER, joint });
  const given = await card.request(world.order({ unit: { currency: 978, exponent: 2 } }));
  await card.forget(given.slot);
  await card.allow(money.slot, 40n);
  await element.restart();
  await card.find(SELLER, PURSE_MONEY, MILLS);
  await card.spend(money.slot, orderOf(30n), 30n);
  await refused(card.spend(money.slot, orderOf(30n, 2), 30n));
  await world.unlock(buyer);
  await card.spend(proof.slot, orderOf(1n, 3, { unit: NO_UNIT, assertion: "over-21" }), 1n);
  await card.spend(shared.slot, orderOf(8n, 4, { seller: OTHER_SELLER }), 8n);
  await card.purses();
  await card.close(shared.slot);
  // The last second for redemption is over.
  await element.open(BigInt(REDEEM_BY + 1));
  await refused(card.spend(money.slot, orderOf(5n, 5), 5n));
  await card.forget(money.slot);
}

/** The purse, or its PIN, says no: that is what is to be recorded. */
async function refused(work: Promise<unknown>): Promise<void> {
  const answer = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (answer === undefined) throw new Error("a purse took what it should refuse");
  if (!(answer instanceof ReasonError || answer instanceof StatusWordError)) throw answer;
}
