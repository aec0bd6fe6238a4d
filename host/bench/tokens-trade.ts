/** A bank with a mint, and a seller who has an account there: the real ones, on books in files or in memory. */

import { join } from "node:path";
import { type Kysely, sql } from "kysely";
import { toHex } from "../codec/bytes.js";
import { systemRandom } from "../randomness.js";
import { BankBooks, type BankTables } from "../services/bank-books.js";
import { systemClock, systemTimers } from "../services/clock.js";
import { durabilityOf, openDatabase } from "../services/database.js";
import { encodeOuter } from "../tokens/messages/request.js";
import { Mint } from "../tokens/mint/mint.js";
import type { MintTables } from "../tokens/mint/tables.js";
import { Seller } from "../tokens/seller/seller.js";
import type { SellerTables } from "../tokens/seller/store.js";
import { BenchError } from "./economy.js";
import {
  type BoughtPurse,
  Certifier,
  EXPECTED,
  FINE_DOLLAR,
  type IssuerKeys,
  newSellerKeys,
  termsOf,
  VALUE,
} from "./tokens-parties.js";

const DOLLAR = { currency: 840, exponent: 2 };
const SHOP = "shop";
const BUYERS = "buyers";

export interface Durability {
  /** As the database reports them. */
  readonly journal: string;
  readonly synchronous: number;
}

interface TradeParts {
  readonly certifier: Certifier;
  readonly issuer: IssuerKeys;
  readonly bank: BankBooks;
  readonly mint: Mint;
  readonly seller: Seller;
  readonly bankDatabase: Kysely<BankTables & MintTables>;
  readonly sellerDatabase: Kysely<SellerTables>;
  /** Reads what anybody finds on the disk. */
  readonly witness: Kysely<SellerTables>;
}

export class Trade {
  readonly #parts: TradeParts;
  #orders = 0;
  #worth = 0n;

  private constructor(parts: TradeParts) {
    this.#parts = parts;
  }

  /** There is money for so many tokens. Without a folder the books are in memory. */
  static async open(tokens: number, folder?: string): Promise<Trade> {
    const certifier = new Certifier();
    const issuer = certifier.issuer();
    const { root } = certifier.agencies.agents;
    const common = { root, clock: systemClock, timers: systemTimers, random: systemRandom };
    const at = (name: string) => (folder === undefined ? "memory" : { file: join(folder, name) });
    const bankDatabase = openDatabase<BankTables & MintTables>(at("bank.db"));
    const bank = await BankBooks.open(bankDatabase, systemClock);
    await bank.openDeposit(SHOP, DOLLAR);
    await bank.openDeposit(BUYERS, DOLLAR);
    await bank.fund({ id: "opening", account: BUYERS, unit: DOLLAR, amount: VALUE * BigInt(tokens) });
    const mint = await Mint.open({
      ...common,
      identity: issuer,
      bank,
      database: bankDatabase,
      lineOf: () => undefined,
    });
    const sellerDatabase = openDatabase<SellerTables>(at("seller.db"));
    const issuers = [{ chain: mint.chain, line: mint }];
    const seller = await Seller.open({ ...common, keys: newSellerKeys(), issuers, database: sellerDatabase });
    await mint.addSeller({ id: seller.id, ...seller.keys, account: SHOP, address: "" });
    const witness = folder === undefined ? sellerDatabase : openDatabase<SellerTables>(at("seller.db"));
    return new Trade({ certifier, issuer, bank, mint, seller, bankDatabase, sellerDatabase, witness });
  }

  get certifier(): Certifier {
    return this.#parts.certifier;
  }

  /** What a buyer asks for who wants so many tokens for this seller. */
  terms(tokens: number) {
    return termsOf(this.#parts.mint.id, this.#parts.seller.id, tokens);
  }

  get issuerChain(): Uint8Array {
    return this.#parts.mint.chain;
  }

  /** Who buys, 16 bytes, is known to the mint from now on. */
  enrol(buyer: Uint8Array): Promise<void> {
    return this.#parts.mint.addBuyer(toHex(buyer), BUYERS);
  }

  /** A request by way of the seller (EP 0 833 285 A2 fig. 3 to 5). */
  forward(sealed: Uint8Array) {
    const { mint, seller } = this.#parts;
    return seller.forward(encodeOuter({ issuer: mint.id, sealed }));
  }

  /** A purse of another buyer. */
  async buy(tokens: number): Promise<BoughtPurse> {
    const buyer = this.certifier.buyer();
    await this.enrol(buyer.id);
    return buyer.buy(this.#parts.issuer, this.terms(tokens), (sealed) => this.forward(sealed));
  }

  /** All of them, `inFlight` at a time: who is answered sends the next. */
  async accept(payments: readonly Uint8Array[], perOrder: number, inFlight: number): Promise<void> {
    const expected = EXPECTED(perOrder);
    let next = 0;
    const client = async () => {
      for (let payment = payments[next++]; payment !== undefined; payment = payments[next++]) {
        const { first, state } = await this.#parts.seller.accept(payment, expected);
        if (state !== "paid" || !first) throw new BenchError("an order");
      }
    };
    await Promise.all(Array.from({ length: inFlight }, client));
    this.#orders += payments.length;
  }

  /** Every order that was answered is in the file, whoever reads it. */
  async requireOnDisk(): Promise<void> {
    const rows = sql<{ count: bigint }>`select count(*) as count from seller_acceptance`;
    const found = (await rows.execute(this.#parts.witness)).rows[0]?.count;
    if (found !== BigInt(this.#orders)) throw new BenchError("an order");
  }

  /** Fig. 9: the money is on the seller's account when this resolves. */
  async redeem(purse: BoughtPurse, tokens: number): Promise<void> {
    const { credited, failed } = await this.#parts.seller.redeem(purse.id);
    const sum = credited.reduce((all, { amount }) => all + amount, 0n);
    if (failed.length > 0 || sum !== VALUE * BigInt(tokens)) throw new BenchError("a redemption");
    this.#worth += sum;
  }

  /** The shop has every tenth of a cent, and no books disagree. */
  async requireBalanced(): Promise<void> {
    const { faults } = await this.#parts.mint.audit();
    const all = [...faults, ...(await this.#parts.bank.audit()), ...(await this.#parts.seller.audit())];
    const credit = await this.#parts.bank.tokens.credit(
      this.#parts.bankDatabase,
      toHex(this.#parts.seller.id),
      FINE_DOLLAR,
    );
    const factor = 10n ** BigInt(FINE_DOLLAR.exponent - DOLLAR.exponent);
    const has = (await this.#parts.bank.depositBalance(SHOP)) * factor + credit;
    if (all.length > 0 || has !== this.#worth) throw new BenchError("a redemption");
  }

  async durability(): Promise<{ readonly seller: Durability; readonly mint: Durability }> {
    const settings = async (database: Kysely<BankTables & MintTables> | Kysely<SellerTables>) => {
      const { journal, synchronous } = await durabilityOf(database);
      return { journal, synchronous: Number(synchronous) };
    };
    return { seller: await settings(this.#parts.sellerDatabase), mint: await settings(this.#parts.bankDatabase) };
  }

  async close(): Promise<void> {
    this.#parts.mint.close();
    for (const database of [this.#parts.witness, this.#parts.sellerDatabase, this.#parts.bankDatabase])
      await database.destroy();
  }
}
