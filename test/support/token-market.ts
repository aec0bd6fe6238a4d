/**
 * A market for token halves on loopback, in which everybody is the real one for everybody else: the bank's mint and an authorization
 * service on their books, each behind its HTTP server, and sellers behind theirs. Buyers bring their own chips or cards.
 */

import { expect } from "vitest";
import { ROLE_MINT } from "../../firmware/protocol/kinds.js";
import type { Agency } from "../../host/agencies.js";
import { toHex } from "../../host/codec/bytes.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import type { RandomSource } from "../../host/randomness.js";
import { BankBooks, type BankTables } from "../../host/services/bank-books.js";
import type { Clock, Timers } from "../../host/services/clock.js";
import { type DatabaseLocation, openDatabase } from "../../host/services/database.js";
import { TokenError } from "../../host/tokens/errors.js";
import { REQUEST_PATH } from "../../host/tokens/http/challenge.js";
import { MintClient } from "../../host/tokens/http/mint-client.js";
import { MintServer } from "../../host/tokens/http/mint-server.js";
import type { Fetch } from "../../host/tokens/http/paying-client.js";
import { post } from "../../host/tokens/http/post.js";
import { SellerClient } from "../../host/tokens/http/seller-client.js";
import { type SellerServer, serveSeller } from "../../host/tokens/http/serve-seller.js";
import { readBuyerPurse } from "../../host/tokens/messages/answers.js";
import type { MintTables } from "../../host/tokens/mint/books.js";
import { Mint, type MintIdentity } from "../../host/tokens/mint/mint.js";
import type { BuyerPurse, SellerLine } from "../../host/tokens/parties.js";
import { Seller, type SellerKeys } from "../../host/tokens/seller/seller.js";
import type { SellerTables } from "../../host/tokens/seller/store.js";
import { bytesFrom, FINE_DOLLAR } from "./token-buyer.js";

const CENTS = { currency: 840, exponent: 2 };
/** Hundredths of a cent in a cent. */
const FINENESS = 100n;
export const DAY = 86_400;
export const OVER_21 = "over-21";

/** What the shops of the market sell, in hundredths of a cent. */
export const GOODS = {
  "/article": { price: 30n, text: "an article" },
  "/spirits": { price: 40n, assertion: OVER_21, text: "an article about spirits" },
} as const;

export interface MarketParts {
  /** Of the agents' tree. */
  readonly agency: Agency;
  readonly time: Clock & Timers;
  readonly random: RandomSource;
}

export interface ShopOptions {
  readonly location?: DatabaseLocation;
  /** Where the shop finds the issuers; by default where they are. */
  readonly mintUrl?: string;
  readonly clearanceUrl?: string;
}

export interface Shop {
  readonly name: string;
  readonly seller: Seller;
  readonly keys: SellerKeys;
  readonly database: SellerDatabase;
  readonly server: SellerServer;
  readonly url: string;
  /** How the issuers reach it: over HTTP, unless a test says otherwise. Undefined: not at all, and it collects. */
  line: SellerLine | undefined;
}

interface OpenedIssuer {
  readonly identity: MintIdentity;
  readonly mint: Mint;
  readonly server: MintServer;
}

type SellerDatabase = ReturnType<typeof openDatabase<SellerTables>>;
type Books = ReturnType<typeof openDatabase<BankTables & MintTables>>;

export class TokenMarket {
  readonly mint: Mint;
  readonly mintUrl: string;
  /** The mint's, for who must open what is sealed to it. */
  readonly identity: MintIdentity;
  readonly clearance: Mint;
  readonly clearanceUrl: string;
  readonly #shops: Map<string, Shop>;
  readonly #ends: (() => Promise<void>)[] = [];

  private constructor(
    readonly parts: MarketParts,
    /** Of bank and mint. */
    readonly database: Books,
    readonly bank: BankBooks,
    shops: Map<string, Shop>,
    /** How sellers are reached that other processes serve, by id in hex. */
    readonly elsewhere: Map<string, SellerLine>,
    { mint, clearance }: Readonly<Record<"mint" | "clearance", OpenedIssuer>>,
  ) {
    this.#shops = shops;
    this.identity = mint.identity;
    this.mint = mint.mint;
    this.clearance = clearance.mint;
    this.mintUrl = mint.server.url;
    this.clearanceUrl = clearance.server.url;
    for (const { mint: issuer, server } of [mint, clearance]) {
      this.#ends.push(async () => {
        await server.close();
        issuer.close();
      });
    }
  }

  static async open(parts: MarketParts): Promise<TokenMarket> {
    const { agency, random, time } = parts;
    const bytes = bytesFrom(random);
    const database = openDatabase<BankTables & MintTables>("memory");
    const bank = await BankBooks.open(database, time);
    const shops = new Map<string, Shop>();
    const elsewhere = new Map<string, SellerLine>();
    const lineOf = ({ key }: { readonly key: string }) => elsewhere.get(key) ?? shops.get(key)?.line;
    const issuer = async (of: { readonly bank?: BankBooks; readonly database: Books }): Promise<OpenedIssuer> => {
      const [id, seed, agreementSecret] = [bytes(16), bytes(32), bytes(32)];
      const signatureKey = ed25519Signer(seed).publicKey;
      const agreementKey = x25519KeyPair(agreementSecret).publicKey;
      const subject = { id, role: ROLE_MINT, signatureKey, agreementKey };
      const identity = { chain: agency.issue(subject, Number(time.now_seconds())), seed, agreementSecret };
      const mint = await Mint.open({
        ...{ identity, root: agency.root, clock: time, timers: time, random, lineOf },
        ...of,
      });
      return { identity, mint, server: await MintServer.open(mint) };
    };
    const mint = await issuer({ bank, database });
    const clearance = await issuer({ database: openDatabase<BankTables & MintTables>("memory") });
    return new TokenMarket(parts, database, bank, shops, elsewhere, { mint, clearance });
  }

  now(): number {
    return Number(this.parts.time.now_seconds());
  }

  /** A buyer's account, with so many cents on it. */
  async account(number: string, buyer: Uint8Array, cents: bigint): Promise<void> {
    await this.bank.openDeposit(number, CENTS);
    if (cents > 0n) await this.bank.fund({ id: `salary of ${number}`, account: number, unit: CENTS, amount: cents });
    await this.mint.addBuyer(toHex(buyer), number);
  }

  /** Opens a shop, which sells GOODS. Its account has its name. */
  async shop(name: string, options: ShopOptions = {}): Promise<Shop> {
    const { agency, random, time } = this.parts;
    const bytes = bytesFrom(random);
    const keys = { signatureSeed: bytes(32), agreementSecret: bytes(32) };
    const { location = "memory", mintUrl = this.mintUrl, clearanceUrl = this.clearanceUrl } = options;
    const database = openDatabase<SellerTables>(location);
    const seller = await Seller.open({
      ...{ keys, database, random, root: agency.root, clock: time },
      issuers: [
        { chain: this.mint.chain, line: new MintClient(mintUrl) },
        { chain: this.clearance.chain, line: new MintClient(clearanceUrl), assertions: [OVER_21] },
      ],
    });
    const server = await serveSeller(seller, {
      price: ({ url }) => {
        const goods = goodsAt(url);
        return goods === undefined ? undefined : { unit: FINE_DOLLAR, ...goods };
      },
      handler: ({ url }, response) => void response.end(goodsAt(url)?.text ?? "welcome"),
    });
    const shop: Shop = { name, seller, keys, database, server, url: server.url, line: new SellerClient(server.url) };
    await this.enrol(name, seller.id, seller.keys);
    this.#shops.set(toHex(seller.id), shop);
    this.#ends.unshift(async () => {
      await server.close();
      await database.destroy();
    });
    return shop;
  }

  /** Makes a seller known to both issuers, with an account of its name. */
  async enrol(
    name: string,
    id: Uint8Array,
    keys: { readonly signatureKey: Uint8Array; readonly agreementKey: Uint8Array },
  ): Promise<void> {
    await this.bank.openDeposit(name, CENTS);
    await this.mint.addSeller({ id, ...keys, account: name, address: name });
    await this.clearance.addSeller({ id, ...keys, account: null, address: name });
  }

  /** Deposit and credit, in hundredths of a cent. */
  async worth(account: string, subject: Uint8Array): Promise<bigint> {
    const credit = await this.bank.tokens.credit(this.database, toHex(subject), FINE_DOLLAR);
    return (await this.bank.depositBalance(account)) * FINENESS + credit;
  }

  /** Everything in anybody's books that does not fit. */
  async faults(): Promise<string[]> {
    const sellers = await Promise.all([...this.#shops.values()].map(({ seller }) => seller.audit()));
    const issuers = await Promise.all([this.mint, this.clearance].map((issuer) => issuer.audit()));
    return [...issuers.flatMap(({ faults }) => faults), ...(await this.bank.audit()), ...sellers.flat()];
  }

  async close(): Promise<void> {
    for (const end of this.#ends) await end();
    await this.database.destroy();
  }
}

function goodsAt(
  path = "",
): { readonly price: bigint; readonly assertion?: string; readonly text: string } | undefined {
  return Object.entries(GOODS).find(([at]) => at === path)?.[1];
}

/** How a buyer asks a seller over HTTP for an issuer's tokens (EP 0 833 285 A2 fig. 2, step 110). */
export async function askAt(url: string, outer: Uint8Array): Promise<BuyerPurse> {
  const limits = { answer_ms_max: 30_000, answerBytes_max: 4_000_000 };
  return readBuyerPurse(await post(url + REQUEST_PATH, outer, limits));
}

/** What an issuer tells its customer and nobody else: whether it refused his request with this nonce. */
export function refusedBy(issuer: Mint, buyer: Uint8Array): { isRefused: (nonce: Uint8Array) => Promise<boolean> } {
  return {
    isRefused: async (of) => (await issuer.refusals(toHex(buyer))).some(({ nonce }) => nonce === toHex(of)),
  };
}

/** Buys something: the text that came, or the code of what stood in the way. */
export async function bought(pay: Fetch, url: string): Promise<string> {
  try {
    const response = await pay(url);
    expect(response.status).toBe(200);
    return await response.text();
  } catch (error) {
    if (error instanceof TokenError) return error.code;
    throw error;
  }
}
