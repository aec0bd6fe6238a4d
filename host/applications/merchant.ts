/**
 * Sells and buys electronic money against bank cards (WO 96/41315 fig. 7): the merchant's host. It sets the terms, finds
 * money when its module is short (728-748), asks the card network (796-815) and tells it how it ended. It decides nothing
 * that the agents do not check.
 */

import { OUTCOME_COMMITTED, TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import { REASON_DECLINED, REASON_NO_FUNDING } from "../../firmware/protocol/reasons.js";
import { equalBytes, fromHex, toHex } from "../codec/bytes.js";
import { encode } from "../codec/cbor.js";
import { payloadOf } from "../codec/cose.js";
import { Fields } from "../codec/read.js";
import { command } from "../commands.js";
import { inProcessLink } from "../communications/in-process.js";
import type { PeerLink } from "../communications/link.js";
import { sha256 } from "../crypto.js";
import type { Conversation, Device, SourcedNotice } from "../device.js";
import type { NoticeOf } from "../notices.js";
import type { SettlementAccount } from "../services/iso8583/messages.js";
import type { Outbox, OutboxEntry } from "../services/outbox.js";
import { StatusWordError } from "../status-words.js";
import { type Money, sameUnit, type Unit } from "../units.js";
import { pay } from "./pay.js";
import { receive } from "./receive.js";
import { answerResume, resume, resumeWithTeller, type Settlement, settleAgent } from "./resume.js";
import { Tills } from "./tills.js";
import { type BankConnection, withdraw } from "./withdraw.js";

/** What the receipt will say: the fee in the account's unit, the rate as account units for one of electronic money. */
export interface Terms {
  readonly fee: bigint;
  readonly accountUnit: Unit;
  readonly rateNumerator: bigint;
  readonly rateDenominator: bigint;
}

/** How soon after a refill broke off what it left open is settled, then twice as long, and so on. */
const SETTLE_AFTER_MS = 1_000;
const SETTLE_AFTER_MS_MAX = 600_000;

export interface MerchantParts {
  readonly name: string;
  /** Transaction devices of this merchant; any of them can serve, and the others can refill it. */
  readonly devices: readonly Device[];
  /** Undefined: not with this card or currency. */
  terms(asked: NoticeOf<"terms">): Terms | undefined | Promise<Terms | undefined>;
  readonly outbox: Outbox;
  /** How the card network knows this merchant. The account is the one that pays or is paid, by its unit. */
  readonly terminal: string;
  readonly merchantNumber: string;
  readonly settlement: SettlementAccount;
  /** Where it withdraws electronic money when no device has enough. */
  readonly bank?: BankConnection;
  /** Subject id of the bank's teller, with which a withdrawal may be open. */
  readonly bankModule?: string;
  readonly bankAccount?: (unit: Unit) => string | undefined;
  readonly onEvent?: (event: MerchantEvent) => void;
}

export type MerchantEvent =
  | { readonly kind: "refilled"; readonly from: "device" | "bank"; readonly money: Money }
  | { readonly kind: "authorization"; readonly entry: OutboxEntry }
  | { readonly kind: "settlement"; readonly entry: OutboxEntry };

/** A module that is short after this many refills for one customer is short of something that no refill gives. */
const REFILLS_MAX = 2;

export interface ServeResult {
  readonly outcome: "done" | "aborted" | "provisional";
  readonly reason: number | undefined;
  readonly payId: Uint8Array | undefined;
}

/** What is to be settled: with which of the merchant's modules; or, if the customer does not know that, which module is the customer's. */
export interface Between {
  readonly module?: string;
  readonly customer?: string;
}

/** Somebody wants to settle something with a device that the merchant does not have. */
export class NoSuchTillError extends Error {
  constructor(moduleId: string) {
    const which = moduleId === "" ? "that has anything open with this customer" : `whose module is ${moduleId}`;
    super(`The merchant has no device ${which}. No money moved. Resume with whoever has it.`);
    this.name = "NoSuchTillError";
  }
}

export class Merchant {
  readonly #parts: MerchantParts;
  /** Outbox entries by approval hash, of the purchases that are under way. */
  readonly #entries = new Map<string, string>();
  readonly #settling = new Set<Promise<unknown>>();
  readonly #tills: Tills;
  #settlesLater = false;
  #bankIsUnheard = false;

  constructor(parts: MerchantParts) {
    if (parts.devices.length === 0) throw new RangeError("devices: a merchant has at least one");
    this.#parts = parts;
    this.#tills = new Tills(parts.devices);
  }

  get name(): string {
    return this.#parts.name;
  }

  /** Serves the customer at the other end of the link with a device that is free, or with this one, when it is. */
  serve(link: PeerLink, device?: Device): Promise<ServeResult> {
    return this.#tills.use(device, (till) => this.#serve(link, till));
  }

  /**
   * Settles what a customer's module has open with a device of this merchant, or that device with it. One that does not know
   * which, or of nothing open, is told so by any of them.
   */
  async answerResume(link: PeerLink, between: Between): Promise<Settlement> {
    const device = await this.#deviceOf(between);
    if (device === undefined && between.module !== undefined) {
      link.close();
      throw new NoSuchTillError(between.module ?? "");
    }
    const settlement = await this.#tills.use(device, (till) => this.#meet(till, link));
    for (const outcome of settlement.outcomes) await this.settle(outcome);
    return settlement;
  }

  /** The module may have settled something though the meeting broke off then: its agent follows it all the same. */
  async #meet(till: Device, link: PeerLink): Promise<Settlement> {
    try {
      return await answerResume(till, link);
    } catch (error) {
      for (const outcome of await settleAgent(till).catch(() => [])) await this.settle(outcome);
      throw error;
    }
  }

  async #deviceOf({ module, customer }: Between): Promise<Device | undefined> {
    const { devices } = this.#parts;
    if (module !== undefined) return devices.find((device) => device.module.idHex === module);
    for (const device of devices) {
      if ((await device.module.pending()).some(({ peer }) => toHex(peer) === customer)) return device;
    }
    return undefined;
  }

  #serve(link: PeerLink, device: Device): Promise<ServeResult> {
    return device.converse(link, "agent", async (conversation) => {
      await conversation.prepare(command.serve());
      let type: number | undefined;
      let refills = 0;
      for (;;) {
        const next = await conversation.next();
        if (next.notice.name === "terms") type = next.notice.type;
        if (next.notice.name === "funds") {
          refills += 1;
          if (refills > REFILLS_MAX) {
            await conversation.command(command.no(REASON_NO_FUNDING));
            continue;
          }
        }
        const end = await this.#react(device, conversation, next);
        if (end === undefined) continue;
        await lastWord(conversation, end.outcome, type === TYPE_PURCHASE);
        for (const { notice } of conversation.drain()) if (notice.name === "outcome") await this.settle(notice);
        return end;
      }
    });
  }

  async #react(
    device: Device,
    conversation: Conversation,
    { source, notice }: SourcedNotice,
  ): Promise<ServeResult | undefined> {
    switch (notice.name) {
      case "terms":
        await this.#terms(conversation, notice);
        return undefined;
      case "funds":
        await this.#funds(device, conversation, notice.money);
        return undefined;
      case "authorize":
        await this.#authorize(conversation, notice);
        return undefined;
      case "outcome":
        await this.settle(notice);
        return undefined;
      case "provisional":
        return { outcome: "provisional", reason: undefined, payId: notice.payId };
      case "done":
        return source === "agent"
          ? { outcome: "done", reason: undefined, payId: notice.payId ?? undefined }
          : undefined;
      case "aborted":
        return source === "agent" ? { outcome: "aborted", reason: notice.reason, payId: undefined } : undefined;
      default:
        return undefined;
    }
  }

  async #terms(conversation: Conversation, asked: NoticeOf<"terms">): Promise<void> {
    const terms = await this.#parts.terms(asked);
    if (terms === undefined) return conversation.command(command.no(REASON_DECLINED));
    const { fee, accountUnit, rateNumerator, rateDenominator } = terms;
    return conversation.command(command.terms(fee, accountUnit, rateNumerator, rateDenominator));
  }

  // Funding (728-748).

  async #funds(device: Device, conversation: Conversation, money: Money): Promise<void> {
    const funded = await this.#refill(device, money);
    return conversation.command(funded ? command.funded() : command.no(REASON_NO_FUNDING));
  }

  /** Another device pays (732-738), else the bank (740-748); false when neither can. */
  async #refill(device: Device, money: Money): Promise<boolean> {
    const short = { ...money, amount: money.amount - (await spendable(device, money.unit)) };
    // It has enough, in more notes than one payment holds: it needs the amount in few.
    if (short.amount <= 0n) return this.#refillFromBank(device, money);
    for (const other of this.#parts.devices) {
      // One that serves a customer itself has its module in that purchase.
      const paid = other !== device && (await this.#tills.useIfFree(other, (till) => payTo(device, till, short)));
      if (paid !== true) continue;
      this.#parts.onEvent?.({ kind: "refilled", from: "device", money: short });
      return true;
    }
    return this.#refillFromBank(device, short);
  }

  async #refillFromBank(device: Device, short: Money): Promise<boolean> {
    const { bank } = this.#parts;
    const account = this.#parts.bankAccount?.(short.unit);
    if (bank === undefined || account === undefined) return false;
    try {
      await withdraw(device, bank, account, short);
      this.#parts.onEvent?.({ kind: "refilled", from: "bank", money: short });
      return true;
    } catch {
      // Whatever kept the bank from paying, the customer is told that there is no money, and nothing else is touched.
      this.#settleTillsLater();
      return false;
    }
  }

  /**
   * Settles what the devices have open with one another and with the bank, when a refill broke off: customers come back by
   * themselves, and nobody else does.
   */
  async #settleTills(): Promise<void> {
    const { devices, bank, bankModule } = this.#parts;
    for (const device of devices) {
      for (const peer of await openPeersOf(device)) {
        const other = devices.find(({ module }) => module.idHex === peer);
        await this.#tills.use(device, async () => {
          if (other !== undefined) await this.#tills.use(other, () => settleTwo(device, other));
          const link = peer === bankModule ? await bank?.connectForResume?.() : undefined;
          if (link !== undefined) await resumeWithTeller(device, link);
        });
      }
    }
    if (this.#bankIsUnheard) await this.greetBank();
  }

  /**
   * To the bank's counter and away again, with each device: a customer there that was this merchant's earlier process is waited
   * for no longer, and what was reserved for it is free; and the teller gets the last word of what it had not heard the end of.
   */
  async greetBank(): Promise<void> {
    const { devices, bank } = this.#parts;
    for (const device of devices) {
      await this.#tills.use(device, async () => {
        const link = await bank?.connectForResume?.();
        if (link !== undefined) await resumeWithTeller(device, link);
      });
    }
    this.#bankIsUnheard = false;
  }

  /** A line to the bank did not end in good order: the teller may lack the last word. */
  bankBrokeOff(): void {
    this.#bankIsUnheard = true;
    this.#settleTillsLater();
  }

  /** The bank may not be there yet. */
  #settleTillsLater(after_ms = SETTLE_AFTER_MS): void {
    if (this.#settlesLater || after_ms > SETTLE_AFTER_MS_MAX) return;
    this.#settlesLater = true;
    this.#parts.devices[0]?.parts.timers.after(after_ms, () => {
      this.#settlesLater = false;
      this.#settleTills().catch(() => this.#settleTillsLater(after_ms * 2));
    });
  }

  // The card network (796-815).

  async #authorize(conversation: Conversation, asked: NoticeOf<"authorize">): Promise<void> {
    const { terminal, merchantNumber, settlement, outbox, name } = this.#parts;
    const entry = await outbox.request(toHex(asked.receiptHash), {
      type: asked.type === TYPE_PURCHASE ? "purchase" : "sale",
      cardNumber: asked.account,
      expiry: isoExpiry(asked.cardExpiry_seconds),
      amount: asked.authorization.amount,
      currency: asked.authorization.unit.currency,
      terminal,
      merchant: merchantNumber,
      merchantName: name,
      receiptHash: asked.receiptHash,
      merchantAgent: asked.merchant,
      customerAgent: asked.customer,
      settlement,
    });
    this.#parts.onEvent?.({ kind: "authorization", entry });
    // An agent asks once about a receipt, and an approval is good for one payment: one that is concluded is none any more.
    if (entry.state === "approved" && entry.approval !== undefined && entry.chain !== undefined) {
      this.#entries.set(toHex(sha256(entry.approval)), entry.id);
      return conversation.command(command.authorized(entry.approval, entry.chain));
    }
    return conversation.command(command.declined(entry.code ?? "", asked.receiptHash));
  }

  /**
   * After a crash of this host, beside the customers of today: settles what refills left open; each agent follows its module;
   * then asks the agents again how it ended with every authorization that is still open, and goes on from there. An agent
   * that has concluded repeats its signed word; one that was waiting for the network's answer is told the answer.
   */
  async recover(): Promise<void> {
    const { outbox, devices } = this.#parts;
    const closed: [Device, Uint8Array][] = [];
    await this.#settleTills().catch(() => this.#settleTillsLater());
    for (const device of devices) {
      const settled = await this.#tills.use(device, (till) =>
        settleAgent(till, (hash) => void closed.push([till, hash])),
      );
      for (const outcome of settled) await this.settle(outcome);
    }
    await outbox.resume();
    for (const { id } of await outbox.unfinished()) {
      const entry = await outbox.answered(id);
      for (const device of devices) await this.#askAgent(device, entry);
    }
    for (const [device, receiptHash] of closed) await this.#tellDeclined(device, receiptHash);
  }

  /**
   * What the outbox has no entry of the network was never asked, and what it declined is at an end in the outbox: of both the
   * agent may not know, and would keep them pending for good.
   */
  async #tellDeclined(device: Device, receiptHash: Uint8Array): Promise<void> {
    const entry = await this.#parts.outbox.entry(toHex(receiptHash));
    if (entry !== undefined && entry.state !== "declined") return;
    await this.#tills.use(device, () =>
      device.converse(undefined, "agent", async (conversation) => {
        await conversation.command(command.declined(entry?.code ?? "", receiptHash)).catch(ignoreRefusal);
      }),
    );
  }

  async #askAgent(device: Device, entry: OutboxEntry): Promise<void> {
    for (const question of questionsAbout(entry)) {
      const told = await this.#tills.use(device, () =>
        device.converse(undefined, "agent", async (conversation) => {
          await conversation.command(question).catch(ignoreRefusal);
          await conversation.idle();
          return conversation.drain().map(({ notice }) => notice);
        }),
      );
      for (const notice of told) if (notice.name === "outcome") await this.settle(notice);
      if (told.some((notice) => notice.name === "outcome")) return;
    }
  }

  /**
   * Hands an agent's signed outcome to the network: completion or reversal, as the agent says. Resolves when that is
   * stored; the network's answer is waited for in the background, because a till does not stand still for it.
   */
  async settle(notice: NoticeOf<"outcome">): Promise<void> {
    const { outbox } = this.#parts;
    const id = await this.#entryOf(notice.approvalHash);
    // What is not open any more was settled before: agents repeat their word as often as they are asked.
    if (id === undefined) return;
    const evidence = encode([notice.outcome, notice.chain]);
    if (outcomeOf(notice.outcome) === OUTCOME_COMMITTED) await outbox.complete(id, evidence);
    else await outbox.reverse(id, evidence);
    this.#entries.delete(toHex(notice.approvalHash));
    const answered = outbox.settled(id).then(
      (entry) => this.#parts.onEvent?.({ kind: "settlement", entry }),
      () => undefined, // The outbox was closed; it goes on when it is opened again.
    );
    this.#settling.add(answered);
    void answered.finally(() => this.#settling.delete(answered));
  }

  /** Resolves when the network has answered everything that it was told. */
  async idle(): Promise<void> {
    while (this.#settling.size > 0) await Promise.all(this.#settling);
  }

  async #entryOf(approvalHash: Uint8Array): Promise<string | undefined> {
    const known = this.#entries.get(toHex(approvalHash));
    if (known !== undefined) return known;
    const open = await this.#parts.outbox.unfinished();
    return open.find(({ approval }) => approval !== undefined && equalBytes(sha256(approval), approvalHash))?.id;
  }
}

/** Subject ids of those with whom a module has something open. */
async function openPeersOf({ module }: Device): Promise<Set<string>> {
  const open = (await module.pending()).filter(
    ({ state, confirmed }) => state === "in doubt" || (state === "committed" && !confirmed),
  );
  return new Set(open.map(({ peer }) => toHex(peer)));
}

async function settleTwo(one: Device, other: Device): Promise<void> {
  const [near, far] = inProcessLink();
  await Promise.all([resume(one, near), answerResume(other, far)]);
}

/** What customers would take; notes that only a teller takes do not count. */
async function spendable(device: Device, unit: Unit): Promise<bigint> {
  const notes = await device.module.notes();
  return notes
    .filter((note) => note.spendable && sameUnit(note.money.unit, unit) && !Object.values(note.rests).includes(true))
    .reduce((sum, { money }) => sum + money.amount, 0n);
}

/**
 * Who is paid has the last word and waits for nothing; who pays waits for it, and then hangs up. The agent's word for the
 * card network may come last of all.
 */
async function lastWord(conversation: Conversation, outcome: ServeResult["outcome"], pays: boolean): Promise<void> {
  if (outcome === "done" && pays) await conversation.quiet();
  else conversation.expectNothing();
  await conversation.idle();
  if (outcome !== "done" || pays) conversation.close();
}

/** How did it end? If the agent does not know: this is what the network said. */
function questionsAbout({ id, code, approval, chain }: OutboxEntry): Uint8Array[] {
  if (approval !== undefined && chain !== undefined) {
    return [command.report(sha256(approval)), command.authorized(approval, chain)];
  }
  return code === undefined ? [] : [command.declined(code, fromHex(id))];
}

/** An agent that knows nothing of it refuses; another device of the merchant may know. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof StatusWordError)) throw error;
}

/** One device of the merchant pays another, if it has so much; their modules are free while the agent waits. */
async function payTo(to: Device, from: Device, money: Money): Promise<boolean> {
  if ((await spendable(from, money.unit)) < money.amount) return false;
  const [near, far] = inProcessLink();
  const [paid, received] = await Promise.allSettled([pay(from, near, money), receive(to, far)]);
  return paid.status === "fulfilled" && received.status === "fulfilled";
}

/** The last item of a signed outcome: committed or aborted. */
function outcomeOf(signed: Uint8Array): number {
  const fields = Fields.decode(payloadOf(signed), "outcome", 5);
  for (const name of ["version", "approval hash", "reference", "reference kind"]) fields.value(name);
  return fields.uint("outcome", 255);
}

/** YYMM of the last month in which the card is good; `expiry_seconds` is the first second after it. */
export function isoExpiry(expiry_seconds: number): string {
  const date = new Date((expiry_seconds - 1) * 1000);
  return `${String(date.getUTCFullYear() % 100).padStart(2, "0")}${String(date.getUTCMonth() + 1).padStart(2, "0")}`;
}
