import { describe, expect, it } from "vitest";
import { CardIssuer, type HoldRequest, type IssuerTables } from "../../host/services/card-issuer.js";
import { openDatabase } from "../../host/services/database.js";
import { Ledger } from "../../host/services/ledger.js";
import { EURO, NOW } from "./network-world.js";

const CARD = "4000010000000017";

async function issuer() {
  const database = openDatabase<IssuerTables>("memory");
  await CardIssuer.migrate(database);
  const bank = new CardIssuer("alpen");
  await bank.openAccount(database, "A-1", EURO);
  await database.transaction().execute((transaction) => bank.fund(transaction, "salary", "A-1", 1_000n));
  await bank.issueCard(database, {
    number: CARD,
    expiry: "2812",
    holder: "A. HOLDER",
    account: "A-1",
    status: "active",
    dailyLimit: 500n,
  });
  const hold = (id: string, changes: Partial<HoldRequest> = {}) =>
    database.transaction().execute(async (transaction) => {
      const request: HoldRequest = {
        id,
        direction: "debit",
        amount: 300n,
        unit: EURO,
        time_seconds: NOW,
        source: { cardNumber: CARD, expiry: "2812" },
        ...changes,
      };
      const checked = await bank.check(transaction, request);
      if (typeof checked === "string") return checked;
      await bank.hold(transaction, request, checked);
      return "00";
    });
  const each = (step: "capture" | "release" | "suspend", id: string) =>
    database.transaction().execute((transaction) => bank[step](transaction, id, NOW));
  const audit = () => new Ledger().audit(database);
  return { bank, database, hold, each, audit };
}

describe("card issuer", () => {
  it("captures, releases and suspends a hold once, and never after another end", async () => {
    const { bank, database, hold, each, audit } = await issuer();
    expect(await hold("a")).toBe("00");
    for (let i = 0; i < 2; i++) await each("suspend", "a");
    expect(await bank.balance(database, "A-1")).toEqual({ available: 700n, held: 0n });
    for (let i = 0; i < 2; i++) await each("capture", "a");
    await expect(each("release", "a")).rejects.toThrow("already captured");
    await expect(each("suspend", "a")).rejects.toThrow("already captured");
    expect(await hold("b", { amount: 200n })).toBe("00");
    for (let i = 0; i < 2; i++) await each("release", "b");
    await expect(each("capture", "b")).rejects.toThrow("already released");
    await expect(each("capture", "nothing")).rejects.toThrow("no hold");
    expect(await bank.balance(database, "A-1")).toEqual({ available: 700n, held: 0n });
    expect(await audit()).toEqual([]);
  });

  it("declines a blocked card and one reported stolen, and keeps that when the card is issued again", async () => {
    const { bank, database, hold } = await issuer();
    await bank.setCardStatus(database, CARD, "blocked");
    expect(await hold("a")).toBe("05");
    await bank.setCardStatus(database, CARD, "stolen");
    const card = {
      number: CARD,
      expiry: "2812",
      holder: "A. HOLDER",
      account: "A-1",
      status: "active",
      dailyLimit: 500n,
    } as const;
    await bank.issueCard(database, card);
    expect(await hold("b")).toBe("43");
    await expect(bank.setCardStatus(database, "4000010000009999", "stolen")).rejects.toThrow("400001******9999");
  });

  it("takes a card to the last second of its month", async () => {
    const { hold } = await issuer();
    const end = BigInt(Date.UTC(2029, 0, 1)) / 1000n;
    expect(await hold("a", { time_seconds: end - 1n })).toBe("00");
    expect(await hold("b", { time_seconds: end })).toBe("54");
  });
});
