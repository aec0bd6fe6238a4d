/** A bank with a mint, a seller and a buyer, on virtual time and from one seed. */

import { ROLE_MINT } from "../../firmware/protocol/kinds.js";
import type { Agency } from "../../host/agencies.js";
import { toHex } from "../../host/codec/bytes.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { BankBooks, type BankTables } from "../../host/services/bank-books.js";
import { type DatabaseLocation, openDatabase } from "../../host/services/database.js";
import { TokenError, type TokenErrorCode } from "../../host/tokens/errors.js";
import type { MintTables } from "../../host/tokens/mint/books.js";
import { Mint, type MintIdentity, type MintOptions } from "../../host/tokens/mint/mint.js";
import type { SellerLine } from "../../host/tokens/parties.js";
import { agentsAgency, bytesFrom, type IssuerKeys, seededRandom, TokenBuyer } from "./token-buyer.js";
import { TestSeller } from "./token-seller.js";
import { VirtualTime } from "./virtual-time.js";

export const DOLLAR = { currency: 840, exponent: 2 };
export const DAY = 86_400;
export const ALICE_CENTS = 1_000n;

export interface TokenWorldOptions {
  readonly seed?: string;
  readonly location?: DatabaseLocation;
  readonly isBad?: (subject: Uint8Array) => boolean;
  /** An authorization service instead of a bank's mint. */
  readonly isService?: boolean;
}

export class TokenWorld {
  readonly time = new VirtualTime();
  readonly agency: Agency;
  readonly keys: IssuerKeys;
  readonly alice: TokenBuyer;
  readonly shop: TestSeller;
  /** Where sellers are reached, by their ids in hex; a seller that is not here only collects. */
  readonly lines = new Map<string, SellerLine>();
  readonly #options: TokenWorldOptions;
  readonly #identity: MintIdentity;
  readonly random;
  database;
  #bank: BankBooks | undefined;
  #mint: Mint | undefined;

  private constructor(options: TokenWorldOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed ?? "tokens");
    const bytes = bytesFrom(this.random);
    this.agency = agentsAgency(this.random, this.now());
    const seed = bytes(32);
    const agreementSecret = bytes(32);
    const id = bytes(16);
    const signatureKey = ed25519Signer(seed).publicKey;
    const agreementKey = x25519KeyPair(agreementSecret).publicKey;
    this.keys = { id, signatureKey, agreementKey };
    const chain = this.agency.issue({ id, role: ROLE_MINT, signatureKey, agreementKey }, this.now());
    this.#identity = { chain, seed, agreementSecret };
    this.alice = this.buyer();
    this.shop = this.seller();
    this.database = openDatabase<BankTables & MintTables>(options.location ?? "memory");
  }

  /** With alice, who has ALICE_CENTS on her account, and the shop, both registered, and the shop's line. */
  static async open(options: TokenWorldOptions = {}): Promise<TokenWorld> {
    const world = new TokenWorld(options);
    await world.start();
    if (options.isService === true) await world.mint.addSeller(world.entry(world.shop, null));
    else {
      await world.openAccount("alice", ALICE_CENTS);
      await world.openAccount("shop");
      await world.mint.addBuyer(toHex(world.alice.id), "alice");
      await world.mint.addSeller(world.entry(world.shop, "shop"));
    }
    world.lines.set(toHex(world.shop.id), world.shop);
    return world;
  }

  get mint(): Mint {
    if (this.#mint === undefined) throw new Error("the mint is closed");
    return this.#mint;
  }

  get bank(): BankBooks {
    if (this.#bank === undefined) throw new Error("the bank is closed");
    return this.#bank;
  }

  now(): number {
    return Number(this.time.now_seconds());
  }

  buyer(role?: number): TokenBuyer {
    return new TokenBuyer(this.agency, this.random, this.now(), role);
  }

  seller(): TestSeller {
    return new TestSeller(
      this.agency,
      () => this.keys,
      this.random,
      () => this.now(),
    );
  }

  entry(seller: TestSeller, account: string | null, address = "") {
    const { publicKey: signatureKey } = seller.signer;
    return { id: seller.id, signatureKey, agreementKey: seller.agreement.publicKey, account, address };
  }

  async openAccount(number: string, cents = 0n, unit = DOLLAR): Promise<void> {
    await this.bank.openDeposit(number, unit);
    if (cents > 0n) await this.bank.fund({ id: `fund/${number}`, account: number, unit, amount: cents });
  }

  /** Opens bank and mint on the books that there are. */
  async start(): Promise<void> {
    if (this.#options.isService !== true) this.#bank = await BankBooks.open(this.database, this.time);
    this.#mint = await Mint.open(this.mintOptions());
  }

  mintOptions(): MintOptions {
    const bank = this.#bank;
    const { isBad } = this.#options;
    return {
      identity: this.#identity,
      root: this.agency.root,
      ...(bank === undefined ? {} : { bank }),
      ...(isBad === undefined ? {} : { isBad }),
      database: this.database,
      clock: this.time,
      timers: this.time,
      random: this.random,
      lineOf: ({ key }) => this.lines.get(key),
    };
  }

  /** The process dies: nothing is said to anybody, and what was not committed is gone. */
  async crash(): Promise<void> {
    this.#mint?.close();
    await this.database.destroy();
    this.database = openDatabase<BankTables & MintTables>(this.#options.location ?? "memory");
  }

  /** What buyer and seller have, in the tokens' unit: deposits and credit. */
  async worth(account: string, subject: Uint8Array, unit: { currency: number; exponent: number }): Promise<bigint> {
    const credit = await this.bank.tokens.credit(this.database, toHex(subject), unit);
    return (await this.bank.depositBalance(account)) * 10n ** BigInt(unit.exponent - DOLLAR.exponent) + credit;
  }

  /** Everything that does not fit. */
  async faults(): Promise<string[]> {
    const { faults } = await this.mint.audit();
    return [...faults, ...((await this.#bank?.audit()) ?? [])];
  }
}

/** What a TokenError says, or "done". */
export async function outcomeOf(work: Promise<unknown>): Promise<TokenErrorCode | "done"> {
  try {
    await work;
    return "done";
  } catch (error) {
    if (error instanceof TokenError) return error.code;
    throw error;
  }
}
