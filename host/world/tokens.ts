/**
 * Token halves in a home: its mint and its authorization service, its sellers, its customers' purses. A part that another process
 * serves is asked over HTTP; one that nobody serves is opened here, within this process, until the home is closed.
 */

import { ROLE_PURSE } from "../../firmware/protocol/kinds.js";
import { OtherChipsError } from "../cards/find.js";
import { equalBytes, fromHex, toHex } from "../codec/bytes.js";
import { tellTime } from "../device.js";
import { finishPersonalisation, personalise } from "../provision.js";
import { BankBooks } from "../services/bank-books.js";
import { PurseCard } from "../tokens/buyer/card.js";
import { sellerIdOf } from "../tokens/derive.js";
import { TokenError } from "../tokens/errors.js";
import { REQUEST_PATH } from "../tokens/http/challenge.js";
import { MintClient } from "../tokens/http/mint-client.js";
import { post } from "../tokens/http/post.js";
import { SellerClient } from "../tokens/http/seller-client.js";
import { readBuyerPurse } from "../tokens/messages/answers.js";
import { type CreditNotice, verifyNotice } from "../tokens/messages/closing.js";
import { auditMint } from "../tokens/mint/audit.js";
import { MintBooks } from "../tokens/mint/books.js";
import { Mint } from "../tokens/mint/mint.js";
import { Registers } from "../tokens/mint/registers.js";
import type { BuyerPurse, Issuer, SellerLine } from "../tokens/parties.js";
import { Seller } from "../tokens/seller/seller.js";
import { AmountError, type Money, parseMoney, sameUnit, type Unit, unitOf } from "../units.js";
import { openAccounts } from "./bank.js";
import { type Part, PartInUseError } from "./claims.js";
import { OVER_21 } from "./newspaper.js";
import { openOwnersPurse } from "./owners-device.js";
import { depositAccount } from "./plan.js";
import { type Site, simulatedChip, UnknownNameError } from "./site.js";
import { IncompleteHomeError } from "./state.js";
import {
  type IssuerRecord,
  type PurseOwnerRecord,
  publicKeys,
  purseChipName,
  type SellerRecord,
  type TokenState,
  tokenState,
  writeTokenState,
} from "./token-state.js";

/** Who issues: the bank's mint, or the authorization service. */
export type IssuerName = "mint" | "clearance";

/** The currency in which the sandbox's buyers and sellers keep their accounts. */
const ACCOUNT_UNIT = unitOf("USD");
/** A token is worth hundredths of a cent. */
const TOKEN_DECIMALS = 2;
export const TOKEN_UNIT: Unit = { currency: ACCOUNT_UNIT.currency, exponent: ACCOUNT_UNIT.exponent + TOKEN_DECIMALS };

/** "USD 0.001", in units of token halves. */
export function parseTokenMoney(text: string): Money {
  const money = parseMoney(text, TOKEN_DECIMALS);
  if (sameUnit(money.unit, TOKEN_UNIT)) return money;
  throw new AmountError(`"${text}" is in a currency that tokens are not sold in here.`);
}

/** As long as a seller waits for the issuer, and a little more. */
const FORWARD_MS_MAX = 310_000;
const BUYER_PURSE_BYTES_MAX = 64 * 1024;

/** How a buyer reaches a seller to ask for tokens (fig. 2, step 110). */
export interface SellerDoor {
  readonly id: Uint8Array;
  forward(outer: Uint8Array): Promise<BuyerPurse>;
}

export class HomeTokens {
  readonly site: Site;
  #state: TokenState;
  readonly #issuers = new Map<IssuerName, Promise<Mint>>();
  readonly #sellers = new Map<string, Promise<Seller>>();
  /** Lets go of each card that was taken. */
  readonly #cards: (() => Promise<void>)[] = [];
  /** When the last work with a part that is nobody's is over. */
  readonly #borrowing = new Map<Part, Promise<void>>();

  private constructor(site: Site, state: TokenState) {
    this.site = site;
    this.#state = state;
  }

  static async open(site: Site): Promise<HomeTokens> {
    return new HomeTokens(site, await tokenState(site));
  }

  get sellers(): readonly SellerRecord[] {
    return this.#state.sellers;
  }

  get purses(): readonly PurseOwnerRecord[] {
    return this.#state.purses;
  }

  // Issuers.

  /** Its chain, which a purse wants to see. */
  chainOf(name: IssuerName): Uint8Array {
    return fromHex(this.#state[name].chain);
  }

  /** 16 bytes. */
  issuerId(name: IssuerName): Uint8Array {
    return fromHex(this.#state[name].id);
  }

  /** What an issuer's notice says, if it is one of this issuer's. */
  noticeOf(name: IssuerName, signed: Uint8Array): CreditNotice {
    return verifyNotice(signed, publicKeys(this.#state[name]).signatureKey);
  }

  /** Wherever it is. */
  issuer(name: IssuerName): Issuer {
    const there = <Result>(work: (issuer: Issuer) => Promise<Result>): Promise<Result> => {
      const opened = this.#issuers.get(name);
      if (opened !== undefined) return opened.then(work);
      return this.#borrowed(name, async (url) => {
        if (url !== undefined) return work(new MintClient(url));
        const mint = await this.#openMint(name);
        return work(mint).finally(() => mint.close());
      });
    };
    return {
      forward: (word, sealed) => there((issuer) => issuer.forward(word, sealed)),
      request: (sealed) => there((issuer) => issuer.request(sealed)),
      redeem: (sealed) => there((issuer) => issuer.redeem(sealed)),
      returned: (sealed) => there((issuer) => issuer.returned(sealed)),
      collect: (word) => there((issuer) => issuer.collect(word)),
      refund: (sealed) => there((issuer) => issuer.refund(sealed)),
    };
  }

  /**
   * Works with a part of the home where it is: `url` if another process serves it. One that nobody serves is this process's for as long as
   * the work takes and no longer, so that whoever wants to serve it later can. One piece of work with it at a time.
   */
  #borrowed<Result>(part: Part, work: (url: string | undefined) => Promise<Result>): Promise<Result> {
    const { home } = this.site.parts;
    const url = home.holder(part)?.url;
    if (url !== undefined) return work(url);
    const before = this.#borrowing.get(part) ?? Promise.resolve();
    const result = before.then(() => home.withClaim(part, () => work(undefined)));
    const over = result.then(
      () => undefined,
      () => undefined, // The caller sees it.
    );
    this.#borrowing.set(part, over);
    return result;
  }

  /** The issuer itself, this process's until the home is closed. */
  mint(name: IssuerName): Promise<Mint> {
    return once(this.#issuers, name, () => {
      this.site.parts.home.claim(name);
      return this.#openMint(name);
    });
  }

  async #openMint(name: IssuerName): Promise<Mint> {
    const { home, clock, timers, random } = this.site.parts;
    const record = this.#state[name];
    const mint = await Mint.open({
      identity: identityOf(record),
      root: this.site.agencies.agents.root,
      database: home.database(databaseOf(name)),
      ...(name === "mint" ? { bank: await this.#bank() } : {}),
      ...{ clock, timers, random },
      lineOf: (seller) => this.#lineTo(seller.id),
    });
    for (const seller of this.#state.sellers) {
      const account = name === "mint" ? sellerAccount(seller.name) : null;
      await mint.addSeller({ id: idOf(seller), ...publicKeys(seller), account, address: seller.name });
    }
    return mint;
  }

  /** The bank's books, with everybody's accounts. The bank may be at work with them in another process. */
  async #bank(): Promise<BankBooks> {
    const { home, clock } = this.site.parts;
    const books = await BankBooks.open(home.database(databaseOf("mint")), clock);
    await openAccounts(this.site, books);
    for (const { name } of this.#state.sellers) await books.openDeposit(sellerAccount(name), ACCOUNT_UNIT);
    return books;
  }

  /** The books of an issuer, which may be at work with them in another process. */
  #books(name: IssuerName): Promise<MintBooks> {
    return MintBooks.open(this.site.parts.home.database(databaseOf(name)), this.issuerId(name));
  }

  /** What the mint has issued, and what became of it. */
  async audit() {
    return auditMint({ books: await this.#books("mint"), bank: await this.#bank() });
  }

  /** Why an issuer refused a request of an owner's purse, if it did: the last one, or the one with this nonce. It tells nobody else. */
  async refusal(name: IssuerName, owner: string, nonce?: Uint8Array): Promise<string | undefined> {
    const { purse } = await this.#purseRecord(owner);
    const refusals = await (await this.#books(name)).refusals(purse.id);
    return refusals.findLast((each) => nonce === undefined || each.nonce === toHex(nonce))?.code;
  }

  /** The authorization service has looked at its owner's papers: the purse is good for an assertion until then. */
  async prove(owner: string, assertion: string, validUntil_seconds: number): Promise<void> {
    const { purse } = await this.#purseRecord(owner);
    await new Registers(await this.#books("clearance")).addAssertion(purse.id, assertion, validUntil_seconds);
  }

  // Sellers.

  sellerRecord(name: string): SellerRecord {
    const found = this.#state.sellers.find((seller) => seller.name === name || seller.title === name);
    if (found !== undefined) return found;
    throw new UnknownNameError(
      "seller",
      name,
      this.#state.sellers.map((seller) => seller.name),
    );
  }

  /** By its id. */
  nameOfSeller(id: Uint8Array): string | undefined {
    return this.#state.sellers.find((seller) => equalBytes(idOf(seller), id))?.name;
  }

  /** Wherever it is. */
  door(name: string): SellerDoor {
    const record = this.sellerRecord(name);
    return {
      id: idOf(record),
      forward: async (outer) => {
        const url = this.site.parts.home.holder(partOf(record))?.url;
        return url === undefined ? (await this.seller(record.name)).forward(outer) : forwardTo(url, outer);
      },
    };
  }

  /** The seller itself, this process's until the home is closed. */
  seller(name: string): Promise<Seller> {
    const record = this.sellerRecord(name);
    return once(this.#sellers, record.name, () => {
      this.site.parts.home.claim(partOf(record));
      return this.#openSeller(record);
    });
  }

  #openSeller(record: SellerRecord): Promise<Seller> {
    const { home, clock, random } = this.site.parts;
    return Seller.open({
      keys: { signatureSeed: fromHex(record.signatureSeed), agreementSecret: fromHex(record.agreementSecret) },
      database: home.database(partOf(record)),
      root: this.site.agencies.agents.root,
      issuers: [
        { chain: this.chainOf("mint"), line: this.issuer("mint") },
        { chain: this.chainOf("clearance"), line: this.issuer("clearance"), assertions: [OVER_21], makesMoney: false },
      ],
      ...{ clock, random },
    });
  }

  /** How an issuer of this home reaches a seller. One that nobody serves is opened for it. */
  #lineTo(id: Uint8Array): SellerLine | undefined {
    const record = this.#state.sellers.find((seller) => equalBytes(idOf(seller), id));
    if (record === undefined) return undefined;
    const there = <Result>(work: (line: SellerLine) => Promise<Result>): Promise<Result> => {
      const opened = this.#sellers.get(record.name);
      if (opened !== undefined) return opened.then(work);
      return this.#borrowed(partOf(record), async (url) =>
        work(url === undefined ? await this.#openSeller(record) : new SellerClient(url)),
      );
    };
    return {
      deliver: (purse) => there((line) => line.deliver(purse)),
      recall: (signed) => there((line) => line.recall(signed)),
      notice: (signed) => there((line) => line.notice(signed)),
    };
  }

  // Purses.

  /**
   * A customer's purse, powered on and unlocked: on the card at a place, in the home, or on the owner's card in any reader. One
   * who has none gets one in the home.
   */
  async purse(owner: string, pin?: string, locator?: string): Promise<PurseCard> {
    const known = this.#state.purses.find(({ name }) => name === owner);
    if (locator !== undefined && known === undefined) {
      this.site.customerPlan(owner);
      throw new TokenError("no-purse", `${owner} has no purse yet. Nothing was done and no money moved.`);
    }
    const record = await this.#purseRecord(owner);
    const card = locator === undefined ? await this.#purseHere(owner) : await this.#purseOnCard(owner, locator);
    try {
      await card.element.verifyPin(pin ?? record.pin);
      if (card.element.idHex !== record.purse.id) throw new OtherChipsError(card.element.client.transport.name, owner);
      await tellTime(card.element, this.site.parts.clock, `${owner}'s purse`);
      return card;
    } catch (error) {
      await this.#letGo();
      throw error;
    }
  }

  async #purseHere(owner: string): Promise<PurseCard> {
    try {
      return await this.#chip(owner);
    } catch (error) {
      // Another process has it: it may be the card in a reader.
      const isCard = error instanceof PartInUseError && error.part === `purse-${owner}`;
      if (!isCard) throw error;
      return this.#purseOnCard(owner, undefined, error);
    }
  }

  async #purseOnCard(owner: string, locator: string | undefined, cause?: Error): Promise<PurseCard> {
    const { agent, module } = this.site.record(owner);
    const ids = {
      ...(agent === undefined ? {} : { agent: agent.id }),
      ...(module === undefined ? {} : { module: module.id }),
    };
    const { purse, close } = await openOwnersPurse(this.site.parts, { owner, ...ids }, locator, cause);
    this.#cards.push(close);
    return new PurseCard(purse);
  }

  async #chip(owner: string): Promise<PurseCard> {
    const { home } = this.site.parts;
    home.claim(`purse-${owner}`);
    return new PurseCard((await simulatedChip(home, purseChipName(owner), "purse")).element);
  }

  async #purseRecord(owner: string): Promise<PurseOwnerRecord> {
    const { home } = this.site.parts;
    const device = this.site.record(this.site.customerPlan(owner).name);
    const known = this.#state.purses.find(({ name }) => name === owner);
    if (known === undefined) return this.#makePurse(owner, device);
    const files = ["flash.bin", "keys.bin"].map((file) => `chips/${purseChipName(owner)}/${file}`);
    const missing = home.databaseFile("") === undefined ? undefined : files.find((file) => !home.holds(file));
    if (missing !== undefined) throw new IncompleteHomeError(home.place, missing);
    return known;
  }

  /** A new chip with the PIN of the owner's other chips, certified, and known to the mint. */
  async #makePurse(
    owner: string,
    { pin, puk }: { readonly pin: string; readonly puk: string },
  ): Promise<PurseOwnerRecord> {
    const { home, random, clock } = this.site.parts;
    return home.withClaim("settings", async () => {
      this.#state = await tokenState(this.site); // Another process may have made one since.
      const meanwhile = this.#state.purses.find(({ name }) => name === owner);
      if (meanwhile !== undefined) return meanwhile;
      home.claim(`purse-${owner}`);
      // One that was broken off before it was written down was never anybody's.
      home.chips.discard(purseChipName(owner));
      const { element } = await this.#chip(owner);
      const order = { role: ROLE_PURSE, pin, puk };
      const purse = await personalise(element, this.site.agencies, order, random, clock.now_seconds());
      await finishPersonalisation(element);
      await new Registers(await this.#books("mint")).addBuyer(purse.id, depositAccount(owner, ACCOUNT_UNIT));
      const record = { name: owner, pin, puk, purse };
      this.#state = { ...this.#state, purses: [...this.#state.purses, record] };
      writeTokenState(this.site, this.#state);
      return record;
    });
  }

  /** Before the home is closed. */
  async close(): Promise<void> {
    for (const mint of this.#issuers.values()) await (await mint).close();
    await this.#letGo();
  }

  async #letGo(): Promise<void> {
    for (const close of this.#cards.splice(0)) await close();
  }
}

/** A buyer's message for an issuer, to a seller that another process serves. */
async function forwardTo(url: string, outer: Uint8Array): Promise<BuyerPurse> {
  const limits = { answer_ms_max: FORWARD_MS_MAX, answerBytes_max: BUYER_PURSE_BYTES_MAX };
  return readBuyerPurse(await post(url + REQUEST_PATH, outer, limits));
}

/** What is opened once; what failed may be tried again. */
function once<Key, Value>(known: Map<Key, Promise<Value>>, key: Key, open: () => Promise<Value>): Promise<Value> {
  let value = known.get(key);
  if (value === undefined) {
    value = open();
    known.set(key, value);
    value.catch(() => known.delete(key));
  }
  return value;
}

function identityOf({ chain, signatureSeed, agreementSecret }: IssuerRecord) {
  return { chain: fromHex(chain), seed: fromHex(signatureSeed), agreementSecret: fromHex(agreementSecret) };
}

/** The mint is a part of the bank: tokens and accounts are in one database. */
function databaseOf(name: IssuerName): string {
  return name === "mint" ? "bank" : name;
}

function idOf(seller: SellerRecord): Uint8Array {
  const { signatureKey, agreementKey } = publicKeys(seller);
  return sellerIdOf(signatureKey, agreementKey);
}

function partOf({ name }: SellerRecord): Part {
  return `seller-${name}`;
}

export function sellerAccount(name: string): string {
  return depositAccount(name, ACCOUNT_UNIT);
}
