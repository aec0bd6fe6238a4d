/** Nobody has to believe the directory: what it says that is not so costs nothing, whoever is asked or not. */

import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { ReceiptFields } from "../../host/notices.js";
import { DirectoryDocumentError, documentText, readDocument } from "../../host/servers/directory-document.js";
import type { DirectoryEntry, Offer, Quote } from "../../host/services/directory.js";
import { parseMoney, unitOf } from "../../host/units.js";
import { DirectoryUnreachableError } from "../../host/wallet/remote-counterparties.js";
import { isAsQuoted, type TradePrompts, type Wallet } from "../../host/wallet/wallet.js";
import { ServedWorld } from "../support/served-world.js";
import { has } from "../support/wallets.js";

const usd = (text: string) => parseMoney(`USD ${text}`);

describe("a directory that lies about merchants", () => {
  let served: ServedWorld;
  let alice: Wallet;
  beforeEach(async () => {
    served = await ServedWorld.open();
    alice = await served.wallet("alice");
  });
  afterEach(() => served.close());

  const account = async () => (await served.world.network.accountBalance("meadow-bank", "current-alice"))?.available;
  const offering = (change: (offer: Offer) => Partial<Offer>) => (entry: DirectoryEntry) => ({
    ...entry,
    offers: entry.offers.map((offer) => ({ ...offer, ...change(offer) })),
  });

  async function expectRefused(trade: Promise<unknown>): Promise<void> {
    const before = await has(alice);
    await expect(trade).rejects.toThrow();
    await vi.waitFor(async () => expect(await account()).toBe(80_000n));
    expect([await has(alice), await alice.pending()]).toEqual([before, []]);
    for (const { outbox } of served.world.traders.values()) expect(await outbox.unfinished()).toEqual([]);
  }

  test("a fee or rate better than it is: unasked, nothing is agreed to", async () => {
    await alice.withdraw(usd("10.00"));
    const lies = [
      offering(() => ({ feePermille: 0n, feeFixed: 0n })),
      offering(({ direction }) => ({
        rate: direction === "buy" ? { numerator: 1n, denominator: 2n } : { numerator: 2n, denominator: 1n },
      })),
      offering(() => ({ feeFixed: 0n, feePermille: 8n })),
    ];
    for (const lie of lies) {
      served.lie = lie;
      await expectRefused(alice.buy(usd("5.00"), undefined, "alder"));
      await expectRefused(alice.sell(usd("5.00"), undefined, "alder"));
    }
  });

  test("a fee worse than it is: what is agreed to is what it is", async () => {
    served.lie = offering(() => ({ feeFixed: 500n }));
    const { receipt } = await alice.buy(usd("5.00"), undefined, "alder");
    expect([receipt.fee, await account()]).toEqual([5n, 80_000n - 505n]);
  });

  test("whoever is asked sees the receipt and the promise before anything moves", async () => {
    served.lie = offering(() => ({ feePermille: 0n }));
    const seen: [ReceiptFields, Quote][] = [];
    const prompts: TradePrompts = {
      confirmMerchant: () => true,
      confirmReceipt: (receipt, quote) => {
        seen.push([receipt, quote]);
        return false;
      },
    };
    await expectRefused(alice.buy(usd("5.00"), prompts, "alder"));
    const [[receipt, quote] = []] = seen;
    expect([receipt?.authorization.amount, quote?.authorization]).toEqual([505n, 500n]);
    expect(receipt !== undefined && quote !== undefined && isAsQuoted(receipt, quote)).toBe(false);
  });

  test("another name, or another merchant's address: the one that answers says who it is", async () => {
    served.lie = (entry) => ({ ...entry, name: `${entry.name} Discount` });
    await expectRefused(alice.buy(usd("5.00"), undefined, "Alder Exchange Discount"));
    served.lie = (entry) => ({ ...entry, address: served.urlOf("birch") });
    await expectRefused(alice.buy(usd("5.00"), undefined, "alder"));
    const names: [string, string][] = [];
    const asked: TradePrompts = {
      confirmMerchant: (name, quote) => {
        names.push([name, quote.merchant.name]);
        return false;
      },
      confirmReceipt: () => true,
    };
    await expectRefused(alice.buy(usd("5.00"), asked, "alder"));
    expect(names).toEqual([["Birch Money", "Alder Exchange"]]);
  });

  test("an address of nobody, of garbage, of somebody who speaks otherwise", async () => {
    const addresses = [
      "ws://127.0.0.1:1/",
      "http://127.0.0.1/",
      "javascript:alert(1)",
      "x",
      served.bank.url,
      served.directory.url.replace("http", "ws"),
      "ws://a:b@127.0.0.1/",
    ];
    for (const address of addresses) {
      served.lie = (entry) => ({ ...entry, address });
      await expectRefused(alice.buy(usd("5.00"), undefined, "alder"));
    }
    served.lie = (entry) => entry;
    expect((await alice.buy(usd("5.00"), undefined, "alder")).receipt.fee).toBe(5n);
  });

  test("another card's currency, or no offers at all: there is no merchant", async () => {
    served.lie = offering(() => ({ account: unitOf("EUR") }));
    await expectRefused(alice.buy(usd("5.00")));
    served.lie = (entry) => ({ ...entry, offers: [] });
    await expectRefused(alice.buy(usd("5.00")));
    served.lie = offering(() => ({ rate: { numerator: 10n ** 18n - 1n, denominator: 1n } }));
    await expectRefused(alice.buy(usd("5.00")));
  });
});

describe("a directory that is none", () => {
  let world: ServedWorld;
  let server: Server;
  let answer: (response: ServerResponse) => void;
  beforeEach(async () => {
    world = await ServedWorld.open();
    server = createServer((_request, response) => answer(response));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await world.close();
  });

  test("garbage, errors, a giant, a redirection, a connection that breaks off: a sentence, and no money moved", async () => {
    const alice = await world.wallet("alice", `http://127.0.0.1:${(server.address() as AddressInfo).port}/directory`);
    const kinds: [
      (response: ServerResponse) => void,
      typeof DirectoryUnreachableError | typeof DirectoryDocumentError,
    ][] = [
      [(r) => r.end("<html>"), DirectoryDocumentError],
      [(r) => r.end(), DirectoryDocumentError],
      [(r) => r.end("null"), DirectoryDocumentError],
      [(r) => r.writeHead(500).end("{}"), DirectoryUnreachableError],
      [(r) => r.writeHead(302, { location: world.directory.url }).end(), DirectoryUnreachableError],
      [(r) => r.end(`"${"x".repeat(5 * 1024 * 1024)}"`), DirectoryDocumentError],
      [(r) => r.socket?.destroy(), DirectoryUnreachableError],
      [(r) => r.write('{"merchants":[', () => r.socket?.destroy()), DirectoryUnreachableError],
    ];
    for (const [kind, error] of kinds) {
      answer = kind;
      const refused = alice.buy(usd("1.00"));
      await expect(refused, String(kind)).rejects.toThrow(error);
      await expect(refused, String(kind)).rejects.toThrow(/No money moved/);
    }
    answer = (response) => response.end(documentText({ merchants: [], bank: undefined, issuers: [] }));
    await expect(alice.buy(usd("1.00"))).rejects.toThrow(/issuer is not known/);
    expect(await has(alice)).toBe(0n);
  });

  test("one that never ends its answer is not waited for without end", async () => {
    const alice = await world.wallet("alice", `http://127.0.0.1:${(server.address() as AddressInfo).port}/directory`);
    answer = (response) => response.write('{"merchants":[');
    await expect(alice.buy(usd("1.00"))).rejects.toThrow(/gave no answer.*No money moved/);
  });
});

describe("the shape of the document", () => {
  const offer = {
    direction: "buy",
    money: { currency: 840, exponent: 2 },
    account: { currency: 840, exponent: 2 },
    rate: { numerator: "1", denominator: "1" },
    feeFixed: "0",
    feePermille: "10",
  };
  const entry = { id: "0".repeat(32), name: "Alder", address: "ws://x/", offers: [offer] };
  const good = { merchants: [entry], bank: "ws://x/", issuers: [{ bank: "b", unit: offer.money }] };

  test("is read as it is written, and nothing else is read", () => {
    expect(readDocument(JSON.stringify(good)).merchants[0]?.offers[0]?.feePermille).toBe(10n);
    const withOffer = (change: object) => ({ ...good, merchants: [{ ...entry, offers: [{ ...offer, ...change }] }] });
    const withEntry = (change: object) => ({ ...good, merchants: [{ ...entry, ...change }] });
    const wrong: object[] = [
      [],
      {},
      { ...good, merchants: {} },
      { ...good, merchants: [null] },
      { ...good, merchants: Array(10_001).fill(entry) },
      { ...good, bank: 7 },
      { ...good, bank: "" },
      { ...good, issuers: undefined },
      { ...good, issuers: [{ bank: "b", unit: 840 }] },
      withEntry({ id: 7 }),
      withEntry({ name: "" }),
      withEntry({ name: "n".repeat(257) }),
      withEntry({ name: "Alder\r\u001b[2KBirch" }),
      withEntry({ name: "Alder\u202ehcriB" }),
      withEntry({ address: ["ws://x/"] }),
      withEntry({ offers: offer }),
      withEntry({ offers: Array(1_000).fill(offer) }),
      withOffer({ direction: "give" }),
      withOffer({ rate: { numerator: "1", denominator: "0" } }),
      withOffer({ rate: { numerator: "-1", denominator: "1" } }),
      withOffer({ rate: { numerator: 1, denominator: "1" } }),
      withOffer({ rate: "1/1" }),
      withOffer({ feeFixed: "1e3" }),
      withOffer({ feeFixed: "9".repeat(19) }),
      withOffer({ feePermille: null }),
      withOffer({ money: { currency: 840.5, exponent: 2 } }),
      withOffer({ money: { currency: 840, exponent: 19 } }),
      withOffer({ account: { currency: 1_000, exponent: 2 } }),
    ];
    for (const document of wrong) {
      expect(() => readDocument(JSON.stringify(document)), JSON.stringify(document).slice(0, 99)).toThrow(
        DirectoryDocumentError,
      );
    }
  });
});
