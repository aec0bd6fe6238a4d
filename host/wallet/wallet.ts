/**
 * A wallet: a customer's device and what its owner does with it. The command line is written on it, and so is a till at a
 * point of sale: `receive` and `request` are how money is taken.
 */

import { EventEmitter } from "node:events";
import {
  LOG_AUTHORIZED,
  LOG_RECEIVED,
  OUTCOME_COMMITTED,
  TYPE_PURCHASE,
  TYPE_SALE,
} from "../../firmware/protocol/messages.js";
import { REASON_INSUFFICIENT_FUNDS, REASON_PENDING } from "../../firmware/protocol/reasons.js";
import { buy, type CustomerPrompts, type CustomerResult } from "../applications/buy.js";
import { deposit } from "../applications/deposit.js";
import { pay, payRequested } from "../applications/pay.js";
import { type Refreshed, type RefreshOptions, refresh } from "../applications/refresh.js";
import { resume, type Settlement, settleAgent } from "../applications/resume.js";
import { sell } from "../applications/sell.js";
import { NoMerchantError } from "../applications/shop.js";
import type { Prompt, Transfer } from "../applications/transfer.js";
import { withdraw } from "../applications/withdraw.js";
import { asError } from "../as-error.js";
import { equalBytes, toHex } from "../codec/bytes.js";
import type { Device } from "../device.js";
import type { Balance, LogEntry, Pending, SpendingState } from "../element-data.js";
import type { CardOffer, ReceiptFields } from "../notices.js";
import { mismatchOf, type PaymentRequest, parsePaymentRequest } from "../payment-request.js";
import type { RandomSource } from "../randomness.js";
import { ReasonError } from "../reasons.js";
import type { Quote } from "../services/directory.js";
import { TransportError } from "../transport.js";
import { type Money, sameUnit, type Unit } from "../units.js";
import type { Contacts } from "./contacts.js";
import { type Contact, type Counterparties, type Meeting, UnknownMerchantError } from "./counterparties.js";
import { Reception, type ReceptionOptions } from "./reception.js";
import { Turns } from "./turns.js";

export interface WalletParts {
  readonly device: Device;
  readonly counterparties: Counterparties;
  readonly contacts: Contacts;
  readonly random: RandomSource;
  /** The owner's PIN: a chip wants it again when its limits are set. */
  readonly pin: string;
  /** Issuer of the card that the owner pays with; undefined: there is none. */
  readonly cardIssuer?: string;
  /** The owner's account at the bank, by its unit. */
  readonly account: (unit: Unit) => string;
  /** What people call the owner of a module, by its subject id; undefined: not known here. */
  readonly nameOf?: (id: string) => string | undefined;
  /** Tells those who know the owner by name where the wallet waits; undefined: nowhere any more. */
  readonly announce?: (url: string | undefined) => void;
  /** Lets go of whatever was opened for the wallet. */
  readonly close: () => Promise<void>;
}

/** What the owner is asked in a purchase or sale. */
export interface TradePrompts {
  /** Is this the merchant you mean? (fig. 10, 460-462). The directory's name for it is the quote's. */
  confirmMerchant(name: string, quote: Quote): boolean | Promise<boolean>;
  /** Which card? By default the first. (754-756) */
  chooseCard?(cards: readonly CardOffer[]): CardOffer | undefined | Promise<CardOffer | undefined>;
  /** Is the receipt right? (780-784). The quote is what the directory promised; the receipt is what will be. */
  confirmReceipt(receipt: ReceiptFields, quote: Quote): boolean | Promise<boolean>;
}

/** Agrees to whatever is not worse than the directory's word, from the merchant that it named. */
export const agreeAsQuoted: TradePrompts = {
  confirmMerchant: (name, quote) => name === quote.merchant.name,
  confirmReceipt: (receipt, quote) => isAsQuoted(receipt, quote),
};

/** Whether a receipt costs no more, or brings no less, than the directory said. */
export function isAsQuoted(receipt: ReceiptFields, quote: Quote): boolean {
  const { amount, unit } = receipt.authorization;
  if (!sameUnit(unit, quote.offer.account)) return false;
  return quote.offer.direction === "buy" ? amount <= quote.authorization : amount >= quote.authorization;
}

export interface Trade extends CustomerResult {
  readonly merchant: string;
  readonly receipt: ReceiptFields;
}

export interface WalletEvents {
  sent: [Transfer];
  received: [Transfer];
  bought: [Trade];
  sold: [Trade];
  /** What a broken connection left open is settled. */
  settled: [Settlement];
}

/** A transaction as its owner remembers it. */
export interface HistoryEntry extends LogEntry {
  readonly action: "bought" | "sold" | "paid" | "received";
  readonly isDone: boolean;
  /** What people call the other side; undefined: only its id is known. */
  readonly peerName: string | undefined;
}

/** Something open, and where its peer is found; undefined: only its owner knows. */
export interface OpenTransaction extends Pending {
  readonly contact: Contact | undefined;
}

/** What resuming came to. */
export interface ResumeResult {
  readonly committed: number;
  readonly aborted: number;
  /** Still open, with the reason of each that could not be settled now. */
  readonly open: readonly { readonly pending: OpenTransaction; readonly why: Error | undefined }[];
  /** Nothing may be open here, but the last business broke off, and whoever it was with could not be met: why. */
  readonly unheard: Error | undefined;
}

/** The device has no bank card. */
export class NoCardError extends Error {
  constructor(name: string) {
    super(`${name} has no bank card, or its issuer is not known here. No money moved. Use a device that has one.`);
    this.name = "NoCardError";
  }
}

/** The payee's chip asks for something else than the request said. */
export class RequestMismatchError extends Error {
  constructor(what: string) {
    super(
      `What the payee asks for is not what the request says: ${what}. It was refused and no money moved. ` +
        "Ask the payee for a new request.",
    );
    this.name = "RequestMismatchError";
  }
}

/** Two limits of two currencies at once. */
export class LimitError extends Error {
  constructor() {
    super(
      "The two limits are of two currencies. Nothing was changed and no money moved. Set them one after the other.",
    );
    this.name = "LimitError";
  }
}

/** The card was lost in the midst of business. Whoever did the same again without looking might pay twice. */
export class OutcomeUnknownError extends Error {
  constructor(cause: TransportError) {
    super(
      `It is not known yet whether this was done: ${cause.what} It may be, so do not do it again before you have looked: ` +
        'connect the card again, run "tally wallet resume", and see the log. The money is safe meanwhile.',
      { cause },
    );
    this.name = "OutcomeUnknownError";
  }
}

export class Wallet extends EventEmitter<WalletEvents> {
  readonly #parts: WalletParts;
  readonly #turns = new Turns();

  private constructor(parts: WalletParts) {
    super();
    this.#parts = parts;
  }

  /** Takes over a device that is unlocked; what its agent and module can settle by themselves they settle now. */
  static async open(parts: WalletParts): Promise<Wallet> {
    if (parts.device.parts.agent !== undefined) await settleAgent(parts.device);
    parts.contacts.settle(await parts.device.module.pending());
    return new Wallet(parts);
  }

  get name(): string {
    return this.#parts.device.name;
  }

  /** Subject id of its money module, 32 hexadecimal digits. */
  get id(): string {
    return this.#parts.device.module.idHex;
  }

  get device(): Device {
    return this.#parts.device;
  }

  balances(): Promise<Balance[]> {
    return this.device.module.balances();
  }

  /** The last transactions, newest first: what the module logged, and of which of them the agent has a receipt. */
  async history(): Promise<HistoryEntry[]> {
    const { agent } = this.device.parts;
    const receipts = agent === undefined ? [] : (await agent.log()).filter(({ kind }) => kind in TRADES);
    const entries = await this.device.module.log();
    return entries.map((entry) => ({
      ...entry,
      action: actionOf(entry, receipts),
      isDone: entry.outcome === OUTCOME_COMMITTED,
      peerName: this.#parts.nameOf?.(toHex(entry.peer)),
    }));
  }

  // What the owner lets it spend.

  limits(): Promise<SpendingState[]> {
    return this.device.module.limits();
  }

  /** Sets most for one payment, most for one day, or both, of one unit; zero is no limit. The chip wants the PIN for it. */
  async setLimit(given: { readonly payment?: Money; readonly day?: Money }): Promise<void> {
    const unit = (given.payment ?? given.day)?.unit;
    if (unit === undefined) throw new RangeError("given: neither a limit for a payment nor one for a day");
    if (given.payment !== undefined && given.day !== undefined && !sameUnit(given.payment.unit, given.day.unit)) {
      throw new LimitError();
    }
    const today = (await this.limits()).find((limit) => sameUnit(limit.unit, unit));
    const payment = given.payment?.amount ?? today?.payment ?? 0n;
    const day = given.day?.amount ?? today?.day ?? 0n;
    await this.device.module.setLimit(this.#parts.pin, { unit, payment, day });
  }

  // With a merchant (fig. 7).

  /** Buys electronic money with the card: from the cheapest merchant, or from this one, by name. */
  async buy(money: Money, prompts: TradePrompts = agreeAsQuoted, merchant?: string): Promise<Trade> {
    const trade = await this.#trade("buy", money, prompts, merchant);
    this.emit("bought", trade);
    return trade;
  }

  /** Sells electronic money into the card's account. */
  async sell(money: Money, prompts: TradePrompts = agreeAsQuoted, merchant?: string): Promise<Trade> {
    // The card network would be asked first, and would blame the card.
    const held = (await this.balances()).find(({ unit }) => sameUnit(unit, money.unit))?.spendable ?? 0n;
    if (held < money.amount) throw new ReasonError(REASON_INSUFFICIENT_FUNDS, false);
    const trade = await this.#trade("sell", money, prompts, merchant);
    this.emit("sold", trade);
    return trade;
  }

  /** What merchants ask for an amount, or give for it, by the directory's word, the cheapest first. */
  async quotes(direction: "buy" | "sell", money: Money): Promise<readonly Quote[]> {
    const { counterparties, cardIssuer } = this.#parts;
    const account = cardIssuer === undefined ? undefined : await counterparties.accountUnit(cardIssuer);
    if (account === undefined) throw new NoCardError(this.name);
    return counterparties.quotes(direction, money, account);
  }

  async #trade(
    direction: "buy" | "sell",
    money: Money,
    prompts: TradePrompts,
    merchant: string | undefined,
  ): Promise<Trade> {
    const quote = chosen(await this.quotes(direction, money), merchant);
    const asked: CustomerPrompts = {
      confirmMerchant: (name) => prompts.confirmMerchant(name, quote),
      chooseCard: (cards) => (prompts.chooseCard === undefined ? cards[0] : prompts.chooseCard(cards)),
      confirmReceipt: (receipt) => prompts.confirmReceipt(receipt, quote),
    };
    const contact: Contact = { kind: "merchant", id: quote.merchant.id };
    const result = await this.#meet(
      contact,
      () => this.#parts.counterparties.trade(quote.merchant),
      (meeting) => (direction === "buy" ? buy : sell)(this.device, meeting.link, money, asked),
    );
    if (result.receipt === undefined) throw new Error("There was no receipt; look at the log before you try again.");
    return { ...result, receipt: result.receipt, merchant: quote.merchant.name };
  }

  // With another wallet (fig. 12 without agents).

  /** Pays whoever waits at this address, or under this name. */
  async pay(address: string, money: Money, memo?: string): Promise<Transfer> {
    return this.#payAt(address, (meeting) => pay(this.device, meeting.link, money, memo === undefined ? {} : { memo }));
  }

  /** Pays a request: exactly what it says, to the very module that it names, whatever answers at its address. */
  async payRequest(asked: PaymentRequest | string): Promise<Transfer> {
    const request = typeof asked === "string" ? parsePaymentRequest(asked) : asked;
    let mismatch: string | undefined;
    const agree = (prompt: Prompt) => {
      mismatch = mismatchOf(request, prompt);
      return mismatch === undefined;
    };
    try {
      return await this.#payAt(request.address, (meeting) => payRequested(this.device, meeting.link, agree));
    } catch (error) {
      throw mismatch === undefined ? error : new RequestMismatchError(mismatch);
    }
  }

  async #payAt(address: string, work: (meeting: Meeting) => Promise<Transfer>): Promise<Transfer> {
    const contact: Contact = { kind: "wallet", address };
    const transfer = await this.#meet(contact, () => this.#parts.counterparties.payee(address), work);
    this.emit("sent", transfer);
    return transfer;
  }

  /** Waits to be paid this amount (point of sale). */
  request(money: Money, options: Omit<ReceptionOptions, "money"> = {}): Promise<Reception> {
    return this.receive({ ...options, money });
  }

  /** Waits to be paid whatever payers offer. */
  async receive(options: ReceptionOptions = {}): Promise<Reception> {
    const { device, contacts, random, announce } = this.#parts;
    const parts = { device, contacts, random, turns: this.#turns, ...(announce === undefined ? {} : { announce }) };
    const reception = await Reception.open({ ...options, ...parts });
    reception.on("paid", (transfer) => this.emit("received", transfer));
    reception.on("settled", (settlement) => this.emit("settled", settlement));
    return reception;
  }

  // With the bank (fig. 5).

  /** From the owner's account into the wallet. */
  async withdraw(money: Money, account = this.#parts.account(money.unit)): Promise<Transfer> {
    const transfer = await this.#atBank(() => withdraw(this.device, this.#parts.counterparties.bank, account, money));
    this.emit("received", transfer);
    return transfer;
  }

  /** From the wallet into an account: the owner's, or any other whose number is known. */
  async deposit(money: Money, account = this.#parts.account(money.unit)): Promise<Transfer> {
    const transfer = await this.#atBank(() => deposit(this.device, this.#parts.counterparties.bank, account, money));
    this.emit("sent", transfer);
    return transfer;
  }

  /** Old, long and tainted notes, or all of them, for fresh ones; finishes first what an earlier refresh left at the bank. */
  refresh(options: RefreshOptions = {}): Promise<readonly Refreshed[]> {
    return this.#atBank(() => refresh(this.device, this.#parts.counterparties.bank, options));
  }

  async #atBank<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#business({ kind: "bank" }, work);
  }

  // What is open.

  /** Payments whose end this wallet does not know yet, or whose peer has not confirmed. */
  async pending(): Promise<OpenTransaction[]> {
    const open = await this.device.module.pending();
    return open.filter(isOpen).map((pending) => ({ ...pending, contact: this.#parts.contacts.of(pending.peer) }));
  }

  /** Meets the peers of everything that is open and settles it; `address`: where another wallet waits now. */
  async resume(address?: string): Promise<ResumeResult> {
    const done = { committed: 0, aborted: 0 };
    const open = new Map<string, Error>();
    const met: Contact[] = [];
    for (const [peer, contact] of await this.#peers(address)) {
      try {
        const settled = await this.#resumeWith(peer, contact);
        met.push(contact);
        done.committed += settled.committed;
        done.aborted += settled.aborted;
      } catch (error) {
        open.set(peer, asError(error));
      }
    }
    const unended = await this.#meetUnended(address, met).then(() => undefined, asError);
    // Nothing that is known here is open with whoever was to be at the address.
    const unheard = open.get("") ?? unended;
    const left = (await this.pending()).map((pending) => ({ pending, why: open.get(toHex(pending.peer)) }));
    return { ...done, open: left, unheard };
  }

  /**
   * Peers of what is open, by subject id, and where each is. One that is not known may be at the address; whoever is there is
   * met though nothing is open here, because it may be there.
   */
  async #peers(address: string | undefined): Promise<Map<string, Contact>> {
    const peers = new Map<string, Contact>();
    for (const { peer, contact } of await this.pending()) {
      const isWallet = contact === undefined || contact.kind === "wallet";
      const where = address !== undefined && isWallet ? ({ kind: "wallet", address } as const) : contact;
      if (where !== undefined) peers.set(toHex(peer), where);
    }
    const isMet = [...peers.values()].some((where) => where.kind === "wallet" && where.address === address);
    if (address !== undefined && !isMet) peers.set("", { kind: "wallet", address });
    return peers;
  }

  /**
   * Nothing may be open here any more, and its peer not know it: whoever was not heard to the end is met once more. Where
   * another wallet waited once is no place to look for it.
   */
  async #meetUnended(address: string | undefined, met: Contact[]): Promise<void> {
    const { contacts, counterparties } = this.#parts;
    for (const business of contacts.unended) {
      const { contact, since } = business;
      if (contact.kind === "wallet" && contact.address !== address && /^wss?:/.test(contact.address)) continue;
      if (!met.some((other) => isSameContact(other, contact))) {
        const entry = (await this.device.module.log()).findLast(({ sequence }) => sequence >= since);
        await this.#resumeWith(entry === undefined ? "" : toHex(entry.peer), contact);
        met.push(contact);
      }
      if ((await counterparties.farewell?.()) !== false) contacts.end(business);
    }
  }

  /** `peer`: subject id of the other module, or nothing where it is not known. */
  async #resumeWith(peer: string, contact: Contact): Promise<Settlement> {
    const { counterparties, contacts, device } = this.#parts;
    const settlement = await this.#turns.take(async () => {
      const settled = await withMeeting(
        await counterparties.resume(contact, { own: this.id, ...(peer === "" ? {} : { peer }) }),
        ({ link }) => resume(device, link),
      );
      contacts.settle(await device.module.pending());
      return settled;
    });
    this.emit("settled", settlement);
    return settlement;
  }

  /** What is under way is done first. */
  async close(): Promise<void> {
    await this.#turns.idle();
    // Who was paid has kept the line, to repeat its last word; now nobody is there any more to repeat it.
    for (const sort of ["agent", "module"] as const) this.device.manager.disconnect(sort);
    await this.#parts.close();
  }

  /** What stands in the way, an earlier payment that this wallet may know nothing of any more, is settled first. */
  async #meet<Result>(
    contact: Contact,
    connect: () => Promise<Meeting>,
    work: (meeting: Meeting) => Promise<Result>,
  ): Promise<Result> {
    const { counterparties, device } = this.#parts;
    const once = async () => withMeeting(await connect(), work);
    return this.#business(contact, async () => {
      try {
        return await once();
      } catch (error) {
        if (!(error instanceof ReasonError && error.reason === REASON_PENDING)) throw error;
        const meeting = await counterparties.resume(contact, { own: this.id });
        this.emit("settled", await withMeeting(meeting, ({ link }) => resume(device, link)));
        return once();
      }
    });
  }

  /** Does business with one counterparty, and knows afterwards, or after a crash, where to settle what it left open. */
  #business<Result>(contact: Contact, work: () => Promise<Result>): Promise<Result> {
    const { contacts, device, counterparties } = this.#parts;
    return this.#turns.take(async () => {
      const since = await device.module.nextLogSequence();
      const business = contacts.begin(contact, await device.module.pending(), since);
      try {
        return await work().finally(async () => {
          contacts.settle(await device.module.pending());
          if ((await counterparties.farewell?.()) !== false) contacts.end(business);
        });
      } catch (error) {
        throw error instanceof TransportError ? new OutcomeUnknownError(error) : error;
      }
    });
  }
}

/** Whatever keeps this side from its part, the other side does not wait for it. */
async function withMeeting<Result>(meeting: Meeting, work: (meeting: Meeting) => Promise<Result>): Promise<Result> {
  try {
    return await work(meeting);
  } catch (error) {
    meeting.link.close();
    throw error;
  } finally {
    await meeting.ended;
  }
}

/** A payer that has the payee's confirmation, or a payee that has the key, waits only for its own agent or host. */
function isOpen({ state, confirmed }: Pending): boolean {
  return state !== "settled" && !(state === "committed" && confirmed);
}

/** An agent's log entry of a purchase or sale, by its kind. */
const TRADES: Readonly<Record<number, "bought" | "sold">> = {
  [LOG_AUTHORIZED + TYPE_PURCHASE]: "bought",
  [LOG_AUTHORIZED + TYPE_SALE]: "sold",
};

function actionOf({ kind, payId }: LogEntry, receipts: readonly LogEntry[]): HistoryEntry["action"] {
  const receipt = receipts.find((each) => payId.length > 0 && equalBytes(each.payId, payId));
  return TRADES[receipt?.kind ?? 0] ?? (kind === LOG_RECEIVED ? "received" : "paid");
}

function isSameContact(one: Contact, other: Contact): boolean {
  if (one.kind === "merchant") return other.kind === "merchant" && one.id === other.id;
  if (one.kind === "wallet") return other.kind === "wallet" && one.address === other.address;
  return other.kind === "bank";
}

function chosen(quotes: readonly Quote[], merchant: string | undefined): Quote {
  const matching = merchant === undefined ? quotes : quotes.filter((quote) => isCalled(quote, merchant));
  const [best] = matching;
  if (best !== undefined) return best;
  if (merchant === undefined || quotes.length === 0) throw new NoMerchantError();
  throw new UnknownMerchantError(
    merchant,
    quotes.map((quote) => quote.merchant.name),
  );
}

/** By its name, or the first word of it. */
function isCalled({ merchant }: Quote, name: string): boolean {
  const wanted = name.toLowerCase();
  const title = merchant.name.toLowerCase();
  return title === wanted || title.split(" ")[0] === wanted;
}
