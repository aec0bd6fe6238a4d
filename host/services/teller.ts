/**
 * The bank's counter (WO 96/41315 fig. 5): a teller's money module and a money generator, attached to the bank's books.
 *
 * The books follow the modules. Before notes can move the bank writes down what it agreed to with whom; when the teller's
 * module has stored its commit the postings are made; only then may the module forget. After a crash `recover` reads the
 * modules' logs and makes the postings that are missing: every one of them is idempotent. It can tell which transfer is
 * which because a module begins nothing with a peer while something with it is open, and recovery comes before the next
 * customer.
 */

import type { Kysely } from "kysely";
import { PACKET_NOTES_MAX } from "../../firmware/protocol/limits.js";
import { LOG_RECEIVED, LOG_SENT, OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import { REASON_DECLINED, REASON_INSUFFICIENT_FUNDS, REASON_UNKNOWN_UNIT } from "../../firmware/protocol/reasons.js";
import { answerResume, forgetSettled, resume } from "../applications/resume.js";
import { type Decision, memoText, type Prompt, runTransfer, type Transfer } from "../applications/transfer.js";
import { type BankConnection, REFRESH_MEMO } from "../applications/withdraw.js";
import { toHex } from "../codec/bytes.js";
import { command } from "../commands.js";
import { inProcessLink } from "../communications/in-process.js";
import type { PeerLink } from "../communications/link.js";
import { sha256 } from "../crypto.js";
import type { Conversation, Device } from "../device.js";
import type { LogEntry, NoteSummary } from "../element-data.js";
import { type Money, sameUnit, type Unit } from "../units.js";
import type { BadIdList } from "./bad-id-list.js";
import { type BankBooks, BankError, type BankTables, refreshAccount } from "./bank-books.js";
import { atomically, type Migration, migrate } from "./database.js";
import type { Finding, Reconciliation } from "./reconciliation.js";

export interface TellerTables extends BankTables {
  /** What the bank agreed to at the counter. `sequence`: the teller's log entries from there on are later. */
  teller_intent: { teller: string; number: bigint; kind: string; peer: string; account: string; sequence: bigint };
}

const STEPS: readonly Migration[] = [
  async (transaction) => {
    await transaction.schema
      .createTable("teller_intent")
      .addColumn("teller", "text", (column) => column.notNull())
      .addColumn("number", "bigint", (column) => column.notNull())
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("peer", "text", (column) => column.notNull())
      .addColumn("account", "text", (column) => column.notNull())
      .addColumn("sequence", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("teller_intent_key", ["teller", "number"])
      .execute();
  },
];

/** Values of fresh notes: as banknotes are, one, two and five of each power of ten. */
const NOTE_VALUE_STEPS = [5n, 2n, 1n];
/** Fresh notes of these values for one request; beside them at most one of another value. */
const BANKNOTES_MAX = 5;
/** What leaves the counter expires no sooner: twice what a wallet calls due (applications/refresh.ts). */
const STOCK_DAYS_MIN = 60n;
const SECONDS_A_DAY = 86_400n;
/**
 * Notes that stay in the till between customers, the largest: what was made for somebody who then did not take it must not pile
 * up until the module has no room for fresh notes, nor for what a customer pays in.
 */
const STOCK_NOTES_MAX = 24;

export interface TellerParts {
  readonly books: BankBooks;
  readonly database: Kysely<TellerTables>;
  /** Devices with a money module of role teller, and of role generator. */
  readonly teller: Device;
  readonly generator: Device;
  /** Looks at every note that comes back; in the same database as the books. */
  readonly reconciliation: Reconciliation;
  /** Where those go who are proved to have cheated. */
  readonly badIds: BadIdList;
  /** How customers are connected; within this process by default. */
  readonly links?: () => [PeerLink, PeerLink];
  /** Told why a customer was not served. */
  readonly onFault?: (error: unknown) => void;
  /** Told of what the counter does, without account numbers. */
  readonly onEvent?: (event: {
    readonly kind: "withdrawal" | "deposit" | "issue" | "redeem";
    readonly money: Money;
  }) => void;
  /** Told of each new finding among notes that came back; a culprit that is proved is on the list by then. */
  readonly onFinding?: (finding: Finding) => void;
}

export class TellerService implements BankConnection {
  readonly #parts: TellerParts;
  /** The customers after one another: a module is in one transaction at a time. */
  #queue: Promise<unknown> = Promise.resolve();
  /** Findings that were told, or were there when the counter was opened. */
  #told = 0;

  private constructor(parts: TellerParts) {
    this.#parts = parts;
  }

  static async open(parts: TellerParts): Promise<TellerService> {
    await migrate(parts.database, "teller", STEPS);
    const service = new TellerService(parts);
    service.#told = (await parts.reconciliation.findings()).length;
    await service.recover();
    return service;
  }

  get teller(): Device {
    return this.#parts.teller;
  }

  /** A connection to the counter; it is served as soon as the ones before are done. */
  async connect(expected?: Money): Promise<PeerLink> {
    const [theirs, ours] = this.#link();
    await this.#inTurn(() => this.#recovering(() => this.#prepare(expected)));
    void this.#counter(ours, () => this.serve(ours));
    return theirs;
  }

  /** A connection for settling what an earlier one left open. */
  connectForResume(): PeerLink {
    const [theirs, ours] = this.#link();
    void this.#counter(ours, () => this.answerResume(ours));
    return theirs;
  }

  /** Serves a customer who came over a link of its own, as soon as the ones before are done. */
  accept(link: PeerLink): Promise<void> {
    return this.#counter(link, () => this.serve(link));
  }

  /** As `accept`, to settle what is open. */
  acceptResume(link: PeerLink): Promise<void> {
    return this.#counter(link, () => this.answerResume(link));
  }

  /** A customer that goes away or is refused is told so by its own module; the counter serves the next. */
  async #counter(link: PeerLink, work: () => Promise<unknown>): Promise<void> {
    await this.#inTurn(work).catch((error) => {
      // Whoever could not be served need not wait to be.
      link.close();
      this.#parts.onFault?.(error);
    });
  }

  #link(): [PeerLink, PeerLink] {
    return (this.#parts.links ?? inProcessLink)();
  }

  /** Resolves when nobody is being served. */
  async idle(): Promise<void> {
    await this.#queue.catch(() => undefined);
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#queue.catch(() => undefined).then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /**
   * Has the notes ready before the customer is at the counter, because then the teller's module is busy with it: as few as
   * one payment carries.
   */
  async #prepare(expected: Money | undefined): Promise<void> {
    if (expected === undefined) return;
    await this.#retireStock();
    if (!(await this.#canPay(expected))) await this.#restock(expected);
  }

  async #canPay({ amount, unit }: Money): Promise<boolean> {
    const notes = (await this.#parts.teller.module.notes()).filter(
      (note) => note.spendable && sameUnit(note.money.unit, unit),
    );
    const most = notes.sort(largestFirst).slice(0, PACKET_NOTES_MAX);
    return most.reduce((sum, note) => sum + note.money.amount, 0n) >= amount;
  }

  /** What a module paid in for a refresh and has not had back; asked when the customers before have been served. */
  refreshOwed(subjectId: string): Promise<Money[]> {
    return this.#inTurn(() => this.#parts.books.refreshOwed(subjectId));
  }

  /**
   * Serves one customer: a withdrawal, a deposit. Whoever asks for more than there are notes for, and has it on the account, is
   * told so and asks again: by then the notes are made. Nobody else has any made, least of all one who has not said yet who it is.
   */
  async serve(link: PeerLink): Promise<Transfer> {
    const lacking: { money?: Money } = {};
    try {
      return await this.#recovering(() => this.#serveAtCounter(link, lacking));
    } catch (error) {
      await this.#prepare(lacking.money).catch((fault) => this.#parts.onFault?.(fault));
      throw error;
    }
  }

  async #serveAtCounter(link: PeerLink, lacking: { money?: Money }): Promise<Transfer> {
    const { teller } = this.#parts;
    await this.#retireStock();
    const transfer = await teller.converse(link, "module", async (conversation) => {
      await conversation.prepare(command.listen());
      return this.#serve(conversation, lacking);
    });
    await this.redeemDeposited();
    return transfer;
  }

  async #recovering<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      // What ended badly says more than what could not be recovered from it; the next start recovers again.
      await this.recover().catch((fault) => this.#parts.onFault?.(fault));
      throw error;
    }
  }

  async #serve(conversation: Conversation, lacking: { money?: Money }): Promise<Transfer> {
    const { teller } = this.#parts;
    let intent: Intent | undefined;
    const agree = async (kind: Intent["kind"], prompt: Prompt): Promise<Decision> => {
      intent = await this.#intend(kind, prompt);
      if (kind === "deposit") return this.#agreeToDeposit(intent, prompt);
      const decision = await this.#agreeToWithdrawal(intent, prompt);
      if (decision === REASON_INSUFFICIENT_FUNDS) lacking.money = prompt.money;
      return decision;
    };
    return runTransfer(teller, conversation, {
      requested: (prompt) => agree("withdrawal", prompt),
      verify: (prompt) => agree("deposit", prompt),
      committed: async (moved) => {
        if (intent === undefined) throw new Error("the teller's module moved money that nobody agreed to");
        if (moved.name === "sent") await this.#withdrawn(intent.id, moved.money);
        else await this.#deposited(moved.payId, intent.account, moved.money);
      },
    });
  }

  /** The module may have settled something though the meeting broke off then; the log that tells so is short. */
  async answerResume(link: PeerLink): Promise<void> {
    await this.#recovering(() => answerResume(this.#parts.teller, link));
    await this.recover();
  }

  async #intend(kind: Intent["kind"], prompt: Prompt): Promise<Intent> {
    const teller = this.#parts.teller.module.idHex;
    const peer = toHex(prompt.peer);
    const memo = memoText(prompt.memo);
    // Whose account it is says the session and not the memo: no module can name another's.
    const account = memo === REFRESH_MEMO ? refreshAccount(peer) : memo;
    const sequence = BigInt(await this.#parts.teller.module.nextLogSequence());
    const number = await atomically(this.#parts.database, async (transaction) => {
      const last = await transaction
        .selectFrom("teller_intent")
        .select("number")
        .where("teller", "=", teller)
        .orderBy("number", "desc")
        .limit(1)
        .executeTakeFirst();
      const next = (last?.number ?? 0n) + 1n;
      await transaction
        .insertInto("teller_intent")
        .values({ teller, number: next, kind, peer, account, sequence })
        .execute();
      return next;
    });
    return { id: `${teller}/${number}`, kind, account };
  }

  /** REASON_INSUFFICIENT_FUNDS is about the teller's notes alone; an account that has too little is declined. */
  async #agreeToWithdrawal(intent: Intent, { money, peer }: Prompt): Promise<Decision> {
    const { books } = this.#parts;
    try {
      await books.withdrawReserve({ id: intent.id, account: intent.account, subjectId: toHex(peer), ...money });
      if (await this.#canPay(money)) return true;
      await books.withdrawReverse(intent.id);
      return REASON_INSUFFICIENT_FUNDS;
    } catch (error) {
      return refusalOf(error);
    }
  }

  async #withdrawn(id: string, money: Money): Promise<void> {
    await this.#parts.books.withdrawSettle(id);
    this.#parts.onEvent?.({ kind: "withdrawal", money });
  }

  /** Any account may be paid into, by anyone who knows its number; a module's own by that module, and it need not be open. */
  async #agreeToDeposit(intent: Intent, prompt: Prompt): Promise<Decision> {
    if (intent.account === refreshAccount(toHex(prompt.peer))) return true;
    try {
      await this.#parts.books.depositBalance(intent.account);
      return true;
    } catch {
      return REASON_DECLINED;
    }
  }

  async #deposited(payId: Uint8Array, account: string, money: Money): Promise<void> {
    await this.#parts.books.depositSettle({ id: toHex(payId), account, amount: money.amount, unit: money.unit });
    this.#parts.onEvent?.({ kind: "deposit", money });
  }

  /** Notes that came in are taken out of circulation: the books first, then the teller's module destroys them. */
  async redeemDeposited(): Promise<void> {
    const { teller } = this.#parts;
    const foreign = (await teller.module.notes()).filter((note) => (note.spendable && note.hops > 1) || note.redeeming);
    await this.#redeem(foreign);
    await this.#warn();
  }

  /**
   * Notes that lay in the till for too long go the same way: what leaves the counter must not be due again soon, and an expired
   * note would look like money and could be given to nobody. So do the smallest where there are too many.
   */
  async #retireStock(): Promise<void> {
    const { teller } = this.#parts;
    const soonest = teller.parts.clock.now_seconds() + STOCK_DAYS_MIN * SECONDS_A_DAY;
    const notes = (await teller.module.notes()).filter(({ spendable }) => spendable);
    const old = notes.filter((note) => note.expiry_seconds < soonest);
    const rest = notes.filter((note) => note.expiry_seconds >= soonest).sort(largestFirst);
    await this.#redeem([...old, ...rest.slice(STOCK_NOTES_MAX)]);
  }

  async #redeem(notes: readonly NoteSummary[]): Promise<void> {
    const { teller, books, reconciliation } = this.#parts;
    for (const { place } of notes) {
      await teller.converse(undefined, "module", async (conversation) => {
        await conversation.command(command.redeem(place));
        const note = await conversation.expect("redeemable");
        const id = `note/${toHex(sha256(note.note))}`;
        const returned = { id, note: note.note, key: note.key, money: note.money };
        await books.redeem({ id, amount: note.money.amount, unit: note.money.unit }, (transaction) =>
          reconciliation.merge(returned, transaction),
        );
        await conversation.command(command.redeemed(place, note.noteId));
        await conversation.expect("redeemed");
        this.#parts.onEvent?.({ kind: "redeem", money: note.money });
      });
    }
  }

  /** Whoever is proved to have cheated goes on the list, and the bank's own modules have it before the next customer. */
  async #warn(): Promise<void> {
    const { teller, generator, reconciliation, badIds } = this.#parts;
    const findings = await reconciliation.findings();
    await badIds.publish(findings);
    for (const { module } of [teller, generator]) await badIds.deliver(module);
    for (const finding of findings.slice(this.#told)) this.#parts.onFinding?.(finding);
    this.#told = findings.length;
  }

  /** What the bank has noticed of notes that came back. */
  findings(): Promise<Finding[]> {
    return this.#parts.reconciliation.findings();
  }

  // Fresh notes.

  /** Has the generator make notes for the teller. */
  async #restock(money: Money): Promise<void> {
    const { teller, generator } = this.#parts;
    const [toTeller, toGenerator] = inProcessLink();
    const making = generator.converse(toGenerator, "module", async (conversation) => {
      await conversation.prepare(command.listen());
      return runTransfer(generator, conversation, {
        answerRequest: (asked) =>
          asked.money.amount === money.amount
            ? command.yesWithNotes(noteValues(money.amount))
            : command.no(REASON_DECLINED),
        committed: (moved) => this.#issued(moved.payId, moved.money),
      });
    });
    const taking = teller.converse(toTeller, "module", async (conversation) => {
      await conversation.command(command.withdraw(money, null));
      return runTransfer(teller, conversation, { verify: () => true });
    });
    const [made, taken] = await Promise.allSettled([making, taking]);
    if (made.status === "rejected") throw made.reason;
    if (taken.status === "rejected") throw taken.reason;
  }

  async #issued(payId: Uint8Array, money: Money): Promise<void> {
    await this.#parts.books.issue({ id: toHex(payId), amount: money.amount, unit: money.unit });
    this.#parts.onEvent?.({ kind: "issue", money });
  }

  /** What the books say became of notes that are no more: for the audit. */
  async notesEnded(unit: Unit): Promise<{ redeemed: bigint; destroyed: bigint; unclaimed: bigint }> {
    const rows = await this.#parts.database
      .selectFrom("bank_operation")
      .select(["kind", "amount"])
      .where("state", "=", "settled")
      .where("kind", "in", ["redeem", "returned", "claim"])
      .where("currency", "=", BigInt(unit.currency))
      .where("exponent", "=", BigInt(unit.exponent))
      .execute();
    // Summed here: a sum in the database leaves 64 bits as a float.
    const sumOf = (...kinds: string[]) =>
      rows.filter((row) => kinds.includes(row.kind)).reduce((sum, row) => sum + row.amount, 0n);
    const unclaimed = await this.#parts.books.balance("unclaimed", unit);
    return { redeemed: sumOf("redeem", "returned"), destroyed: sumOf("claim"), unclaimed };
  }

  // After a crash, and after every transaction that did not end well.

  /** Makes the postings that the modules' logs call for, and reverses what they say never happened. */
  async recover(): Promise<void> {
    const { teller, generator, books } = this.#parts;
    await this.#settleStock();
    for (const entry of await generator.module.log()) {
      if (!isCommitted(entry, LOG_SENT) || (await books.operation(toHex(entry.payId))) !== undefined) continue;
      await this.#issued(entry.payId, entry.money);
    }
    const entries = await teller.module.log();
    await this.#recoverDeposits(entries);
    for (const open of await books.openWithdrawals()) {
      const intent = await this.#intentOf(open.id);
      const sent = entries.some(
        (entry) =>
          isCommitted(entry, LOG_SENT) &&
          intent !== undefined &&
          BigInt(entry.sequence) >= intent.sequence &&
          toHex(entry.peer) === intent.peer,
      );
      if (sent) await books.withdrawSettle(open.id);
      else await books.withdrawReverse(open.id);
    }
    await forgetSettled(generator);
    await forgetSettled(teller);
    await this.redeemDeposited();
  }

  /** Fresh notes on their way between the bank's own modules when one of them lost power: nobody else would settle that. */
  async #settleStock(): Promise<void> {
    const { teller, generator } = this.#parts;
    const inDoubt = (await teller.module.pending()).some(
      ({ state, peer }) => state === "in doubt" && toHex(peer) === generator.module.idHex,
    );
    const unconfirmed = (await generator.module.pending()).some(
      ({ state, confirmed }) => state === "committed" && !confirmed,
    );
    if (!inDoubt && !unconfirmed) return;
    const [toTeller, toGenerator] = inProcessLink();
    const answering = answerResume(generator, toGenerator);
    const [asked, answered] = await Promise.allSettled([resume(teller, toTeller), answering]);
    if (asked.status === "rejected") throw asked.reason;
    if (answered.status === "rejected") throw answered.reason;
  }

  async #recoverDeposits(entries: readonly LogEntry[]): Promise<void> {
    for (const entry of entries) {
      if (!isCommitted(entry, LOG_RECEIVED)) continue;
      if ((await this.#parts.books.operation(toHex(entry.payId))) !== undefined) continue;
      const intent = await this.#parts.database
        .selectFrom("teller_intent")
        .select("account")
        .where("teller", "=", this.#parts.teller.module.idHex)
        .where("kind", "=", "deposit")
        .where("peer", "=", toHex(entry.peer))
        .orderBy("number", "desc")
        .limit(1)
        .executeTakeFirst();
      // Notes from the generator come without an intent: they are nobody's deposit.
      if (intent !== undefined) await this.#deposited(entry.payId, intent.account, entry.money);
    }
  }

  #intentOf(id: string): Promise<TellerTables["teller_intent"] | undefined> {
    const [teller = "", number = "0"] = id.split("/");
    return this.#parts.database
      .selectFrom("teller_intent")
      .selectAll()
      .where("teller", "=", teller)
      .where("number", "=", BigInt(number))
      .executeTakeFirst();
  }
}

interface Intent {
  readonly id: string;
  readonly kind: "withdrawal" | "deposit";
  readonly account: string;
}

function largestFirst({ money: a }: NoteSummary, { money: b }: NoteSummary): number {
  return a.amount < b.amount ? 1 : a.amount > b.amount ? -1 : 0;
}

function isCommitted(entry: LogEntry, kind: number): boolean {
  return entry.kind === kind && entry.outcome === OUTCOME_COMMITTED;
}

function refusalOf(error: unknown): number {
  if (!(error instanceof BankError)) throw error;
  if (error.code === "wrong-unit") return REASON_UNKNOWN_UNIT;
  return REASON_DECLINED;
}

/** Few notes that make exactly this amount: some as banknotes are, and one of whatever is left. */
export function noteValues(amount: bigint): bigint[] {
  const values: bigint[] = [];
  let left = amount;
  for (let power = 10n ** 18n; power > 0n; power /= 10n) {
    for (const step of NOTE_VALUE_STEPS) {
      while (left >= step * power && values.length < BANKNOTES_MAX) {
        values.push(step * power);
        left -= step * power;
      }
    }
  }
  return left > 0n ? [...values, left] : values;
}
