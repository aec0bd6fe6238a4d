/** A card that only stores halves: asked for by a computer, spent over HTTP, cut off while it is written, closed. */

import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { PURSE_MONEY } from "../../firmware/protocol/tokens.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { chooseTokens } from "../../host/tokens/buyer/choose-tokens.js";
import { SoftwareIdentity } from "../../host/tokens/buyer/software-identity.js";
import { StorageCard, StorageCardError } from "../../host/tokens/buyer/storage-card.js";
import { TokenError } from "../../host/tokens/errors.js";
import { payingFetch } from "../../host/tokens/http/paying-client.js";
import { serveSeller } from "../../host/tokens/http/serve-seller.js";
import { readClose, verifyClose } from "../../host/tokens/messages/closing.js";
import { encodeOrder, encodePayment } from "../../host/tokens/messages/payment.js";
import { NOW } from "../support/agencies.js";
import { DAY, GOODS, outcome, SellerWorld } from "../support/seller-world.js";
import { bytesFrom, FINE_DOLLAR } from "../support/token-buyer.js";

/** 50 tokens of 1, 20 of 10. */
const COINS = [
  { value: 1n, count: 50 },
  { value: 10n, count: 20 },
];
const STATES_AT = 4_096;
const STATE_BYTES = 512;

let world: SellerWorld;
let folder: string;
let file: string;
let identity: SoftwareIdentity;
let signatureKey: Uint8Array;

beforeEach(async () => {
  world = await SellerWorld.open("storage card");
  folder = mkdtempSync(join(tmpdir(), "tallystick-card-"));
  file = join(folder, "card");
  const bytes = bytesFrom(world.random);
  const [id, signatureSeed, agreementSecret] = [bytes(16), bytes(32), bytes(32)];
  signatureKey = ed25519Signer(signatureSeed).publicKey;
  const keys = { signatureKey, agreementKey: x25519KeyPair(agreementSecret).publicKey };
  const chain = world.agency.issue({ id, role: ROLE_PURSE, ...keys }, NOW - DAY);
  identity = new SoftwareIdentity({ chain, signatureSeed, agreementSecret, random: world.random });
});
afterEach(async () => {
  await world.close();
  rmSync(folder, { recursive: true });
});

async function ask(): Promise<Uint8Array> {
  const order = {
    issuerChain: world.issuer.chain,
    seller: world.seller.id,
    kind: PURSE_MONEY,
    unit: FINE_DOLLAR,
    denominations: COINS,
    spendBy_seconds: NOW + 30 * DAY,
    assertion: null,
  };
  return (await identity.ask(file, order, NOW)).outer;
}

async function newCard(): Promise<StorageCard> {
  const { share } = await world.seller.forward(await ask());
  await identity.install(file, { share, halves: null });
  return StorageCard.open(file);
}

let orders = 0;
function order(price: bigint): Uint8Array {
  orders += 1;
  const nonce = new Uint8Array(16).fill(orders);
  return encodeOrder({
    seller: world.seller.id,
    nonce,
    goods: GOODS,
    unit: FINE_DOLLAR,
    price,
    delivery: 0,
    assertion: null,
  });
}

const accept = async (bytes: Uint8Array, card: StorageCard, price: bigint) => {
  const { parts } = await card.spend(bytes, price);
  return outcome(world.seller.accept(encodePayment({ order: bytes, parts }), world.expected(price)));
};

describe("a card that only stores halves", () => {
  it("is asked for, filled, and pays; the same order again shows the same halves", async () => {
    const card = await newCard();
    expect(card.available).toBe(250n);
    expect(existsSync(`${file}.request`)).toBe(false);
    const first = order(37n);
    const shown = await card.spend(first, 37n);
    expect(shown.parts[0]?.ranges).toEqual([
      { first: 0, count: 7 },
      { first: 50, count: 3 },
    ]);
    expect(await accept(first, card, 37n)).toBe("paid");
    expect(await card.spend(first, 37n)).toEqual(shown);
    const other = await card.spend(order(11n), 11n);
    expect(other.parts[0]?.ranges).toEqual([
      { first: 7, count: 1 },
      { first: 53, count: 1 },
    ]);
    expect(card.available).toBe(202n);
    await card.close();
  });

  it("lets no half out before the disk has what left it, and none where the disk fails", async () => {
    const card = await newCard();
    const handle = await open(file);
    const disk = vi.spyOn(Object.getPrototypeOf(handle) as FileHandle, "datasync");
    await handle.close();
    disk.mockRejectedValueOnce(new Error("the disk failed"));
    const bytes = order(37n);
    await expect(card.spend(bytes, 37n)).rejects.toThrow("the disk failed");
    expect(card.available).toBe(250n);
    let synchronise = () => {};
    disk.mockImplementationOnce(
      () =>
        new Promise<void>((resolve) => {
          synchronise = resolve;
        }),
    );
    let isOut = false;
    const spent = card.spend(bytes, 37n).then((shown) => {
      isOut = true;
      return shown;
    });
    await expect.poll(() => disk.mock.calls.length).toBe(2);
    // Whatever the card could do meanwhile it has done when the file was read once more.
    expect(readFileSync(file).length).toBeGreaterThan(0);
    await (await open(file)).close();
    expect([isOut, card.available]).toEqual([false, 250n]);
    synchronise();
    expect((await spent).parts[0]?.ranges).toEqual([
      { first: 0, count: 7 },
      { first: 50, count: 3 },
    ]);
    expect(card.available).toBe(213n);
    disk.mockRestore();
    await card.close();
  });

  it("is paid in parts, and refuses what it cannot make, another seller, less than before", async () => {
    const card = await newCard();
    const bytes = order(20n);
    await card.spend(bytes, 5n);
    expect((await card.spend(bytes, 20n)).parts[0]?.ranges).toEqual([
      { first: 0, count: 10 },
      { first: 50, count: 1 },
    ]);
    const refusal = (work: Promise<unknown>) => expect(work).rejects.toBeInstanceOf(TokenError);
    await refusal(card.spend(bytes, 10n));
    await refusal(card.spend(bytes, 21n));
    await refusal(card.spend(order(1_000n), 1_000n));
    const other = {
      nonce: new Uint8Array(16),
      goods: GOODS,
      unit: FINE_DOLLAR,
      price: 5n,
      delivery: 0,
      assertion: null,
    };
    await refusal(card.spend(encodeOrder({ seller: new Uint8Array(16), ...other }), 5n));
    expect(card.available).toBe(230n);
    await card.close();
  });

  it("has the halves of an order marked in its file before they leave it", async () => {
    const card = await newCard();
    await card.spend(order(3n), 3n);
    const copy = join(folder, "copy");
    copyFileSync(file, copy);
    const other = await StorageCard.open(copy);
    expect(other.available).toBe(247n);
    await Promise.all([card.close(), other.close()]);
  });

  it("is before or after where a write of it was cut off at any byte", async () => {
    const card = await newCard();
    await card.spend(order(3n), 3n);
    const before = readFileSync(file);
    await card.spend(order(4n), 4n);
    const after = readFileSync(file);
    await card.close();
    const states = (bytes: Buffer) =>
      [0, 1].map((slot) => bytes.subarray(STATES_AT + slot * STATE_BYTES, STATES_AT + (slot + 1) * STATE_BYTES));
    expect(states(before).filter((state, slot) => !state.equals(states(after)[slot] ?? before))).toHaveLength(1);
    const seen = new Set<bigint>();
    for (let cut = 0; cut <= STATE_BYTES; cut++) {
      const torn = Buffer.from(before);
      for (const at of [STATES_AT, STATES_AT + STATE_BYTES]) after.copy(torn, at, at, at + cut);
      writeFileSync(file, torn);
      const found = await StorageCard.open(file);
      seen.add(found.available);
      await found.close();
    }
    expect([...seen].sort()).toEqual([243n, 247n]);
  });

  it("that is damaged says so, and nothing is spent from it", async () => {
    await (await newCard()).close();
    const good = readFileSync(file);
    const spoiled: ((bytes: Buffer) => Buffer)[] = [
      (bytes) => bytes.subarray(0, -1),
      (bytes) => bytes.fill(0, STATES_AT, STATES_AT + 2 * STATE_BYTES),
      (bytes) => bytes.fill(0xff, 0, 4),
      (bytes) => bytes.fill(0xff, 20, 40),
      () => Buffer.alloc(0),
    ];
    for (const spoil of spoiled) {
      writeFileSync(file, spoil(Buffer.from(good)));
      await expect(StorageCard.open(file)).rejects.toBeInstanceOf(StorageCardError);
    }
  });

  it("is not lost where the answer to its request was: the request is repeated, and a card that was spent from stays", async () => {
    const outer = await ask();
    await world.seller.forward(outer);
    const again = await world.seller.forward((await identity.repeat(file)).outer);
    expect(world.issuer.purses).toHaveLength(1);
    copyFileSync(`${file}.request`, `${file}.kept`);
    await identity.install(file, again);
    const card = await StorageCard.open(file);
    await card.spend(order(9n), 9n);
    await card.close();
    copyFileSync(`${file}.kept`, `${file}.request`);
    await identity.install(file, again);
    const same = await StorageCard.open(file);
    expect(same.available).toBe(241n);
    await same.close();
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("is closed for good before its refund is asked for, and says how far it was spent", async () => {
    const card = await newCard();
    await card.spend(order(12n), 12n);
    const { close, halves } = await identity.close(card, world.issuer.chain);
    expect(halves).toBeUndefined();
    const signed = world.issuer.openClose(close);
    verifyClose(signed, signatureKey);
    expect(readClose(signed)).toEqual({ purse: card.terms.purse, buyer: identity.id, spent: [2, 1] });
    await expect(card.spend(order(1n), 1n)).rejects.toBeInstanceOf(TokenError);
    await card.close();
    const again = await StorageCard.open(file);
    expect(again.available).toBe(0n);
    await again.close();
  });

  it("pays a shop over HTTP on this machine, which delivers in the open", async () => {
    const server = await serveSeller(world.seller, {
      price: () => ({ unit: FINE_DOLLAR, price: 15n }),
      handler: (_request, response) => void response.end("an article"),
    });
    const card = await newCard();
    const pay = payingFetch({ purses: [card], maxPrice: { amount: 20n, unit: FINE_DOLLAR } });
    expect(await (await pay(`${server.url}/article`)).text()).toBe("an article");
    expect(card.available).toBe(235n);
    expect(world.seller.balance()).toMatchObject([{ accepted: 15n }]);
    await card.close();
    await server.close();
  });
});

describe("tokens that make an amount", () => {
  it("make exactly it, whenever some do", () => {
    const coins = fc.array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 4 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(coins, fc.integer({ min: 1, max: 60 }), (pairs, amount) => {
        const values = [...new Map(pairs)]
          .sort(([a], [b]) => a - b)
          .map(([value, count]) => ({ value: BigInt(value), count }));
        const chosen = chooseTokens(values, BigInt(amount));
        let sums = new Set([0]);
        for (const { count, value } of values) {
          const more = Array.from({ length: count + 1 }, (_, i) => i * Number(value));
          sums = new Set([...sums].flatMap((sum) => more.map((each) => sum + each)));
        }
        expect(chosen !== undefined).toBe(sums.has(amount));
        if (chosen === undefined) return;
        expect(chosen.every((count, kind) => count <= (values[kind]?.count ?? 0))).toBe(true);
        expect(values.reduce((sum, { value }, kind) => sum + value * BigInt(chosen[kind] ?? 0), 0n)).toBe(
          BigInt(amount),
        );
      }),
    );
  });
});
