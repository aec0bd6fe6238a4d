/** EP 0 833 285 A2, 558: a seller may verify the signatures of a random subset of the tokens. What then slips through, and what does not. */

import { expect, it } from "vitest";
import { SCHEME_SECRET, SCHEME_SOURCE } from "../../firmware/protocol/tokens.js";
import { Fields } from "../../host/codec/read.js";
import { sha256 } from "../../host/crypto.js";
import { openDatabase } from "../../host/services/database.js";
import { openBulk } from "../../host/tokens/bulk.js";
import { buyerHalf, halfKey, maskHalves, orderKey } from "../../host/tokens/derive.js";
import { TokenError } from "../../host/tokens/errors.js";
import { PROLOGUE } from "../../host/tokens/messages/common.js";
import { encodeOrder, encodePayment } from "../../host/tokens/messages/payment.js";
import { encodeOuter } from "../../host/tokens/messages/request.js";
import { Seller } from "../../host/tokens/seller/seller.js";
import type { SellerTables } from "../../host/tokens/seller/store.js";
import { tokenOffsets } from "../../host/tokens/source-scheme.js";
import { bytesFrom, FINE_DOLLAR } from "../support/token-buyer.js";
import { DAY, TokenWorld } from "../support/token-world.js";

const TOKENS = 200;
const GOODS = new Uint8Array(32).fill(7);

/** A seller that verifies this share, and how to pay it with a token of which one byte of the buyer's half is altered. */
async function open(verifiedShare: number | undefined, scheme: number) {
  const w = await TokenWorld.open({ seed: "verified share" });
  const seller = await Seller.open({
    keys: { signatureSeed: new Uint8Array(32).fill(21), agreementSecret: new Uint8Array(32).fill(22) },
    database: openDatabase<SellerTables>("memory"),
    root: w.agency.root,
    issuers: [{ chain: w.mint.chain, line: w.mint }],
    clock: w.time,
    random: w.random,
    ...(verifiedShare === undefined ? {} : { verifiedShare }),
  });
  await w.mint.addSeller({ id: seller.id, ...seller.keys, account: "shop", address: "" });
  const denominations = [{ value: 1n, count: TOKENS }];
  const times = { spendBy_seconds: w.now() + DAY, time_seconds: w.now() };
  const asked = w.alice.ask(w.keys, { seller: seller.id, scheme, denominations, ...times });
  const { halves, share } = await seller.forward(encodeOuter({ issuer: w.mint.id, sealed: asked.sealed }));
  const { purse } = w.alice.install(w.keys, asked, share).share;
  const offsets = tokenOffsets({ ...asked.request });
  const whole = halves === null ? undefined : halvesOf(w, halves);
  const half = (serial: number) =>
    whole?.slice(offsets[serial], offsets[serial + 1]) ?? buyerHalf(halfKey(asked.request.seed), purse, serial);
  const pay = async (serial: number, altered?: number): Promise<string> => {
    const nonce = bytesFrom(w.random)(16);
    const what = { seller: seller.id, goods: GOODS, unit: FINE_DOLLAR, price: 1n, delivery: 0, assertion: null };
    const order = encodeOrder({ ...what, nonce });
    const shown = half(serial);
    const ranges = [{ first: serial, count: 1 }];
    if (scheme === SCHEME_SECRET) maskHalves(shown, orderKey(asked.request.seed), sha256(order), ranges);
    if (altered !== undefined) shown[altered] = (shown[altered] ?? 0) ^ 1;
    const payment = encodePayment({ order, parts: [{ purse, index: 0, ranges, halves: shown }] });
    try {
      return (await seller.accept(payment, { goods: GOODS, unit: FINE_DOLLAR, price: 1n })).state;
    } catch (error) {
      if (error instanceof TokenError) return error.code;
      throw error;
    }
  };
  return { seller, pay, signatureAt: half(0).length - 1 };
}

function halvesOf(w: TokenWorld, sealed: Uint8Array): Uint8Array {
  const fields = Fields.decode(
    openBulk({ staticPrivate: w.alice.agreementSecret, prologue: PROLOGUE.halves }, sealed),
    "halves",
    2,
  );
  fields.id("purse");
  return fields.bytes("halves", 1, 1e6);
}

async function refusals(share: number | undefined): Promise<number> {
  const { pay, signatureAt } = await open(share, SCHEME_SOURCE);
  let refused = 0;
  for (let serial = 0; serial < TOKENS; serial++) if ((await pay(serial, signatureAt)) === "half-altered") refused += 1;
  return refused;
}

it("verifies every signature, if nothing else is asked for", async () => {
  expect(await refusals(undefined)).toBe(TOKENS);
  expect(await refusals(1)).toBe(TOKENS);
});

it("verifies about the share that is asked for", async () => {
  const refused = await refusals(0.25);
  expect(refused).toBeGreaterThan(TOKENS * 0.15);
  expect(refused).toBeLessThan(TOKENS * 0.35);
});

it("loses what slipped through, which its issuer refuses and its audit names; what tokens say is always compared", async () => {
  const { pay, seller, signatureAt } = await open(0, SCHEME_SOURCE);
  for (let at = 0; at < signatureAt - 66; at++) expect(await pay(0, at), `byte ${at}`).toBe("half-altered");
  expect(await pay(0, signatureAt)).toBe("paid");
  expect(await pay(1)).toBe("paid");
  expect(await seller.audit()).toEqual([expect.stringContaining("has a secret that is not its token's")]);
  expect((await seller.redeem()).failed).toEqual([]);
  expect(seller.balance()).toMatchObject([{ accepted: 2n, credited: 1n, refused: 1n }]);
});

it("is never about secrets, which are all checked", async () => {
  const { pay } = await open(0, SCHEME_SECRET);
  for (let serial = 0; serial < 32; serial++) expect(await pay(serial, serial)).toBe("half-altered");
  expect(await pay(0)).toBe("paid");
});

it("takes no share that is none", async () => {
  for (const share of [-0.1, 1.1, Number.NaN])
    await expect(open(share, SCHEME_SOURCE)).rejects.toThrow("verifiedShare: it is from 0 to 1");
});
