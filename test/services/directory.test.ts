import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DatabaseLocation, openDatabase } from "../../host/services/database.js";
import {
  Directory,
  type DirectoryEntry,
  type DirectoryTables,
  type Offer,
  priceOf,
} from "../../host/services/directory.js";
import { AMOUNT_MAX } from "../../host/services/ledger.js";

const EURO = { currency: 978, exponent: 2 };
const YEN = { currency: 392, exponent: 0 };
const BUY: Offer = {
  direction: "buy",
  money: EURO,
  account: EURO,
  rate: { numerator: 1n, denominator: 1n },
  feeFixed: 0n,
  feePermille: 0n,
};

function merchant(digit: string, name: string, ...offers: Offer[]): DirectoryEntry {
  return { id: digit.repeat(32), name, address: `ws://127.0.0.1/${name}`, offers };
}

async function directory(location: DatabaseLocation = "memory") {
  const database = openDatabase<DirectoryTables>(location);
  return { database, directory: await Directory.open(database) };
}

describe("directory", () => {
  it("finds the cheapest merchant for the amount: fixed fees for large ones, shares for small ones", async () => {
    const { directory: shops } = await directory();
    await shops.put(merchant("a", "Fixed", { ...BUY, feeFixed: 100n }));
    await shops.put(merchant("b", "Share", { ...BUY, feePermille: 20n }));
    await shops.put(merchant("c", "Yen", { ...BUY, account: YEN }));
    const wish = { direction: "buy", money: EURO, account: EURO } as const;
    const small = await shops.shop({ ...wish, amount: 1_000n });
    expect(small.map((quote) => [quote.merchant.name, quote.authorization])).toEqual([
      ["Share", 1_020n],
      ["Fixed", 1_100n],
    ]);
    const large = await shops.shop({ ...wish, amount: 100_000n });
    expect(large.map((quote) => [quote.merchant.name, quote.fee])).toEqual([
      ["Fixed", 100n],
      ["Share", 2_000n],
    ]);
  });

  it("finds for a sale who credits most, and leaves out whose fee would eat it all", async () => {
    const { directory: shops } = await directory();
    const sell: Offer = { ...BUY, direction: "sell" };
    await shops.put(merchant("a", "Half", { ...sell, feePermille: 500n }));
    await shops.put(merchant("b", "Dear", { ...sell, feeFixed: 100n }));
    await shops.put(merchant("c", "Cheap", { ...sell, feeFixed: 1n }));
    const quotes = await shops.shop({ direction: "sell", money: EURO, account: EURO, amount: 100n });
    expect(quotes.map((quote) => [quote.merchant.name, quote.authorization])).toEqual([
      ["Cheap", 99n],
      ["Half", 50n],
    ]);
  });

  it("rounds so that no exchange makes money, there and back, however an amount is split", () => {
    const rate = fc.record({
      numerator: fc.bigInt({ min: 1n, max: 10n ** 9n }),
      denominator: fc.bigInt({ min: 1n, max: 10n ** 9n }),
    });
    fc.assert(
      fc.property(
        rate,
        fc.bigInt({ min: 1n, max: 10n ** 9n }),
        fc.bigInt({ min: 0n, max: 50n }),
        (fraction, amount, permille) => {
          const buy = { ...BUY, rate: fraction, feePermille: permille };
          const paid = priceOf(buy, amount)?.authorization ?? 0n;
          const back = priceOf({ ...buy, direction: "sell" }, amount)?.authorization ?? 0n;
          expect(back <= paid).toBe(true);
          const part = amount / 3n + 1n;
          const rest = amount - part;
          if (rest <= 0n) return;
          const inParts = (priceOf(buy, part)?.authorization ?? 0n) + (priceOf(buy, rest)?.authorization ?? 0n);
          expect(inParts >= paid).toBe(true);
        },
      ),
      { seed: 4, numRuns: 300 },
    );
  });

  it("refuses amounts that leave 63 bits", () => {
    expect(priceOf({ ...BUY, feeFixed: 1n }, AMOUNT_MAX)).toBeUndefined();
    expect(priceOf(BUY, AMOUNT_MAX)?.authorization).toBe(AMOUNT_MAX);
  });

  it("keeps entries in a file, replaces and removes them, and breaks ties by name", async () => {
    const folder = mkdtempSync(join(tmpdir(), "directory-"));
    const location = { file: join(folder, "directory.sqlite") };
    const first = await directory(location);
    await first.directory.put(merchant("b", "Alpha", BUY));
    await first.directory.put(merchant("a", "Beta", BUY, { ...BUY, direction: "sell" }));
    await first.directory.put(merchant("a", "Beta", { ...BUY, feeFixed: 0n }));
    await first.directory.put(merchant("d", "Gone", BUY));
    await first.directory.remove("d".repeat(32));
    await first.database.destroy();
    const second = await directory(location);
    expect(await second.directory.entries()).toEqual([merchant("a", "Beta", BUY), merchant("b", "Alpha", BUY)]);
    const quotes = await second.directory.shop({ direction: "buy", money: EURO, account: EURO, amount: 5n });
    expect(quotes.map((quote) => quote.merchant.name)).toEqual(["Alpha", "Beta"]);
    await second.database.destroy();
    rmSync(folder, { recursive: true });
  });

  it("refuses entries that make no sense", async () => {
    const { directory: shops } = await directory();
    for (const wrong of [
      { ...merchant("a", "x", BUY), id: "A".repeat(32) },
      merchant("a", "", BUY),
      merchant("a", "x", { ...BUY, rate: { numerator: 0n, denominator: 1n } }),
      merchant("a", "x", { ...BUY, rate: { numerator: 1n, denominator: 0n } }),
      merchant("a", "x", { ...BUY, feePermille: 1_001n }),
      merchant("a", "x", { ...BUY, feeFixed: -1n }),
      merchant("a", "x", ...Array.from({ length: 65 }, () => BUY)),
    ]) {
      await expect(shops.put(wrong)).rejects.toThrow(RangeError);
    }
    await expect(shops.shop({ direction: "buy", money: EURO, account: EURO, amount: 0n })).rejects.toThrow(
      "wish.amount",
    );
  });
});
