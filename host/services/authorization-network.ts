/**
 * The card authorization network of WO 96/41315 (claim 16, fig. 7, steps 796-815): answers ISO 8583.
 *
 * 0100 holds the payer's funds: the card's for a purchase of electronic money, the merchant's for a sale. Its answer
 * carries an approval that the network signs, so that the agents need not believe the merchant's host. 0220 completes
 * and 0400 or 0420 reverses, and both do so only on an outcome signed by one of the two agents that the 0100 named,
 * whoever sends it. What nobody settles goes to suspense after a stated time and is reported; it is never reversed by
 * itself, because the money may have moved.
 *
 * A 0100 repeated with its number and date gets the stored answer byte for byte; another message under them is refused
 * (94). An outcome may come any number of times, from either side. Every answer that decided something was committed,
 * together with what it decided, before it is sent.
 *
 * Currency: the network sets the rate. The customer's debit is rounded up and its credit down, so that no exchange makes
 * money; what rounding leaves stays in the network's exchange account.
 */

import type { Kysely, Transaction } from "kysely";
import { toHex } from "../codec/bytes.js";
import type { Root } from "../codec/certificate.js";
import { CodecError } from "../codec/errors.js";
import { rememberingVerifier } from "../codec/remembering.js";
import type { Signer } from "../codec/signer.js";
import { ed25519Verify, sha256 } from "../crypto.js";
import {
  approvalHash,
  approvalHashOf,
  OUTCOME_COMMITTED,
  signApproval,
  TYPE_PURCHASE,
  TYPE_SALE,
  verifyOutcome,
} from "./approval.js";
import { CardIssuer, type CardStatus, type CheckedHold, HoldBatch } from "./card-issuer.js";
import type { Clock } from "./clock.js";
import { atomically } from "./database.js";
import { answerTo, echoed, referenceNumber } from "./iso8583/answers.js";
import { decodeMessage, encodeMessage, IsoFormatError, IsoMessage, maskPan } from "./iso8583/codec.js";
import type { IsoFields } from "./iso8583/fields.js";
import type { Responder } from "./iso8583/framing.js";
import {
  type Advice,
  type AuthorizationRequest,
  isoAmount,
  MANAGEMENT,
  originalElements,
  RESPONSE,
  type ResponseCode,
  readAdvice,
  readAuthorization,
} from "./iso8583/messages.js";
import { Ledger, type Unit } from "./ledger.js";
import { settleBetweenBanks } from "./network-clearing.js";
import { type Billing, billingOf, type Decision, holdsOf, merchantFits } from "./network-decision.js";
import {
  type AuthorizationRow,
  type AuthorizationState,
  authorizationOf,
  earlierFor,
  insertAuthorization,
  migrateNetwork,
  type NetworkMerchant,
  type NetworkRate,
  type NetworkSetup,
  type NetworkTables,
  type SettledRow,
  setAuthorizationState,
  storeAccount,
  storeMerchant,
  storeRate,
} from "./network-tables.js";

const SECONDS_PER_DAY = 86_400n;
/** How far a new request's time may be from the network's. */
const REQUEST_AGE_SECONDS_MAX = SECONDS_PER_DAY;
/** Certificates whose signatures the network need not verify again. */
const CERTIFICATES_REMEMBERED_MAX = 4_096;
/** Rows that one sweep puts into suspense. */
const SWEEP_ROWS_MAX = 1_000;

export interface NetworkOptions {
  readonly database: Kysely<NetworkTables>;
  readonly clock: Clock;
  /** The network's key, whose certificate (role `network`) leads `chain`. */
  readonly signer: Signer;
  readonly chain: Uint8Array;
  /** Root of the agents' tree: whose outcomes count. */
  readonly root: Root;
  /** Exponents of the currencies the network handles, by ISO 4217 number. */
  readonly exponents: ReadonlyMap<number, number>;
  /** Days, after that of the request, on which a payment may still start. */
  readonly approvalDays?: number;
  /** From the end of an approval's last day until what is not settled goes to suspense. */
  readonly suspenseAfter_seconds?: bigint;
  /** Told of faults of the network's own; texts contain no account number. */
  readonly onFault?: (fault: Error) => void;
}

/** What is reported of an authorization whose end nobody has told. */
export interface SuspenseItem {
  readonly acquirer: string;
  readonly stan: number;
  readonly time_seconds: bigint;
  readonly type: string;
  readonly card: string;
  readonly amount: bigint;
  readonly currency: number;
  readonly approval: string;
}

export interface Incident {
  readonly approval: string;
  readonly agent: string;
  readonly outcome: number;
  readonly time_seconds: bigint;
}

export class AuthorizationNetwork {
  readonly #options: NetworkOptions;
  readonly #database: Kysely<NetworkTables>;
  readonly #issuers = new Map<string, CardIssuer>();
  readonly #routes = new Map<string, string>();
  readonly #ledger = new Ledger();
  /** Agents and their security servers come again and again. */
  readonly #certificates = rememberingVerifier(ed25519Verify, CERTIFICATES_REMEMBERED_MAX);

  private constructor(options: NetworkOptions) {
    this.#options = options;
    this.#database = options.database;
  }

  static async open(options: NetworkOptions): Promise<AuthorizationNetwork> {
    await migrateNetwork(options.database);
    return new AuthorizationNetwork(options);
  }

  /** Routes live in memory and come with every start; everything else is stored. */
  async setUp(setup: NetworkSetup): Promise<void> {
    for (const { bin, bank } of setup.routes) {
      this.#routes.set(bin, bank);
      this.#issuer(bank);
    }
    for (const account of setup.accounts) await storeAccount(this.#database, this.#issuer(account.bank), account);
    for (const { bank, ...card } of setup.cards) await this.#issuer(bank).issueCard(this.#database, card);
    for (const merchant of setup.merchants) await this.addMerchant(merchant);
    for (const rate of setup.rates) await this.setRate(rate);
  }

  addMerchant(merchant: NetworkMerchant): Promise<void> {
    return storeMerchant(this.#database, merchant);
  }

  setRate(rate: NetworkRate): Promise<void> {
    return storeRate(this.#database, rate);
  }

  setCardStatus(bank: string, number: string, status: CardStatus): Promise<void> {
    return this.#issuer(bank).setCardStatus(this.#database, number, status);
  }

  accountBalance(bank: string, number: string): Promise<{ available: bigint; held: bigint }> {
    return this.#issuer(bank).balance(this.#database, number);
  }

  /** What does not fit in the books: empty if all is well. */
  audit(): Promise<string[]> {
    return this.#ledger.audit(this.#database);
  }

  /** A connection's view of the network: messages count only from who signed on, under its own number. */
  connection(): Responder {
    let signedOn: string | undefined;
    return async (message) => {
      const sender = message.fields[32];
      if (message.type === "0800") {
        const answer = await this.handle(message);
        if (message.fields[70] === MANAGEMENT.signOn && answer.fields[39] === RESPONSE.approved) signedOn = sender;
        if (message.fields[70] === MANAGEMENT.signOff) signedOn = undefined;
        return answer;
      }
      if (signedOn === undefined || sender !== signedOn) return answerTo(message, RESPONSE.notSignedOn);
      return this.handle(message);
    };
  }

  /** Answers one message. Never throws on what was sent. */
  async handle(message: IsoMessage): Promise<IsoMessage> {
    try {
      switch (message.type) {
        case "0100":
          return await this.#authorize(message);
        case "0220":
        case "0400":
        case "0420":
          return await this.#settle(message);
        case "0800":
          return this.#manage(message);
        default:
          return new IsoMessage("0810", { ...echoed(message), 39: RESPONSE.formatError });
      }
    } catch (error) {
      if (error instanceof IsoFormatError) return answerTo(message, RESPONSE.formatError);
      this.#options.onFault?.(error instanceof Error ? error : new Error("unknown fault"));
      return answerTo(message, RESPONSE.malfunction);
    }
  }

  /** Puts into suspense what should have been settled by now. Returns how many were. */
  async sweep(): Promise<number> {
    const now = this.#options.clock.now_seconds();
    const due = now - (this.#options.suspenseAfter_seconds ?? 3n * SECONDS_PER_DAY);
    return atomically(this.#database, async (transaction) => {
      const rows = await transaction
        .selectFrom("network_authorization")
        .selectAll()
        .where("state", "=", "approved")
        .where("last_day_seconds", "<", due)
        .limit(SWEEP_ROWS_MAX)
        .execute();
      for (const row of rows) {
        await this.#issuer(row.card_bank).suspend(transaction, `${row.approval}/card`, now);
        await this.#issuer(row.merchant_bank).suspend(transaction, `${row.approval}/merchant`, now);
        await setState(transaction, row, "suspense");
      }
      return rows.length;
    });
  }

  async suspense(): Promise<SuspenseItem[]> {
    const rows = await this.#database
      .selectFrom("network_authorization")
      .selectAll()
      .where("state", "=", "suspense")
      .orderBy("time_seconds")
      .execute();
    return rows.map((row) => ({
      acquirer: row.acquirer,
      stan: Number(row.stan),
      time_seconds: row.time_seconds,
      type: row.type,
      card: row.card_masked,
      amount: row.amount,
      currency: Number(row.currency),
      approval: row.approval,
    }));
  }

  /** Outcomes that contradict what was settled before: two agents said different things, which honest ones never do. */
  async incidents(): Promise<Incident[]> {
    const rows = await this.#database.selectFrom("network_incident").selectAll().orderBy("time_seconds").execute();
    return rows.map((row) => ({ ...row, outcome: Number(row.outcome) }));
  }

  #issuer(bank: string): CardIssuer {
    const known = this.#issuers.get(bank);
    if (known !== undefined) return known;
    const issuer = new CardIssuer(bank);
    this.#issuers.set(bank, issuer);
    return issuer;
  }

  /** The bank of a card: the longest prefix wins. */
  #bankOf(cardNumber: string): string | undefined {
    for (let length = cardNumber.length; length > 0; length--) {
      const bank = this.#routes.get(cardNumber.slice(0, length));
      if (bank !== undefined) return bank;
    }
    return undefined;
  }

  #manage(message: IsoMessage): IsoMessage {
    const code = message.fields[70];
    const known = code === MANAGEMENT.signOn || code === MANAGEMENT.signOff || code === MANAGEMENT.echo;
    if (!known || message.fields[32] === undefined) return answerTo(message, RESPONSE.formatError);
    const fields = { ...echoed(message), 39: RESPONSE.approved, 70: code };
    return new IsoMessage("0810", code === MANAGEMENT.signOn ? { ...fields, 61: this.#options.chain } : fields);
  }

  async #authorize(message: IsoMessage): Promise<IsoMessage> {
    const request = readAuthorization(message, this.#options.clock.now_seconds());
    const digest = toHex(sha256(encodeMessage(message)));
    const day = request.time_seconds / SECONDS_PER_DAY;
    return atomically(this.#database, async (transaction) => {
      const key = { acquirer: request.acquirer, stan: BigInt(request.stan), day };
      const earlier = await earlierFor.all(transaction, { ...key, receipt: toHex(request.receiptHash) });
      const same = earlier.find(({ acquirer, stan, day: on }) => {
        return acquirer === key.acquirer && stan === key.stan && on === key.day;
      });
      if (same !== undefined && same.request_digest === digest) return decodeMessage(same.response);
      // Its number was used for something else; or its receipt was authorized under another number, and would hold the
      // customer's funds twice.
      if (earlier.length > 0) return answerTo(message, RESPONSE.duplicate);
      const batch = new HoldBatch();
      const decision = await this.#decide(transaction, request, batch);
      return this.#record(transaction, message, request, digest, decision, batch);
    });
  }

  async #decide(
    transaction: Transaction<NetworkTables>,
    request: AuthorizationRequest,
    batch: HoldBatch,
  ): Promise<Decision> {
    const age = this.#options.clock.now_seconds() - request.time_seconds;
    if (age > REQUEST_AGE_SECONDS_MAX || age < -REQUEST_AGE_SECONDS_MAX) return { code: RESPONSE.invalidTransaction };
    if (request.amount === 0n) return { code: RESPONSE.invalidAmount };
    const exponent = this.#options.exponents.get(request.currency);
    if (exponent === undefined) return { code: RESPONSE.invalidTransaction };
    const unit = { currency: request.currency, exponent };
    if (!(await merchantFits(transaction, request))) return { code: RESPONSE.invalidMerchant };
    const cardBank = this.#bankOf(request.cardNumber);
    if (cardBank === undefined) return { code: RESPONSE.noSuchIssuer };
    const billing = await billingOf(transaction, request, this.#issuer(cardBank), unit, batch);
    if (typeof billing === "string") return { code: billing };
    const decision = { billing, cardBank, unit };
    const checked: CheckedHold[] = [];
    for (const [bank, hold] of holdsOf(request, decision, "")) {
      const found = await this.#issuer(bank).check(
        transaction,
        hold,
        batch,
        "cardNumber" in hold.source ? billing.source : undefined,
      );
      if (typeof found === "string") return { code: found };
      checked.push(found);
    }
    return { code: RESPONSE.approved, ...decision, checked };
  }

  /** Holds the funds, makes the answer and stores both. */
  async #record(
    transaction: Transaction<NetworkTables>,
    message: IsoMessage,
    request: AuthorizationRequest,
    digest: string,
    decision: Decision,
    batch: HoldBatch,
  ): Promise<IsoMessage> {
    const { billing, cardBank, unit, checked } = decision;
    const approved = decision.code === RESPONSE.approved;
    const lastDay = this.#lastDay(request.time_seconds);
    let approval = `${request.acquirer}/${request.stan}/${request.time_seconds / SECONDS_PER_DAY}`;
    let answer = answerTo(message, decision.code);
    if (approved && cardBank !== undefined && unit !== undefined && billing !== undefined) {
      const signed = this.#approve(request, cardBank, unit, lastDay);
      approval = toHex(approvalHash(signed));
      for (const [index, [bank, hold]] of holdsOf(request, { billing, cardBank, unit }, approval).entries()) {
        await this.#issuer(bank).hold(transaction, hold, checked?.[index] as CheckedHold, batch);
      }
      await batch.write(this.#ledger, transaction);
      answer = this.#approvalAnswer(answer, request, billing, signed, approval);
    }
    await insertAuthorization.run(transaction, {
      acquirer: request.acquirer,
      stan: BigInt(request.stan),
      day: request.time_seconds / SECONDS_PER_DAY,
      request_digest: digest,
      response: encodeMessage(answer),
      state: approved ? "approved" : "declined",
      type: request.type,
      time_seconds: request.time_seconds,
      last_day_seconds: lastDay,
      approval,
      receipt: toHex(request.receiptHash),
      merchant_agent: toHex(request.merchantAgent),
      customer_agent: toHex(request.customerAgent),
      card_bank: cardBank ?? "",
      card_masked: maskPan(request.cardNumber),
      merchant_bank: request.settlement.bank,
      amount: request.amount,
      currency: BigInt(request.currency),
      exponent: BigInt(unit?.exponent ?? 0),
      billing_amount: billing?.amount ?? 0n,
      billing_currency: BigInt(billing?.unit.currency ?? 0),
      billing_exponent: BigInt(billing?.unit.exponent ?? 0),
    });
    return answer;
  }

  #approve(request: AuthorizationRequest, bankId: string, unit: Unit, lastDay_seconds: bigint): Uint8Array {
    const approval = {
      receiptHash: request.receiptHash,
      bankId,
      accountNumber: request.cardNumber,
      type: request.type === "purchase" ? TYPE_PURCHASE : TYPE_SALE,
      amount: request.amount,
      unit,
      stan: request.stan,
      date_seconds: request.time_seconds,
      lastDay_seconds,
    };
    return signApproval(approval, this.#options.signer);
  }

  #approvalAnswer(
    answer: IsoMessage,
    request: AuthorizationRequest,
    billing: Billing,
    signed: Uint8Array,
    approval: string,
  ): IsoMessage {
    const fields: IsoFields = {
      ...answer.fields,
      37: referenceNumber(request),
      38: approval.slice(0, 6).toUpperCase(),
      61: this.#options.chain,
      62: signed,
    };
    if (billing.rate === undefined) return new IsoMessage(answer.type, fields);
    return new IsoMessage(answer.type, {
      ...fields,
      6: isoAmount(billing.amount),
      10: `${billing.rate.decimals}${billing.rate.numerator.toString().padStart(7, "0")}`,
      51: billing.unit.currency.toString().padStart(3, "0"),
    });
  }

  #lastDay(time_seconds: bigint): bigint {
    const days = BigInt(this.#options.approvalDays ?? 1);
    return (time_seconds / SECONDS_PER_DAY + days + 1n) * SECONDS_PER_DAY - 1n;
  }

  async #settle(message: IsoMessage): Promise<IsoMessage> {
    const advice = readAdvice(message, this.#options.clock.now_seconds());
    const code = await atomically(this.#database, (transaction) => this.#apply(transaction, advice));
    return answerTo(message, code);
  }

  /**
   * Acts on a signed outcome. An advice is known by the approval it speaks of and not by its number, so that it may
   * come again from anywhere and at any time.
   */
  async #apply(
    transaction: Transaction<NetworkTables>,
    advice: Advice & { readonly original90?: string },
  ): Promise<ResponseCode> {
    const verdict = await this.#judge(transaction, advice);
    if (typeof verdict === "string") return verdict;
    const { row, committed, agent } = verdict;
    const now = this.#options.clock.now_seconds();
    const wanted: AuthorizationState = committed ? "completed" : "reversed";
    if (row.state === wanted) return RESPONSE.approved;
    if (row.state !== "approved" && row.state !== "suspense") {
      await recordIncident(transaction, row.approval, agent, committed ? 1n : 2n, now);
      return RESPONSE.noActionTaken;
    }
    const holds = [
      { bank: row.card_bank, id: `${row.approval}/card` },
      { bank: row.merchant_bank, id: `${row.approval}/merchant` },
    ];
    const batch = await HoldBatch.of(
      transaction,
      holds.map(({ id }) => id),
    );
    for (const { bank, id } of holds) {
      if (committed) await this.#issuer(bank).capture(transaction, id, now, batch);
      else await this.#issuer(bank).release(transaction, id, now, batch);
    }
    if (committed) settleBetweenBanks(row, now, batch.postings);
    await batch.write(this.#ledger, transaction);
    await setState(transaction, row, wanted);
    return RESPONSE.approved;
  }

  /** Whether the outcome counts: signed under the agents' root, by an agent of this authorization, and as announced. */
  async #judge(
    transaction: Transaction<NetworkTables>,
    advice: Advice & { readonly original90?: string },
  ): Promise<ResponseCode | { row: SettledRow; committed: boolean; agent: string }> {
    try {
      const approval = toHex(approvalHashOf(advice.outcome));
      const row = await authorizationOf.first(transaction, { approval });
      if (row === undefined) return RESPONSE.recordNotFound;
      const { outcome, agent } = verifyOutcome(advice.outcome, this.#options.root, this.#certificates);
      const id = toHex(agent.id);
      if (id !== row.merchant_agent && id !== row.customer_agent) return RESPONSE.securityViolation;
      const committed = outcome.outcome === OUTCOME_COMMITTED;
      if (committed !== (advice.type === "0220")) return RESPONSE.invalidTransaction;
      if (advice.original90 !== undefined && advice.original90 !== originalOf(row)) return RESPONSE.invalidTransaction;
      return { row, committed, agent: id };
    } catch (error) {
      if (error instanceof CodecError) return RESPONSE.securityViolation;
      throw error;
    }
  }
}

async function setState(
  transaction: Transaction<NetworkTables>,
  row: Pick<AuthorizationRow, "approval">,
  state: AuthorizationState,
): Promise<void> {
  await setAuthorizationState.run(transaction, { approval: row.approval, state });
}

async function recordIncident(
  transaction: Transaction<NetworkTables>,
  approval: string,
  agent: string,
  outcome: bigint,
  time_seconds: bigint,
): Promise<void> {
  await transaction
    .insertInto("network_incident")
    .values({ approval, agent, outcome, time_seconds })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function originalOf(row: SettledRow): string {
  return originalElements({ stan: Number(row.stan), time_seconds: row.time_seconds, acquirer: row.acquirer });
}
