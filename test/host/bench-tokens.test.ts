/** What the benchmark of token halves says, run with next to nothing: that it has every number, and that these fit together. */

import { beforeAll, describe, expect, it } from "vitest";
import { HALF_BYTES } from "../../firmware/protocol/tokens.js";
import { type Rate, Rounds } from "../../host/bench/rates.js";
import { measureTokens, type TokensReport } from "../../host/bench/tokens.js";
import { PointMint } from "../../host/bench/tokens-noble.js";
import { Certifier, EXPECTED, paymentsOf } from "../../host/bench/tokens-parties.js";
import { Trade } from "../../host/bench/tokens-trade.js";
import { fromHex, toHex } from "../../host/codec/bytes.js";
import { TokenError } from "../../host/tokens/errors.js";

const SIZES = {
  memory: { rounds: 2, warmUp: 0, minted: 64, verified: 128, source: 4, points: 2 },
  books: { rounds: 2, tokens: 64, inFlight: 16 },
  purchases: 4,
};

describe("the report", () => {
  let report: TokensReport;

  beforeAll(async () => {
    report = await measureTokens(SIZES);
  });

  it("has every number", () => {
    const { details: _, cardBytes, cardOperationsPerPurchase, ...numbers } = report;
    expect(Object.keys(numbers).sort()).toEqual([
      "acceptedDurablyPerSecond",
      "apdusPerPurchase",
      "halfBytes",
      "mintedPerSecond",
      "noblePointVerifiedPerSecond",
      "redeemedPerSecond",
      "sourceModeVerifiedPerSecond",
      "verifiedPerSecond",
    ]);
    for (const number of Object.values(numbers)) expect(number).toBeGreaterThan(0);
    expect(Object.keys(cardBytes)).toEqual(["10", "10000", "1000000"]);
    expect(cardOperationsPerPurchase["publicKey"]).toBe(0);
  });

  it("takes each rate from its rounds", () => {
    const { books, memory } = report.details;
    const rates: Rate[] = [
      ...[memory.minted, memory.source, memory.points, memory.verifiedWithReading, books.redeemed],
      ...[memory.verified, books.accepted, books.acceptedOfOneCore].flatMap((each) => Object.values(each)),
    ];
    for (const { highest, lowest, perSecond } of rates) {
      expect(lowest).toBeGreaterThan(0);
      expect(perSecond).toBeGreaterThanOrEqual(lowest);
      expect(perSecond).toBeLessThanOrEqual(highest);
    }
    expect(memory.verified["4"]?.perSecond).toBe(report.verifiedPerSecond);
    expect(books.accepted["1"]?.perSecond).toBe(report.acceptedDurablyPerSecond);
    expect(Object.keys(memory.verified)).toEqual(["1", "4", "32"]);
  });

  it("is of books that outlive a power cut, many orders a commit", () => {
    const { durability, ordersPerCommit, inFlight } = report.details.books;
    expect(durability).toEqual({
      seller: { journal: "wal", synchronous: 2 },
      mint: { journal: "wal", synchronous: 2 },
    });
    expect(ordersPerCommit["1"]).toBe(inFlight);
  });

  it("has halves of one length here, and of a token's in the source's scheme", () => {
    expect(report.halfBytes).toBe(HALF_BYTES);
    expect(report.details.memory.sourceHalfBytes).toBeGreaterThan(3 * HALF_BYTES);
  });

  it("has purses of all sizes in the same room of a chip, whose purchases take no public key", () => {
    const { apdusPerPurchase, cardBytes, cardOperationsPerPurchase, details } = report;
    const { cardOperationsPerPurse } = details.card;
    expect(new Set(Object.values(cardBytes)).size).toBe(1);
    expect(cardBytes["10"]).toBeGreaterThan(HALF_BYTES);
    expect(apdusPerPurchase).toBe(2);
    // Two HMACs for each token at least; and who counts none of the public keys would count none here either.
    expect(cardOperationsPerPurchase["hmacSha256"]).toBeGreaterThanOrEqual(2 * details.card.purchaseTokens);
    expect(cardOperationsPerPurchase["flash-program"]).toBeGreaterThan(0);
    for (const name of ["ed25519Sign", "ed25519Verify", "x25519Agree"])
      expect(cardOperationsPerPurse[name]).toBeGreaterThan(0);
    expect(cardOperationsPerPurse["publicKey"]).toBeGreaterThan(2);
  });
});

describe("what is measured", () => {
  it("refuses an order whose halves were altered", async () => {
    const trade = await Trade.open(8);
    try {
      const purse = await trade.buy(8);
      const [good, other] = paymentsOf(purse, 4);
      if (good === undefined || other === undefined) throw new Error("no payments");
      other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;
      await trade.accept([good], 4, 1);
      await trade.requireOnDisk();
      await trade.redeem(purse, 4);
      await trade.requireBalanced();
      await expect(trade.accept([other], 4, 1)).rejects.toThrow(TokenError);
      await expect(trade.redeem(purse, 4)).rejects.toThrow("a redemption");
      expect(EXPECTED(4).price).toBe(40n);
    } finally {
      await trade.close();
    }
  });

  it("gives each buyer another certificate", () => {
    const certifier = new Certifier();
    expect(toHex(certifier.buyer().id)).not.toBe(toHex(certifier.buyer().id));
  });

  // NUT-00's test vectors, https://github.com/cashubtc/nuts/blob/main/tests/00-tests.md.
  it.each([
    ["00", "024cce997d3b518f739663b757deaec95bcd9473c30a14ac2fd04023a739d1a725"],
    ["01", "022e7158e11c9506f1aa4248bf531298daa7febd6194f003edcd9b93ade6253acf"],
    ["02", "026cdbe15362df59cd1dd3c9c11de8aedac2106eca69236ecd9fbe117af897be4f"],
  ])("hashes to the curve as NUT-00 does: %s", async (last, point) => {
    const mint = await PointMint.open();
    expect(mint.hashToCurve(fromHex(`${"00".repeat(31)}${last}`)).toHex(true)).toBe(point);
  });

  it("takes no proof of another secret", async () => {
    const mint = await PointMint.open();
    const [one, other] = [mint.proof(), mint.proof()];
    expect(mint.isGood(one)).toBe(true);
    expect(mint.isGood({ ...one, c: other.c })).toBe(false);
  });

  it("compares what was measured in the same round", () => {
    const rounds = new Rounds<"one" | "other">();
    for (const [one, other] of [
      [100, 10],
      [40, 4],
      [90, 10],
    ] as const) {
      rounds.add("one", one, 7);
      rounds.add("other", other, 7);
    }
    expect(rounds.ratio("one", "other")).toBe(10);
    expect(rounds.rate("one")).toEqual({ perSecond: 90, lowest: 40, highest: 100, rounds: 3, perRound: 7 });
    expect(() => rounds.rate("neither" as "one")).toThrow(RangeError);
  });
});
