/** EP 0 833 285 A2 fig. 3, steps 502-504: a seller forwards a buyer's message to the bank that it names. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { sha256 } from "../../host/crypto.js";
import { encodeOuter } from "../../host/tokens/messages/request.js";
import { readWord, verifyWord } from "../../host/tokens/messages/words.js";
import type { Issuer } from "../../host/tokens/parties.js";
import { NOW } from "../support/agencies.js";
import { DAY, outcome, SellerWorld } from "../support/seller-world.js";
import type { TokenBuyer } from "../support/token-buyer.js";

let world: SellerWorld;
beforeEach(async () => {
  world = await SellerWorld.open("fig. 3");
});
afterEach(() => world.close());

function asked(buyer: TokenBuyer) {
  return buyer.ask(world.issuer.keys, {
    seller: world.seller.id,
    spendBy_seconds: NOW + DAY,
    time_seconds: NOW,
  });
}

/** What the issuer is sent. */
function watchIssuer(): { word: Uint8Array; sealed: Uint8Array }[] {
  const sent: { word: Uint8Array; sealed: Uint8Array }[] = [];
  world.line = {
    ...bound(world.issuer),
    forward: (word, sealed) => {
      sent.push({ word, sealed });
      return world.issuer.forward(word, sealed);
    },
  };
  return sent;
}

function bound(issuer: Issuer): Issuer {
  return {
    forward: issuer.forward.bind(issuer),
    request: issuer.request.bind(issuer),
    redeem: issuer.redeem.bind(issuer),
    returned: issuer.returned.bind(issuer),
    collect: issuer.collect.bind(issuer),
    refund: issuer.refund.bind(issuer),
  };
}

describe("a message for an issuer", () => {
  it("goes to the issuer that it names, as it is, with the seller's word about it (502-504)", async () => {
    const sent = watchIssuer();
    const buyer = world.buyer();
    const { request, sealed } = asked(buyer);
    await world.seller.forward(encodeOuter({ issuer: request.issuer, sealed }));
    expect(sent).toHaveLength(1);
    expect(sent[0]?.sealed).toEqual(sealed);
    const word = sent[0]?.word ?? new Uint8Array(0);
    verifyWord(word, world.seller.keys.signatureKey);
    expect(readWord(word)).toMatchObject({ type: WORD_FORWARD, seller: world.seller.id, digest: sha256(sealed) });
  });

  it("is not forwarded to an issuer that the seller does not know", async () => {
    const sent = watchIssuer();
    const { sealed } = asked(world.buyer());
    const outer = encodeOuter({ issuer: new Uint8Array(16).fill(99), sealed });
    expect(await outcome(() => world.seller.forward(outer))).toBe("unknown-issuer");
    expect(await outcome(() => world.seller.forward(outer.subarray(0, -1)))).toBe("not-authentic");
    expect(sent).toEqual([]);
  });

  it("has the same word when it comes again, and the buyer's purse again", async () => {
    const sent = watchIssuer();
    const buyer = world.buyer();
    const question = asked(buyer);
    const outer = encodeOuter({ issuer: question.request.issuer, sealed: question.sealed });
    const first = buyer.install(world.issuer.keys, question, (await world.seller.forward(outer)).share);
    const again = buyer.install(world.issuer.keys, question, (await world.seller.forward(outer)).share);
    expect(again.share).toEqual(first.share);
    expect(sent[1]?.word).toEqual(sent[0]?.word);
    expect(world.seller.purses()).toHaveLength(1);
  });

  it("says nothing of the buyer, and is as long for every buyer and every wish", () => {
    const [alice, bob] = [world.buyer(), world.buyer()];
    const wishes = [
      asked(alice),
      bob.ask(world.issuer.keys, {
        seller: world.seller.id,
        spendBy_seconds: NOW + DAY,
        time_seconds: NOW,
        denominations: [
          { value: 1n, count: 7 },
          { value: 5n, count: 100_000 },
        ],
      }),
    ];
    const [first, second] = wishes.map(({ request, sealed }) => encodeOuter({ issuer: request.issuer, sealed }));
    expect(first?.length).toBe(second?.length);
    for (const buyer of [alice, bob])
      for (const secret of [buyer.id, buyer.signer.publicKey, buyer.chain.subarray(0, 32)])
        for (const message of [first, second])
          expect(Buffer.from(message ?? []).includes(Buffer.from(secret))).toBe(false);
  });
});
