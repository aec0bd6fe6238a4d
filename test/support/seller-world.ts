/** A seller on a real file, an issuer, and buyers with software keys. The seller can be killed and started again from its file. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Kysely } from "kysely";
import { PURSE_AUTHORIZATION } from "../../firmware/protocol/tokens.js";
import type { Agency } from "../../host/agencies.js";
import { sha256 } from "../../host/crypto.js";
import { type DatabaseLocation, openDatabase } from "../../host/services/database.js";
import { TokenError } from "../../host/tokens/errors.js";
import type { Order } from "../../host/tokens/messages/payment.js";
import { encodeOuter, type TokenRequest } from "../../host/tokens/messages/request.js";
import type { Issuer } from "../../host/tokens/parties.js";
import type { Expected } from "../../host/tokens/seller/acceptance.js";
import type { Accepted } from "../../host/tokens/seller/seller.js";
import { Seller } from "../../host/tokens/seller/seller.js";
import type { SellerTables } from "../../host/tokens/seller/store.js";
import { NO_UNIT, type SerialRange } from "../../host/tokens/terms.js";
import { NOW } from "./agencies.js";
import { agentsAgency, type BuyersPurse, FINE_DOLLAR, seededRandom, TokenBuyer } from "./token-buyer.js";
import { TestIssuer } from "./token-issuer.js";

export const DAY = 86_400;
export const GOODS = sha256(new TextEncoder().encode("an article"));

export class SellerWorld {
  now = BigInt(NOW);
  readonly random;
  readonly agency: Agency;
  readonly issuer: TestIssuer;
  /** How the seller reaches the issuer: a test may break it. */
  line: Issuer;
  seller!: Seller;
  #database: Kysely<SellerTables> | undefined;
  /** Where its file is; without one the books are in memory. */
  folder: string | undefined;

  private constructor(seed: string, isOnDisk: boolean) {
    this.random = seededRandom(seed);
    this.agency = agentsAgency(this.random, NOW - DAY);
    this.issuer = new TestIssuer(this.agency, this.random, () => Number(this.now));
    this.line = this.issuer;
    this.folder = isOnDisk ? mkdtempSync(join(tmpdir(), "tallystick-seller-")) : undefined;
  }

  static async open(seed: string, { onDisk = false } = {}): Promise<SellerWorld> {
    const world = new SellerWorld(seed, onDisk);
    await world.start();
    return world;
  }

  async start(): Promise<void> {
    const location: DatabaseLocation = this.folder === undefined ? "memory" : { file: join(this.folder, "seller.db") };
    const line = new Proxy(this.issuer, { get: (_, name) => Reflect.get(this.line, name).bind(this.line) });
    this.#database = openDatabase<SellerTables>(location);
    this.seller = await Seller.open({
      keys: { signatureSeed: new Uint8Array(32).fill(11), agreementSecret: new Uint8Array(32).fill(12) },
      database: this.#database,
      root: this.agency.root,
      issuers: [{ chain: this.issuer.chain, line, assertions: ["over-21"] }],
      clock: { now_seconds: () => this.now },
      random: this.random,
    });
    this.issuer.serve({ id: this.seller.id, ...this.seller.keys });
  }

  /** The process is gone, with everything that it had in memory; another one starts from the file. */
  async restart(): Promise<void> {
    await this.#database?.destroy();
    await this.start();
  }

  get database(): Kysely<SellerTables> {
    if (this.#database === undefined) throw new Error("closed");
    return this.#database;
  }

  async close(): Promise<void> {
    await this.#database?.destroy();
    if (this.folder !== undefined) rmSync(this.folder, { recursive: true });
  }

  buyer(): TokenBuyer {
    return new TokenBuyer(this.agency, this.random, NOW - DAY);
  }

  /** A purse of 100 tokens of 10, or what `parts` say, asked for by way of the seller. */
  async purse(buyer: TokenBuyer, parts: Partial<TokenRequest> = {}): Promise<BuyersPurse> {
    const asked = buyer.ask(this.issuer.keys, {
      seller: this.seller.id,
      spendBy_seconds: NOW + 30 * DAY,
      time_seconds: NOW,
      ...parts,
    });
    const outer = encodeOuter({ issuer: this.issuer.keys.id, sealed: asked.sealed });
    const { share } = await this.seller.forward(outer);
    return buyer.install(this.issuer.keys, asked, share);
  }

  /** Five authorizations that say "over-21", or what `parts` say. */
  authorization(buyer: TokenBuyer, parts: Partial<TokenRequest> = {}): Promise<BuyersPurse> {
    const what = { kind: PURSE_AUTHORIZATION, unit: NO_UNIT, denominations: [{ value: 1n, count: 5 }] };
    return this.purse(buyer, { ...what, assertion: "over-21", ...parts });
  }

  /** An order for the article. */
  order(buyer: TokenBuyer, purse: BuyersPurse, price: bigint, parts: Partial<Order> = {}): Order {
    return buyer.order(purse, price, { goods: GOODS, ...parts });
  }

  /** What the shop expects of such an order. */
  expected(price: bigint, parts: Partial<Expected> = {}): Expected {
    return { goods: GOODS, unit: FINE_DOLLAR, price, ...parts };
  }

  /** A payment of these tokens for a new order of this price. */
  payment(buyer: TokenBuyer, purse: BuyersPurse, price: bigint, ranges: readonly SerialRange[]): Uint8Array {
    return buyer.pay(purse, this.order(buyer, purse, price), ranges);
  }
}

/** The code of the TokenError, or what was accepted. */
export async function outcome(work: Promise<Accepted> | (() => Promise<unknown>)): Promise<string> {
  try {
    const result = await (typeof work === "function" ? work() : work);
    return typeof result === "object" && result !== null && "state" in result ? String(result.state) : "done";
  } catch (error) {
    if (error instanceof TokenError) return error.code;
    throw error;
  }
}

export const range = (first: number, count = 1): SerialRange[] => [{ first, count }];
