/**
 * An issuer of token halves: a bank's mint, or an authorization service. This file reads in the order of EP 0 833 285 A2 fig. 4,
 * response 1001 to a request; redemption.ts is fig. 9, refund.ts fig. 10.
 *
 * A request is one transaction: the purse, the debit of its face value, and who holds it. What is answered is made from the
 * books, so that the same request has the same answer, whatever crashed in between.
 */

import { ROLE_MINT } from "../../../firmware/protocol/kinds.js";
import * as t from "../../../firmware/protocol/tokens.js";
import { equalBytes, fromHex, toHex } from "../../codec/bytes.js";
import { encode } from "../../codec/cbor.js";
import { decodeChain, type Root, readCertificate, verifyChain } from "../../codec/certificate.js";
import { ed25519Signer, sha256, x25519KeyPair } from "../../crypto.js";
import { type RandomSource, randomBytes } from "../../randomness.js";
import type { BankBooks } from "../../services/bank-books.js";
import type { Clock, Timers } from "../../services/clock.js";
import type { Books, Executor } from "../../services/database.js";
import { TokenError } from "../errors.js";
import { whatItIs } from "../messages/common.js";
import { openRequest, readRequest, type TokenRequest } from "../messages/request.js";
import { readWord, type SellerWord, verifyWord } from "../messages/words.js";
import type { BuyerPurse, IssuedPurses, Issuer, Redemption, Refund, SellerLine, Waiting } from "../parties.js";
import { flushing, flushPair, isAuthentic, requireTaken, requireTimely, type Unsealed } from "./admission.js";
import { auditMint, type MintUnit } from "./audit.js";
import { MintBooks, type MintTables, type StoredPurse, type StoredRequest } from "./books.js";
import { collect } from "./collect.js";
import { Couriers } from "./couriers.js";
import { enrolBuyer, enrolSeller } from "./enrolment.js";
import {
  type OpenSecrets,
  sealBuyerHalves,
  sealBuyerShare,
  sealSellerPurse,
  splitBySource,
  splitTokens,
} from "./issue.js";
import { joinHolders, jointTerms } from "./joint.js";
import { Making } from "./making.js";
import { MintMoney } from "./money.js";
import type { MintParts } from "./parts.js";
import { redeem } from "./redemption.js";
import { closeDue, refund, resumeErrands, tellSeller } from "./refund.js";
import { authentically, legibly, PrivateRefusal, refused } from "./refusals.js";
import { type NewSeller, type RegisteredSeller, Registers } from "./registers.js";

export interface MintIdentity {
  /** Certificate of the role mint in the agents' tree. */
  readonly chain: Uint8Array;
  /** Ed25519, 32 bytes. */
  readonly seed: Uint8Array;
  /** X25519, 32 bytes. */
  readonly agreementSecret: Uint8Array;
}

export interface MintOptions {
  readonly identity: MintIdentity;
  /** Of the agents' tree, under which buyers are certified too. */
  readonly root: Root;
  /** Of a bank's mint: its books, in `database`. Without it the issuer is an authorization service, and makes nothing else. */
  readonly bank?: BankBooks;
  readonly database: Books;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: RandomSource;
  /** How a seller is reached; undefined if it only collects. */
  readonly lineOf: (seller: RegisteredSeller) => SellerLine | undefined;
  /** Whether nobody deals with this subject any more. */
  readonly isBad?: (subject: Uint8Array) => boolean;
  /** How long tokens may be spent, at most. */
  readonly spend_seconds_max?: number;
  /** How long after that they are redeemed. */
  readonly redeem_seconds?: number;
}

const DAY_SECONDS = 86_400;
const SPEND_SECONDS_MAX = 400 * DAY_SECONDS;
const REDEEM_SECONDS = 30 * DAY_SECONDS;
/** Timers are set no further than this, because some count in 32 bits. */
const LOOK_MS_MAX = 3_600_000;
/** After the books could not be written. */
const RETRY_MS = 60_000;
const ID_BYTES = 16;
const SECRET_BYTES = 32;

/** A purse that was made, and what the asking holder asked. */
interface Generated {
  readonly purse: StoredPurse;
  readonly holder: StoredRequest;
}

export class Mint implements Issuer {
  readonly #timers: Timers;
  readonly #parts: MintParts;
  readonly #making = new Making<Uint8Array>();
  #cancelLook = () => {};

  private constructor(timers: Timers, parts: MintParts) {
    this.#timers = timers;
    this.#parts = parts;
  }

  /** Opens the books, and takes up what was under way. Throws where the identity is not that of a mint under this root. */
  static async open(options: MintOptions): Promise<Mint> {
    const { identity, root, bank, clock, timers, random, lineOf } = options;
    const now = () => Number(clock.now_seconds());
    const { device } = verifyChain(identity.chain, root, now());
    const signer = ed25519Signer(identity.seed);
    const agreement = x25519KeyPair(identity.agreementSecret);
    const isOwn =
      equalBytes(device.signatureKey, signer.publicKey) && equalBytes(device.agreementKey, agreement.publicKey);
    if (device.role !== ROLE_MINT || !isOwn) throw new RangeError("identity: not a mint's certificate for these keys");
    const books = await MintBooks.open(options.database, device.id);
    const registers = new Registers(books);
    const money = bank === undefined ? undefined : new MintMoney(bank, registers, now);
    const mint = new Mint(timers, {
      ...{ id: device.id, signer, agreement, chain: identity.chain, books, registers, money, lineOf, now },
      random: (length) => randomBytes(random, length),
      couriers: new Couriers(timers),
      ...{ root, isBad: options.isBad ?? (() => false) },
      spend_seconds_max: options.spend_seconds_max ?? SPEND_SECONDS_MAX,
      redeem_seconds: options.redeem_seconds ?? REDEEM_SECONDS,
    });
    await mint.tick();
    await resumeErrands(mint.#parts);
    for (const purse of await books.waiting("purse")) mint.#deliver(purse);
    return mint;
  }

  /** 16 bytes. */
  get id(): Uint8Array {
    return this.#parts.id;
  }

  get chain(): Uint8Array {
    return this.#parts.chain;
  }

  /** Registers a seller, or changes its account (to one in the same unit) and its address. */
  addSeller(seller: NewSeller): Promise<void> {
    return enrolSeller(this.#parts, seller);
  }

  /** Registers a buyer, 32 hex digits, or gives it another account in the same unit. */
  addBuyer(subject: string, account: string): Promise<void> {
    return enrolBuyer(this.#parts, subject, account);
  }

  /** The subject has proved this of itself (claim 9), until and including this second. */
  addAssertion(subject: string, assertion: string, validUntil_seconds: number): Promise<void> {
    return this.#parts.registers.addAssertion(subject, assertion, validUntil_seconds);
  }

  async forward(word: Uint8Array, sealed: Uint8Array): Promise<IssuedPurses> {
    const seller = await this.#authenticSeller(word, t.WORD_FORWARD, sealed);
    const unsealed = this.#unseal(sealed);
    if (!equalBytes(unsealed.request.seller, seller.id))
      throw new TokenError(
        "wrong-seller",
        "The request is for tokens to be spent with another seller. Nothing was issued. Only that one can forward it.",
      );
    return this.#purses(await this.#respond(unsealed, seller, false), seller);
  }

  async request(sealed: Uint8Array): Promise<BuyerPurse> {
    const unsealed = this.#unseal(sealed);
    const seller = await this.#parts.registers.seller(toHex(unsealed.request.seller));
    const generated = await this.#respond(unsealed, seller, true);
    this.#deliver(generated.purse.key);
    return this.#buyerPurse(generated);
  }

  /** Unseals the message, which reveals who asks (1002-1004). */
  #unseal(sealed: Uint8Array): Unsealed {
    const { signed, chain } = legibly(() => openRequest(sealed, { staticPrivate: this.#parts.agreement.secretKey }));
    const request = legibly(() => readRequest(signed));
    if (!equalBytes(request.issuer, this.#parts.id))
      throw new TokenError(
        "unknown-issuer",
        "The request is for tokens of another issuer. Nothing was issued. Send it there.",
      );
    return { request, signed, chain };
  }

  /** Authenticates, generates, or refuses; why is between the issuer and the buyer (1008-1014). */
  async #respond(unsealed: Unsealed, seller: RegisteredSeller, isDirect: boolean): Promise<Generated> {
    const { request } = unsealed;
    const asker = { buyer: toHex(request.buyer), nonce: toHex(request.nonce) };
    if (!isAuthentic(this.#parts, unsealed)) throw refused();
    try {
      return await this.#generated(unsealed, seller, isDirect);
    } catch (error) {
      if (!(error instanceof PrivateRefusal)) throw error;
      const times = { now_seconds: this.#parts.now(), spendBy_seconds: request.spendBy_seconds };
      await this.#parts.books.addRefusal(error.of ?? asker, error.code, times);
      throw refused();
    }
  }

  async #generated(unsealed: Unsealed, seller: RegisteredSeller, isDirect: boolean): Promise<Generated> {
    const { request } = unsealed;
    const { books } = this.#parts;
    const known = await this.#earlier(unsealed, books.database);
    if (known !== undefined) return known;
    requireTimely(this.#parts, request);
    await requireTaken(this.#parts, request, seller);
    await flushPair(this.#parts, request);
    const made = await books.transact((transaction) => this.#generate(transaction, unsealed, isDirect));
    this.#look();
    if (made === undefined)
      throw new TokenError(
        "waiting",
        "The other holders of this joint purse have not asked yet. No money was taken. Ask again when they have.",
      );
    return made;
  }

  /** What was made for the same request before. */
  async #earlier({ request }: Unsealed, books: Executor<MintTables>): Promise<Generated | undefined> {
    const holder = await this.#parts.books.request(toHex(request.buyer), toHex(request.nonce), books);
    if (holder !== undefined && !equalBytes(holder.digest, requestDigest(request))) throw new PrivateRefusal("reused");
    if (holder !== undefined && holder.purse !== null)
      return { holder, purse: await this.#parts.books.storedPurse(holder.purse, books) };
    // What was refused once is refused for good: the chip has forgotten it.
    if (await this.#parts.books.isRefused(toHex(request.buyer), toHex(request.nonce), books))
      throw new PrivateRefusal("reused");
    return undefined;
  }

  /** Generates the tokens: one entry in the books, from which both purses are made (1014, 1025). Undefined while holders are missing. */
  async #generate(
    transaction: Executor<MintTables>,
    unsealed: Unsealed,
    isDirect: boolean,
  ): Promise<Generated | undefined> {
    const { request, chain } = unsealed;
    const { books } = this.#parts;
    const meanwhile = await this.#earlier(unsealed, transaction);
    if (meanwhile !== undefined) return meanwhile;
    // Another request of the pair may have been answered since the flush.
    if ((await books.pursesOfPair(request, toHex(request.buyer), transaction)).length > 0) throw flushing();
    const asked: StoredRequest = {
      buyer: toHex(request.buyer),
      nonce: toHex(request.nonce),
      digest: requestDigest(request),
      index: request.joint?.index ?? 0,
      terms: jointTerms(request),
      ...{ seed: request.seed, chain, purse: null },
    };
    const holders = await joinHolders(books, transaction, request, asked);
    const [payer] = holders ?? [];
    if (holders === undefined || payer === undefined) return undefined;
    const id = this.#parts.random(ID_BYTES);
    const redeemBy_seconds = request.spendBy_seconds + this.#parts.redeem_seconds;
    const secret = this.#parts.random(SECRET_BYTES);
    await books.addPurse(transaction, { ...request, id, redeemBy_seconds, holders: holders.length, secret });
    const purse = await books.storedPurse(toHex(id), transaction);
    for (const { buyer, nonce } of holders) await books.setPurse(transaction, buyer, nonce, purse.key);
    await this.#charge(transaction, purse, payer);
    if (isDirect) await books.addWaiting(transaction, "purse", purse);
    return { purse, holder: { ...asked, purse: purse.key } };
  }

  /** Debits the first holder. Another, who asks last, is not told that it has no money. */
  async #charge(transaction: Executor<MintTables>, purse: StoredPurse, payer: StoredRequest): Promise<void> {
    const { money, registers } = this.#parts;
    if (money === undefined) return;
    const account = await registers.account(payer.buyer, transaction);
    if (account === undefined) throw new PrivateRefusal("unknown-buyer", payer);
    await money.charge(transaction, purse, payer, account);
  }

  /** Splits the tokens, and seals a purse for each of the two (1016-1030). */
  async #purses(generated: Generated, seller: RegisteredSeller): Promise<IssuedPurses> {
    const sellerPurse = await this.#sellerPurse(generated.purse, seller);
    return { sellerPurse, ...(await this.#buyerPurse(generated)) };
  }

  #sellerPurse(purse: StoredPurse, { agreementKey }: RegisteredSeller): Promise<Uint8Array> {
    return this.#making.make(`seller/${purse.key}`, async () => {
      const secrets = await this.#secretsOf(purse);
      const isSource = purse.scheme === t.SCHEME_SOURCE;
      const tokens = isSource ? await splitBySource(this.#parts, purse, secrets) : await splitTokens(purse, secrets);
      return sealSellerPurse(this.#parts, purse, secrets, tokens, agreementKey);
    });
  }

  async #buyerPurse({ purse, holder }: Generated): Promise<BuyerPurse> {
    const { agreementKey } = readCertificate(decodeChain(holder.chain).device);
    const { buyer, nonce, index } = holder;
    const asked = { buyer: fromHex(buyer), nonce: fromHex(nonce), index };
    const share = sealBuyerShare(this.#parts, purse, asked, agreementKey);
    if (purse.scheme !== t.SCHEME_SOURCE) return { share, halves: null };
    const halves = await this.#making.make(`buyer/${buyer}/${purse.key}`, async () =>
      sealBuyerHalves(this.#parts, purse, await this.#secretsOf(purse), agreementKey),
    );
    return { share, halves };
  }

  async #secretsOf(purse: StoredPurse): Promise<OpenSecrets> {
    const holders = await this.#parts.books.holders(purse.key);
    const seeds = holders.map(({ seed }) => seed).filter((seed) => seed !== null);
    if (purse.secret === null || seeds.length !== purse.holders) throw closedMeanwhile();
    return { secret: purse.secret, seeds };
  }

  /** A purse that its buyer got straight away is brought to its seller, or collected. */
  #deliver(id: string): void {
    void this.#parts.couriers.attempt(`purse/${id}`, async () => {
      const { books, registers, lineOf, couriers } = this.#parts;
      if (!(await books.isWaiting("purse", id))) return true;
      const purse = await books.storedPurse(id);
      const seller = await registers.seller(purse.sellerKey);
      const line = lineOf(seller);
      if (line === undefined) return true;
      await line.deliver(await this.#sellerPurse(purse, seller));
      if (couriers.isClosed) return false;
      await books.brought("purse", id);
      return true;
    });
  }

  async redeem(sealed: Uint8Array): Promise<Redemption> {
    return (await redeem(this.#parts, sealed, t.WORD_REDEEM)).redemption;
  }

  async returned(sealed: Uint8Array): Promise<Redemption> {
    const { redemption, purse } = await redeem(this.#parts, sealed, t.WORD_RETURN);
    if (await this.#parts.books.isWaiting("notice", purse)) tellSeller(this.#parts, purse);
    return redemption;
  }

  async collect(word: Uint8Array): Promise<Waiting> {
    const seller = await this.#authenticSeller(word, t.WORD_COLLECT);
    return collect(this.#parts, seller, readWord(word), (purse) => this.#sellerPurse(purse, seller));
  }

  refund(sealed: Uint8Array, halves?: Uint8Array): Promise<Refund> {
    return refund(this.#parts, sealed, halves);
  }

  /**
   * Closes what is over, and forgets what nobody completed. A timer calls it; it may be called at any time. What could not be closed is
   * tried again after a while; why not is the answer.
   */
  async tick(): Promise<readonly Error[]> {
    const failed = await closeDue(this.#parts);
    await this.#parts.books.forgetWaiting(this.#parts.now());
    this.#look(failed.length === 0 ? 0 : RETRY_MS);
    return failed;
  }

  /** Why requests of this buyer, 32 hex digits, were refused: for the bank to tell its customer. */
  refusals(subject: string) {
    return this.#parts.books.refusals(subject);
  }

  /** What was issued and became of it, by unit; and what does not fit. */
  audit(): Promise<{ readonly units: readonly MintUnit[]; readonly faults: readonly string[] }> {
    return auditMint({ books: this.#parts.books, bank: this.#parts.money?.bank });
  }

  /**
   * Starts nothing any more; resolves when it will not touch its database again. Everything is in the books: another mint on the same
   * database goes on.
   */
  close(): Promise<void> {
    this.#cancelLook();
    return this.#parts.couriers.close();
  }

  /** Sets the timer for the next purse that is over, but for no earlier than this. */
  #look(delay_ms_min = 0): void {
    this.#cancelLook();
    if (this.#parts.couriers.isClosed) return;
    let isCancelled = false;
    let cancelTimer = () => {};
    this.#cancelLook = () => {
      isCancelled = true;
      cancelTimer();
    };
    void this.#parts.books.firstDue().then(
      (due) => {
        if (due === undefined || isCancelled) return;
        const left_ms = (due.redeemBy_seconds + 1 - this.#parts.now()) * 1000;
        const delay_ms = Math.max(delay_ms_min, Math.min(left_ms, LOOK_MS_MAX));
        cancelTimer = this.#timers.after(delay_ms, () => void this.tick().catch(() => this.#look(RETRY_MS)));
      },
      () => {},
    );
  }

  /** The seller whose word this is. A word that forwards is about `forwarded`. */
  async #authenticSeller(word: Uint8Array, type: number, forwarded?: Uint8Array): Promise<RegisteredSeller> {
    const said: SellerWord = legibly(() => readWord(word));
    if (said.type !== type || said.purse !== null)
      throw new TokenError(
        "malformed",
        "This word of the seller is for another purpose. Nothing was issued or booked.",
      );
    const seller = await this.#parts.registers.seller(toHex(said.seller));
    authentically(() => verifyWord(word, seller.signatureKey));
    if (forwarded !== undefined && !equalBytes(said.digest, sha256(forwarded)))
      throw new TokenError(
        "not-authentic",
        "The seller's word is about another request than the one that came with it. Nothing was issued.",
      );
    return seller;
  }
}

/** SHA-256 of all that a request says but its time: a chip that repeats itself may do so at another. */
function requestDigest(request: TokenRequest): Uint8Array {
  const { joint, nonce, buyer, issuer, seller, spendBy_seconds, assertion, flushes, seed } = request;
  const together = joint === null ? null : [joint.id, joint.holders, joint.index];
  const ids = [nonce, buyer, issuer, seller];
  return sha256(encode([...ids, ...whatItIs(request), spendBy_seconds, assertion, flushes, together, seed]));
}

function closedMeanwhile(): TokenError {
  return new TokenError(
    "purse-closed",
    "The purse that was made for this request is closed: its seller was paid, and the rest went back. Make another request.",
  );
}
