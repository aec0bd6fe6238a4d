import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROLE_MERCHANT, SIGNED_APPROVAL, TREE_MODULES } from "../../firmware/protocol/kinds.js";
import { decode, encode } from "../../host/codec/cbor.js";
import { verifyChain } from "../../host/codec/certificate.js";
import { payloadOf, sign1 } from "../../host/codec/cose.js";
import { readApproval, verifyOutcome } from "../../host/services/approval.js";
import { encodeMessage, IsoMessage } from "../../host/services/iso8583/codec.js";
import {
  type AuthorizationRequest,
  adviceMessage,
  isoTime,
  MANAGEMENT,
  managementMessage,
  originalElements,
  readTime,
} from "../../host/services/iso8583/messages.js";
import {
  ACQUIRER,
  AgentTree,
  advice,
  authorization,
  CARD,
  CUSTOMER,
  EXPIRED_CARD,
  MERCHANT,
  NETWORK_AGENT,
  NOW,
  network,
  outcomeOf,
  request,
  SETUP,
  STOLEN_CARD,
  STRANGER,
  TREE,
  YEN_CARD,
} from "./network-world.js";

const DAY = 86_400n;
type World = Awaited<ReturnType<typeof network>>;

async function approve(world: World, changes: Partial<AuthorizationRequest> = {}): Promise<Uint8Array> {
  const answer = await world.service.handle(authorization(changes));
  expect(answer.fields[39]).toBe("00");
  return answer.fields[62] as Uint8Array;
}

async function codeOf(world: World, message: IsoMessage): Promise<string | undefined> {
  return (await world.service.handle(message)).fields[39];
}

async function balances(world: World) {
  const [customer, shop] = [
    await world.service.accountBalance("alpen", "A-1"),
    await world.service.accountBalance("alpen", "SHOP"),
  ];
  return { customer: customer.available, customerHeld: customer.held, shop: shop.available, shopHeld: shop.held };
}

const UNTOUCHED = { customer: 100_000n, customerHeld: 0n, shop: 20_000n, shopHeld: 0n };

async function expectSoundBooks(world: World): Promise<void> {
  expect(await world.service.audit()).toEqual([]);
  expect(world.faults).toEqual([]);
}

describe("authorization", () => {
  it("holds the customer's funds for a purchase and signs what it approved", async () => {
    const world = await network();
    const answer = await world.service.handle(authorization());
    expect(await balances(world)).toEqual({ ...UNTOUCHED, customer: 90_000n, customerHeld: 10_000n });
    const { device } = verifyChain(answer.fields[61] as Uint8Array, TREE.root, Number(NOW));
    expect(readApproval(answer.fields[62] as Uint8Array, device.signatureKey)).toEqual({
      receiptHash: request().receiptHash,
      bankId: "alpen",
      accountNumber: CARD,
      type: 1,
      amount: 10_000n,
      unit: { currency: 978, exponent: 2 },
      stan: 1,
      date_seconds: NOW,
      lastDay_seconds: (NOW / DAY + 2n) * DAY - 1n,
    });
    await expectSoundBooks(world);
  });

  it("holds the merchant's funds for a sale, and the customer has nothing yet", async () => {
    const world = await network();
    const approval = await approve(world, { type: "sale" });
    expect(readApproval(approval).type).toBe(2);
    expect(await balances(world)).toEqual({ ...UNTOUCHED, shop: 10_000n, shopHeld: 10_000n });
  });

  it.each<[string, string, Partial<AuthorizationRequest>]>([
    ["14", "an unknown card", { cardNumber: "4000019999999999" }],
    ["15", "a card of no bank", { cardNumber: "9999990000000000" }],
    ["43", "a stolen card", { cardNumber: STOLEN_CARD }],
    ["54", "an expired card", { cardNumber: EXPIRED_CARD, expiry: "2610" }],
    ["54", "a wrong expiry", { expiry: "2712" }],
    ["61", "the daily limit", { amount: 50_001n }],
    ["51", "a sale above the merchant's funds", { type: "sale", amount: 20_001n }],
    ["13", "an amount of zero", { amount: 0n }],
    ["12", "a currency without a rate", { currency: 392 }],
    ["12", "a currency it does not know", { currency: 756 }],
    ["12", "a request of another week", { time_seconds: NOW - 7n * DAY }],
    ["03", "a merchant without contract", { merchant: "SHOP-2" }],
    ["03", "another merchant's account", { settlement: { bank: "alpen", number: "A-1" } }],
    ["03", "an agent that is not the merchant's", { merchantAgent: STRANGER.id }],
  ])("declines with %s: %s", async (code, _why, changes) => {
    const world = await network();
    const answer = await world.service.handle(authorization(changes));
    expect(answer.fields[39]).toBe(code);
    expect(answer.fields[62]).toBeUndefined();
    expect(await balances(world)).toEqual(UNTOUCHED);
    await expectSoundBooks(world);
  });

  it("counts a day's debits against the limit, forgets reversed ones, and starts anew the next day", async () => {
    const world = await network();
    const first = await approve(world, { stan: 1, amount: 30_000n });
    expect(await codeOf(world, authorization({ stan: 2, amount: 30_000n }))).toBe("61");
    expect(await codeOf(world, advice("0400", outcomeOf(first, false)))).toBe("00");
    await approve(world, { stan: 3, amount: 30_000n });
    world.clock.time_seconds += DAY;
    await approve(world, { stan: 4, amount: 50_000n, time_seconds: NOW + DAY });
    expect(await codeOf(world, authorization({ stan: 5, amount: 50_000n, time_seconds: NOW + DAY }))).toBe("61");
    await expectSoundBooks(world);
  });

  it("says insufficient funds when the account does not cover it", async () => {
    const world = await network();
    await approve(world, { stan: 1, amount: 50_000n });
    world.clock.time_seconds += DAY;
    await approve(world, { stan: 2, amount: 20_000n, time_seconds: NOW + DAY });
    world.clock.time_seconds += DAY;
    expect(await codeOf(world, authorization({ stan: 3, amount: 30_001n, time_seconds: NOW + 2n * DAY }))).toBe("51");
    await approve(world, { stan: 4, amount: 30_000n, time_seconds: NOW + 2n * DAY });
  });

  it("answers a repeated request byte for byte, also a declined one, and refuses another under its number", async () => {
    const world = await network();
    for (const changes of [{ stan: 1 }, { stan: 2, cardNumber: STOLEN_CARD }]) {
      const first = encodeMessage(await world.service.handle(authorization(changes)));
      world.clock.time_seconds += 3_600n;
      expect(encodeMessage(await world.service.handle(authorization(changes)))).toEqual(first);
    }
    expect(await codeOf(world, authorization({ stan: 1, amount: 10_001n }))).toBe("94");
    expect(await codeOf(world, authorization({ stan: 1, time_seconds: NOW + 60n }))).toBe("94");
    expect((await balances(world)).customerHeld).toBe(10_000n);
    expect(await codeOf(world, authorization({ stan: 1, acquirer: "777" }))).toBe("94"); // the receipt is authorized
  });

  it("authorizes a receipt once, whatever number it comes under, unless it was declined", async () => {
    const world = await network();
    const receiptHash = request({ stan: 77 }).receiptHash;
    expect(await codeOf(world, authorization({ stan: 1, receiptHash, cardNumber: STOLEN_CARD }))).toBe("43");
    await approve(world, { stan: 2, receiptHash });
    expect(await codeOf(world, authorization({ stan: 3, receiptHash }))).toBe("94");
    expect((await balances(world)).customerHeld).toBe(10_000n);
  });

  it("stores a whole card number in the signed approval only, and prints none", async () => {
    const world = await network();
    const answer = await world.service.handle(authorization());
    const rows = await world.database.selectFrom("network_authorization").selectAll().execute();
    const text = JSON.stringify(
      rows.map(({ response: _response, ...row }) => row),
      (_key, value) => (typeof value === "bigint" ? value.toString() : value),
    );
    expect(text).not.toContain(CARD);
    expect(String(answer)).not.toContain(CARD);
    expect(text).toContain("400001******0017");
  });
});

describe("completion and reversal", () => {
  it("debits the customer on a committed outcome, once, from either agent", async () => {
    const world = await network();
    const approval = await approve(world);
    for (const agent of [MERCHANT, CUSTOMER, MERCHANT]) {
      expect(await codeOf(world, advice("0220", outcomeOf(approval, true, agent)))).toBe("00");
      expect(await balances(world)).toEqual({ ...UNTOUCHED, customer: 90_000n, shop: 30_000n });
    }
    await expectSoundBooks(world);
  });

  it("credits the customer of a sale on a committed outcome", async () => {
    const world = await network();
    const approval = await approve(world, { type: "sale" });
    expect(await codeOf(world, advice("0220", outcomeOf(approval, true)))).toBe("00");
    expect(await balances(world)).toEqual({ ...UNTOUCHED, customer: 110_000n, shop: 10_000n });
    await expectSoundBooks(world);
  });

  it.each(["0400", "0420"] as const)("gives the funds back on an aborted outcome in a %s, once", async (type) => {
    for (const kind of ["purchase", "sale"] as const) {
      const world = await network();
      const approval = await approve(world, { type: kind });
      for (let i = 0; i < 2; i++) {
        expect(await codeOf(world, advice(type, outcomeOf(approval, false, CUSTOMER)))).toBe("00");
        expect(await balances(world)).toEqual(UNTOUCHED);
      }
      await expectSoundBooks(world);
    }
  });

  it("answers a repeated advice byte for byte", async () => {
    const world = await network();
    const message = advice("0220", outcomeOf(await approve(world), true));
    const first = encodeMessage(await world.service.handle(message));
    world.clock.time_seconds += 60n;
    expect(encodeMessage(await world.service.handle(message))).toEqual(first);
  });

  it("acts on nothing but an outcome of one of the two agents, as announced", async () => {
    const world = await network();
    const approval = await approve(world);
    const foreign = new AgentTree("another root").agent("merchant", ROLE_MERCHANT);
    const good = outcomeOf(approval, true);
    const tampered = good.slice();
    const position = tampered.length - 100;
    tampered[position] = (tampered[position] as number) ^ 1;
    const payload = payloadOf((decode(good) as readonly Uint8Array[])[0] as Uint8Array);
    const wrongKind = encode([sign1(SIGNED_APPROVAL, payload, MERCHANT.signer), MERCHANT.chain]);
    const impostor = outcomeOf(approval, true, { ...STRANGER, chain: MERCHANT.chain });
    const refused: [string, IsoMessage][] = [
      ["63", advice("0220", outcomeOf(approval, true, STRANGER))],
      ["63", advice("0220", outcomeOf(approval, true, NETWORK_AGENT))],
      ["63", advice("0220", outcomeOf(approval, true, foreign))],
      ["63", advice("0220", impostor)],
      ["63", advice("0220", tampered)],
      ["63", advice("0220", wrongKind)],
      ["63", advice("0220", new Uint8Array([1, 2, 3]))],
      ["12", advice("0220", outcomeOf(approval, false))],
      ["12", advice("0400", good)],
      ["12", advice("0420", good)],
      ["25", advice("0220", outcomeOf(new Uint8Array(40), true))],
      ["30", new IsoMessage("0220", { 7: isoTime(NOW), 11: "000001", 32: ACQUIRER })],
    ];
    for (const [code, message] of refused) expect(await codeOf(world, message)).toBe(code);
    expect(await balances(world)).toEqual({ ...UNTOUCHED, customer: 90_000n, customerHeld: 10_000n });
    expect(await codeOf(world, advice("0220", good))).toBe("00");
    await expectSoundBooks(world);
  });

  it("takes outcomes from the agents' tree only", async () => {
    const evidence = outcomeOf(await approve(await network()), true);
    expect(verifyOutcome(evidence, TREE.root).agent.id).toEqual(MERCHANT.id);
    expect(() => verifyOutcome(evidence, { ...TREE.root, tree: TREE_MODULES })).toThrow(RangeError);
  });

  it("takes an outcome whose agent's certificate has run out meanwhile", async () => {
    const world = await network();
    const approval = await approve(world);
    world.clock.time_seconds += 2_000n;
    expect(await codeOf(world, advice("0220", outcomeOf(approval, true)))).toBe("00");
  });

  it("checks the original data elements where they are given", async () => {
    const world = await network();
    const approval = await approve(world);
    const base = {
      type: "0220" as const,
      stan: 9,
      time_seconds: NOW,
      acquirer: ACQUIRER,
      outcome: outcomeOf(approval, true),
    };
    const wrong = { stan: 2, time_seconds: NOW, acquirer: ACQUIRER };
    expect(await codeOf(world, adviceMessage({ ...base, original: wrong }))).toBe("12");
    expect(await codeOf(world, adviceMessage({ ...base, original: { ...wrong, stan: 1 } }))).toBe("00");
    expect(originalElements({ ...wrong, stan: 1 })).toHaveLength(42);
  });

  it("keeps what was settled first when agents contradict each other, and reports it", async () => {
    const world = await network();
    const approval = await approve(world);
    expect(await codeOf(world, advice("0220", outcomeOf(approval, true)))).toBe("00");
    for (let i = 0; i < 2; i++) {
      expect(await codeOf(world, advice("0420", outcomeOf(approval, false, CUSTOMER)))).toBe("21");
    }
    expect(await balances(world)).toEqual({ ...UNTOUCHED, customer: 90_000n, shop: 30_000n });
    expect(await world.service.incidents()).toMatchObject([{ outcome: 2 }]);
  });
});

describe("suspense", () => {
  it("takes what nobody settles, reports it, never gives it back by itself, and follows a late outcome", async () => {
    for (const [kind, committed, end] of [
      ["purchase", true, { ...UNTOUCHED, customer: 90_000n, shop: 30_000n }],
      ["purchase", false, UNTOUCHED],
      ["sale", true, { ...UNTOUCHED, customer: 110_000n, shop: 10_000n }],
      ["sale", false, UNTOUCHED],
    ] as const) {
      const world = await network();
      const approval = await approve(world, { type: kind });
      world.clock.time_seconds = readApproval(approval).lastDay_seconds + 3n * DAY;
      expect(await world.service.sweep()).toBe(0);
      world.clock.time_seconds += 1n;
      expect(await world.service.sweep()).toBe(1);
      expect(await world.service.sweep()).toBe(0);
      expect(await world.service.suspense()).toMatchObject([{ stan: 1, card: "400001******0017", amount: 10_000n }]);
      const payer = kind === "purchase" ? { customer: 90_000n } : { shop: 10_000n };
      expect(await balances(world)).toEqual({ ...UNTOUCHED, ...payer });
      const type = committed ? "0220" : "0420";
      for (let i = 0; i < 2; i++) expect(await codeOf(world, advice(type, outcomeOf(approval, committed)))).toBe("00");
      expect(await balances(world)).toEqual(end);
      expect(await world.service.suspense()).toEqual([]);
      await expectSoundBooks(world);
    }
  });

  it("leaves alone what was settled or declined", async () => {
    const world = await network();
    const approval = await approve(world);
    await world.service.handle(authorization({ stan: 2, cardNumber: STOLEN_CARD }));
    await world.service.handle(advice("0220", outcomeOf(approval, true)));
    world.clock.time_seconds += 30n * DAY;
    expect(await world.service.sweep()).toBe(0);
  });
});

describe("foreign currency", () => {
  it("debits rounded up and credits rounded down, at the rate the answer states", async () => {
    const world = await network();
    const answer = await world.service.handle(authorization({ cardNumber: YEN_CARD, amount: 10_001n }));
    expect(answer.fields).toMatchObject({
      39: "00",
      4: "000000010001",
      49: "978",
      6: "000000016335",
      10: "40016333",
      51: "392",
    });
    const buy = answer.fields[62] as Uint8Array;
    expect(readApproval(buy)).toMatchObject({ bankId: "tokai", amount: 10_001n, unit: { currency: 978, exponent: 2 } });
    expect(await codeOf(world, advice("0220", outcomeOf(buy, true)))).toBe("00");
    expect((await world.service.accountBalance("tokai", "T-1")).available).toBe(500_000n - 16_335n);
    const sale = await world.service.handle(
      authorization({ stan: 2, type: "sale", cardNumber: YEN_CARD, amount: 10_001n }),
    );
    expect(sale.fields[6]).toBe("000000016334");
    expect(await codeOf(world, advice("0220", outcomeOf(sale.fields[62] as Uint8Array, true)))).toBe("00");
    expect((await world.service.accountBalance("tokai", "T-1")).available).toBe(500_000n - 16_335n + 16_334n);
    expect((await balances(world)).shop).toBe(20_000n);
    const exchange = await world.database
      .selectFrom("ledger_account")
      .select(["id", "balance"])
      .where("id", "like", "network/exchange/%")
      .orderBy("id")
      .execute();
    expect(exchange).toEqual([
      { id: "network/exchange/392.0", balance: -1n }, // An asset below zero: the yen that rounding left is the network's.
      { id: "network/exchange/978.2", balance: 0n },
    ]);
    await expectSoundBooks(world);
  });

  it("refuses an account that is kept in other fractions of the currency", async () => {
    const world = await network();
    const [card] = SETUP.cards;
    await world.service.setUp({
      ...SETUP,
      accounts: [{ bank: "alpen", number: "FINE", unit: { currency: 978, exponent: 4 }, opening: 1_000_000n }],
      cards: [{ ...(card as (typeof SETUP.cards)[number]), number: "4000010000000041", account: "FINE" }],
    });
    expect(await codeOf(world, authorization({ cardNumber: "4000010000000041", amount: 100n }))).toBe("12");
  });

  it("refuses a sale so small that nothing would be credited", async () => {
    const world = await network();
    await world.service.setRate({ accountCurrency: 392, currency: 978, numerator: 5n, decimals: 1 });
    expect(await codeOf(world, authorization({ type: "sale", cardNumber: YEN_CARD, amount: 1n }))).toBe("13");
    await expect(
      world.service.setRate({ accountCurrency: 392, currency: 978, numerator: 10_000_000n, decimals: 1 }),
    ).rejects.toThrow(RangeError);
  });
});

describe("messages", () => {
  it("answers sign-on with its certificate, echo, and refuses other management", async () => {
    const world = await network();
    const management = { stan: 1, time_seconds: NOW, acquirer: ACQUIRER };
    const signOn = await world.service.handle(managementMessage({ ...management, code: MANAGEMENT.signOn }));
    expect(signOn.type).toBe("0810");
    expect(signOn.fields).toMatchObject({ 39: "00", 61: NETWORK_AGENT.chain });
    expect((await world.service.handle(managementMessage({ ...management, code: MANAGEMENT.echo }))).fields[39]).toBe(
      "00",
    );
    expect(await codeOf(world, new IsoMessage("0800", { 11: "000001", 32: ACQUIRER, 70: "999" }))).toBe("30");
  });

  it("serves a connection only under the number it signed on with", async () => {
    const world = await network();
    const respond = world.service.connection();
    expect((await respond(authorization()))?.fields[39]).toBe("58");
    await respond(managementMessage({ code: MANAGEMENT.signOn, stan: 1, time_seconds: NOW, acquirer: "777" }));
    expect((await respond(authorization()))?.fields[39]).toBe("58");
    await respond(managementMessage({ code: MANAGEMENT.signOn, stan: 2, time_seconds: NOW, acquirer: ACQUIRER }));
    expect((await respond(authorization()))?.fields[39]).toBe("00");
    await respond(managementMessage({ code: MANAGEMENT.signOff, stan: 3, time_seconds: NOW, acquirer: ACQUIRER }));
    expect((await respond(authorization()))?.fields[39]).toBe("58");
  });

  it("refuses a request that lacks a field, in order of fields, and answers a response with a format error", async () => {
    const world = await network();
    const whole = authorization();
    for (const number of [2, 3, 4, 7, 11, 13, 14, 32, 41, 42, 43, 48, 49] as const) {
      const { [number]: _left, ...fields } = whole.fields;
      expect(await codeOf(world, new IsoMessage("0100", fields))).toBe("30");
    }
    const garbled = { ...whole.fields, 48: new Uint8Array([0x85, 1]) };
    expect(await codeOf(world, new IsoMessage("0100", garbled))).toBe("30");
    expect(await codeOf(world, new IsoMessage("0100", { ...whole.fields, 13: "0101" }))).toBe("30");
    expect(await codeOf(world, new IsoMessage("0110", whole.fields))).toBe("30");
    expect(await balances(world)).toEqual(UNTOUCHED);
    expect(world.faults).toEqual([]);
  });

  it("finds the year that a message leaves out", () => {
    const newYear = BigInt(Date.UTC(2027, 0, 1)) / 1000n;
    for (const time of [newYear - 1n, newYear, newYear + 1n, newYear + 100n * DAY, newYear - 100n * DAY]) {
      expect(readTime(isoTime(time), newYear)).toBe(time);
    }
    const leapDay = BigInt(Date.UTC(2028, 1, 29, 12)) / 1000n;
    expect(readTime(isoTime(leapDay), leapDay + 200n * DAY)).toBe(leapDay);
    expect(() => readTime("0231000000", newYear)).toThrow("no date");
  });
});

describe("restart", () => {
  it("goes on from the file as if nothing had happened", async () => {
    const folder = mkdtempSync(join(tmpdir(), "network-"));
    const location = { file: join(folder, "network.sqlite") };
    const first = await network(location);
    const answer = encodeMessage(await first.service.handle(authorization()));
    await first.database.destroy();
    const second = await network(location);
    const again = await second.service.handle(authorization());
    expect(encodeMessage(again)).toEqual(answer);
    expect(await codeOf(second, advice("0220", outcomeOf(again.fields[62] as Uint8Array, true)))).toBe("00");
    expect(await balances(second)).toEqual({ ...UNTOUCHED, customer: 90_000n, shop: 30_000n });
    await second.database.destroy();
    rmSync(folder, { recursive: true });
  });
});
