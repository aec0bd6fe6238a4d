/** Whatever comes to an issuer, sealed and signed properly or not, it answers or refuses by a code; and nothing is booked. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { SIGNED_TOKEN_CLOSED, SIGNED_TOKEN_REQUEST, SIGNED_TOKEN_SELLER } from "../../firmware/protocol/kinds.js";
import * as t from "../../firmware/protocol/tokens.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { payloadOf, sign1 } from "../../host/codec/cose.js";
import { sealTo } from "../../host/codec/noise.js";
import { sealBulk } from "../../host/tokens/bulk.js";
import { signClose } from "../../host/tokens/messages/closing.js";
import { PROLOGUE, padded } from "../../host/tokens/messages/common.js";
import { signRequest } from "../../host/tokens/messages/request.js";
import { encodeWordAbout } from "../../host/tokens/messages/words.js";
import { bytesFrom } from "../support/token-buyer.js";
import { ALICE_CENTS, DAY, outcomeOf, TokenWorld } from "../support/token-world.js";

const cbor: fc.Arbitrary<CborValue> = fc.letrec((tie) => ({
  item: fc.oneof(
    { depthSize: "small" },
    fc.maxSafeNat(),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(null, true, "over-21", new Uint8Array(16), new Uint8Array(32)),
    fc.array(tie("item"), { maxLength: 5 }),
  ),
})).item as fc.Arbitrary<CborValue>;

/** One item of an array is something else, or gone, or there is one more. */
const change = fc.record({ at: fc.nat(20), to: fc.option(cbor), isMore: fc.boolean() });
type Change = { readonly at: number; readonly to: CborValue; readonly isMore: boolean };

function changed(payload: Uint8Array, { at, to, isMore }: Change): Uint8Array {
  const items = [...(decode(payload) as readonly CborValue[])];
  items.splice(at % items.length, isMore ? 0 : 1, ...(to === null && !isMore ? [] : [to]));
  return encode(items);
}

it("an issuer refuses whatever makes no sense, and books nothing", { timeout: 120_000 }, async () => {
  const w = await TokenWorld.open();
  const random = bytesFrom(w.random);
  const { agreementKey: remoteStatic } = w.keys;
  const { request, sealed } = w.alice.ask(w.keys, {
    ...{ seller: w.shop.id, spendBy_seconds: w.now() + DAY, time_seconds: w.now() },
    denominations: [{ value: 2n ** 40n, count: 5 }],
  });
  const signedRequest = signRequest(request, w.alice.signer);
  const signedClose = signClose({ purse: random(16), buyer: w.alice.id, spent: [1] }, w.alice.signer);
  const codes = new Map<string, number>();
  const note = async (work: Promise<unknown>) => {
    const code = await outcomeOf(work);
    codes.set(code, (codes.get(code) ?? 0) + 1);
  };
  const { mint, shop } = w;
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 3000 }),
      change,
      fc.integer({ min: 1, max: 4 }),
      async (bytes, to, type) => {
        await note(mint.request(bytes));
        await note(mint.redeem(bytes));
        await note(mint.returned(bytes));
        await note(mint.collect(bytes));
        await note(mint.refund(bytes));
        await note(mint.forward(shop.word(t.WORD_FORWARD, bytes), sealed));
        await note(mint.forward(bytes, sealed));
        await note(mint.forward(shop.word(t.WORD_FORWARD, bytes), bytes));
        // Sealed as it should be, with something else in it.
        const one = { remoteStatic, random };
        const asked = sign1(SIGNED_TOKEN_REQUEST, changed(payloadOf(signedRequest), to as Change), w.alice.signer);
        const plain = padded([asked, w.alice.chain], t.TOKEN_REQUEST_PLAIN_BYTES);
        await note(mint.request(sealTo({ ...one, prologue: PROLOGUE.request }, plain)));
        await note(mint.request(sealTo({ ...one, prologue: PROLOGUE.request }, bytes)));
        const closed = sign1(SIGNED_TOKEN_CLOSED, changed(payloadOf(signedClose), to as Change), w.alice.signer);
        const closing = padded([closed], t.TOKEN_CLOSE_PLAIN_BYTES);
        await note(mint.refund(sealTo({ ...one, prologue: PROLOGUE.close }, closing)));
        const word = shop.word(type, bytes, { purse: random(16) });
        const altered = sign1(SIGNED_TOKEN_SELLER, changed(payloadOf(word), to as Change), shop.signer);
        for (const said of [word, altered]) {
          const bulk = sealBulk({ ...one, prologue: PROLOGUE.seller }, encodeWordAbout(said, bytes));
          await note(mint.redeem(bulk));
          await note(mint.returned(bulk));
          await note(mint.collect(said));
        }
        await note(mint.redeem(sealBulk({ ...one, prologue: PROLOGUE.seller }, bytes)));
      },
    ),
    { numRuns: 150 },
  );
  for (const code of ["malformed", "not-authentic", "refused", "unknown-purse", "unknown-seller"])
    expect(codes.get(code) ?? 0, code).toBeGreaterThan(0);
  expect(await w.bank.depositBalance("alice")).toBe(ALICE_CENTS);
  expect((await mint.audit()).units).toEqual([]);
  expect(await w.faults()).toEqual([]);
});
