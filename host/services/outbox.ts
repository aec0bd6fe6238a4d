/**
 * The merchant's outbox to the card authorization network (PROTOCOLS: purchase, steps 796-815).
 *
 * An entry is stored before its 0100 is sent, and every later step before it is acted on, so that a host that crashes
 * at any moment goes on where it was: it repeats the same bytes, which the network answers as it did the first time.
 *
 *   requested -> declined
 *             -> approved -> completing -> completed     (an agent signed `committed`)
 *                         -> reversing  -> reversed      (an agent signed `aborted`)
 *
 * The outbox never decides which way an approved entry goes: it is handed an agent's signed outcome. What the network
 * refuses for good stays where it is, with the network's code as `problem`, for a person to look at.
 */

import type { Kysely } from "kysely";
import { toHex } from "../codec/bytes.js";
import type { Clock, Timers } from "./clock.js";
import { atomically, type Books, type Executor, type Migration, migrate, Prepared } from "./database.js";
import { decodeMessage, encodeMessage, type IsoMessage, maskPan } from "./iso8583/codec.js";
import {
  type AuthorizationRequest,
  adviceMessage,
  authorizationMessage,
  isTemporary,
  RESPONSE,
  RESPONSE_TEXT,
  type ResponseCode,
} from "./iso8583/messages.js";
import type { CardTransport, StanSequence } from "./network-client.js";

export type OutboxState = "requested" | "approved" | "declined" | "completing" | "completed" | "reversing" | "reversed";

export interface OutboxEntry {
  readonly id: string;
  readonly state: OutboxState;
  readonly stan: number;
  readonly time_seconds: bigint;
  /** Card number, masked. */
  readonly card: string;
  /** The network's answer to the request, once there is one. */
  readonly code?: string;
  /** Signed approval and the network's chain, once approved. */
  readonly approval?: Uint8Array;
  readonly chain?: Uint8Array;
  /** What the network debits or credits on the card's account, where that is kept in another currency. */
  readonly billing?: { readonly amount: bigint; readonly currency: number; readonly rate: string };
  /** Why the network refused completion or reversal for good. */
  readonly problem?: string;
}

/** What a caller asks to be authorized; number, time and acquirer are the outbox's to choose. */
export type AuthorizationDetails = Omit<AuthorizationRequest, "stan" | "time_seconds" | "acquirer">;

export interface OutboxOptions {
  readonly database: Kysely<OutboxTables>;
  readonly transport: CardTransport;
  readonly stans: StanSequence;
  readonly acquirer: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly retry_ms_min?: number;
  readonly retry_ms_max?: number;
  /** Told of each stored change. */
  readonly onChange?: (entry: OutboxEntry) => void;
}

export interface OutboxTables {
  outbox_entry: OutboxRow;
}

interface OutboxRow {
  id: string;
  state: string;
  stan: bigint;
  time_seconds: bigint;
  card: string;
  /** The 0100 as sent. Wiped once answered: card number and expiry together are no longer needed. */
  request: Uint8Array | null;
  /** Receipt hash in hex: what the entry is about, after the request is wiped. */
  receipt: string;
  response: Uint8Array | null;
  /** The 0220 or 0420 as sent. */
  advice: Uint8Array | null;
  problem: string | null;
}

const STEPS: readonly Migration[] = [
  async (transaction) => {
    await transaction.schema
      .createTable("outbox_entry")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("state", "text", (column) => column.notNull())
      .addColumn("stan", "bigint", (column) => column.notNull())
      .addColumn("time_seconds", "bigint", (column) => column.notNull())
      .addColumn("card", "text", (column) => column.notNull())
      .addColumn("request", "bytea")
      .addColumn("receipt", "text", (column) => column.notNull())
      .addColumn("response", "bytea")
      .addColumn("advice", "bytea")
      .addColumn("problem", "text")
      .execute();
    await transaction.schema.createIndex("outbox_entry_state").on("outbox_entry").column("state").execute();
  },
];

export class OutboxError extends Error {
  constructor(what: string) {
    super(`${what} The entry stays as it is, and no money moves by this.`);
    this.name = "OutboxError";
  }
}

const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;
const UNFINISHED: readonly string[] = ["requested", "completing", "reversing"];

const entryRow = new Prepared((books: Executor<OutboxTables>, p: { id: string }) =>
  books.selectFrom("outbox_entry").selectAll().where("id", "=", p.id),
);

const openRows = new Prepared((books: Executor<OutboxTables>, _: object) =>
  books
    .selectFrom("outbox_entry")
    .selectAll()
    .where("state", "in", [...UNFINISHED, "approved"])
    .orderBy("time_seconds"),
);

const insertRequest = new Prepared(
  (books: Executor<OutboxTables>, row: Omit<OutboxRow, "response" | "advice" | "problem">) => {
    const { id, state, stan, time_seconds, card, request, receipt } = row;
    return books.insertInto("outbox_entry").values({
      ...{ id, state, stan, time_seconds, card, request, receipt },
      ...{ response: null, advice: null, problem: null },
    });
  },
);

const noteAdvice = new Prepared((books: Executor<OutboxTables>, p: { id: string; state: string; advice: Uint8Array }) =>
  books.updateTable("outbox_entry").set({ state: p.state, advice: p.advice, problem: null }).where("id", "=", p.id),
);

const noteResponse = new Prepared(
  (books: Executor<OutboxTables>, p: { id: string; state: string; response: Uint8Array }) =>
    books
      .updateTable("outbox_entry")
      .set({ state: p.state, response: p.response, request: null })
      .where("id", "=", p.id)
      .where("state", "=", "requested"),
);

const noteConclusion = new Prepared((books: Executor<OutboxTables>, p: { id: string; from: string; to: string }) =>
  books.updateTable("outbox_entry").set({ state: p.to }).where("id", "=", p.id).where("state", "=", p.from),
);

interface Courier {
  /** The entry as it was stored last. */
  readonly done: Promise<OutboxRow>;
  cancel: () => void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #database: Kysely<OutboxTables>;
  /** One for each entry that has a message under way. */
  readonly #couriers = new Map<string, Courier>();
  #closed = false;

  private constructor(options: OutboxOptions) {
    this.#options = options;
    this.#database = options.database;
  }

  static async open(options: OutboxOptions): Promise<Outbox> {
    await migrate(options.database, "outbox", STEPS);
    return new Outbox(options);
  }

  /** Takes up what was under way when the host stopped. Returns how many entries that were. */
  async resume(): Promise<number> {
    const rows = await this.#database
      .selectFrom("outbox_entry")
      .selectAll()
      .where("state", "in", UNFINISHED)
      .where("problem", "is", null)
      .execute();
    for (const row of rows) this.#deliver(row);
    return rows.length;
  }

  /** Asks for an authorization, and resolves when the network has answered. The same id again is the same question. */
  async request(id: string, details: AuthorizationDetails): Promise<OutboxEntry> {
    const receipt = toHex(details.receiptHash);
    const known = await this.#row(id);
    if (known !== undefined && known.receipt !== receipt)
      throw new OutboxError(`Entry ${id} is about another receipt.`);
    return this.#until(known ?? (await this.#store(id, receipt, details)), isAnswered);
  }

  /** Resolves when the network has answered the request of this entry. */
  async answered(id: string): Promise<OutboxEntry> {
    return this.#until(await this.#known(id), isAnswered);
  }

  /** Completes an approved entry: `outcome` is an agent's signed `committed`, with its chain. Resolves when stored. */
  complete(id: string, outcome: Uint8Array): Promise<OutboxEntry> {
    return this.#conclude(id, outcome, "completing", "completed");
  }

  /** Reverses an approved entry: `outcome` is an agent's signed `aborted`, with its chain. Resolves when stored. */
  reverse(id: string, outcome: Uint8Array): Promise<OutboxEntry> {
    return this.#conclude(id, outcome, "reversing", "reversed");
  }

  /** Resolves when nothing of this entry is under way any more: at its end, or with a `problem`. */
  async settled(id: string): Promise<OutboxEntry> {
    const courier = this.#couriers.get(id);
    return this.#until(await (courier === undefined ? this.#known(id) : courier.done), (row) => !isUnderWay(row));
  }

  async entry(id: string): Promise<OutboxEntry | undefined> {
    const row = await this.#row(id);
    return row === undefined ? undefined : entryOf(row);
  }

  /** Entries that are not at an end: under way, in trouble, or approved and waiting for the agents. */
  async unfinished(): Promise<OutboxEntry[]> {
    const rows = await openRows.all(this.#database, {});
    return rows.map(entryOf);
  }

  /** Stops sending. Everything is stored; `resume` of another outbox on the same database goes on. */
  async close(): Promise<void> {
    this.#closed = true;
    const couriers = [...this.#couriers.values()];
    for (const courier of couriers) courier.cancel();
    await Promise.all(couriers.map((courier) => courier.done));
  }

  async #store(id: string, receipt: string, details: AuthorizationDetails): Promise<OutboxRow> {
    const { acquirer, clock, stans } = this.#options;
    const time_seconds = clock.now_seconds();
    const row = await atomically(this.#database, async (transaction) => {
      const stan = await stans.next(transaction);
      const request = encodeMessage(authorizationMessage({ ...details, acquirer, stan, time_seconds }));
      const card = maskPan(details.cardNumber);
      const asked = { id, state: "requested", stan: BigInt(stan), time_seconds, card, request, receipt };
      await insertRequest.run(transaction, asked);
      return { ...asked, response: null, advice: null, problem: null };
    });
    this.#tell(row);
    return row;
  }

  async #conclude(
    id: string,
    outcome: Uint8Array,
    underWay: "completing" | "reversing",
    end: "completed" | "reversed",
  ): Promise<OutboxEntry> {
    const { acquirer, clock, stans } = this.#options;
    const stored = await atomically(this.#database, async (transaction) => {
      const row = await this.#known(id, transaction);
      if (row.state === end || (row.state === underWay && row.problem === null)) return row;
      // With a problem on record the sender may try again, with better evidence or the other way.
      if (row.state !== "approved" && row.problem === null) {
        throw new OutboxError(`Entry ${id} is ${row.state}, and cannot become ${end}.`);
      }
      const advice = adviceMessage({
        type: underWay === "completing" ? "0220" : "0420",
        stan: await stans.next(transaction),
        time_seconds: clock.now_seconds(),
        acquirer,
        outcome,
        original: { stan: Number(row.stan), time_seconds: row.time_seconds, acquirer },
      });
      const changes = { state: underWay, advice: encodeMessage(advice), problem: null };
      await noteAdvice.run(transaction, { id, ...changes });
      return { ...row, ...changes };
    });
    this.#tell(stored);
    if (stored.state === underWay) this.#deliver(stored);
    return entryOf(stored);
  }

  async #until(from: OutboxRow, reached: (row: OutboxRow) => boolean): Promise<OutboxEntry> {
    let row = from;
    while (!reached(row)) {
      if (this.#closed) throw new OutboxError(`The outbox was closed while entry ${row.id} was ${row.state}.`);
      row = await this.#deliver(row).done;
    }
    return entryOf(row);
  }

  /**
   * Sends the message that an entry waits on, until the network has answered it or the outbox is closed. Nobody else
   * changes the entry meanwhile, so that it need not be read again.
   */
  #deliver(row: OutboxRow): Courier {
    const { id } = row;
    const known = this.#couriers.get(id);
    if (known !== undefined) return known;
    let cancelled = this.#closed;
    let wake = () => {};
    const pause = (delay_ms: number) =>
      new Promise<void>((resolve) => {
        const cancelTimer = this.#options.timers.after(delay_ms, resolve);
        wake = () => {
          cancelTimer();
          resolve();
        };
      });
    const run = async () => {
      let delay_ms = this.#options.retry_ms_min ?? RETRY_MS_MIN;
      let left = row;
      while (!cancelled && isUnderWay(left)) {
        left = (await this.#attempt(left)) ?? left;
        if (cancelled || !isUnderWay(left)) break;
        await pause(delay_ms);
        delay_ms = Math.min(delay_ms * 2, this.#options.retry_ms_max ?? RETRY_MS_MAX);
      }
      return left;
    };
    const courier: Courier = {
      done: Promise.resolve()
        .then(run)
        .finally(() => this.#couriers.delete(id)),
      cancel: () => {
        cancelled = true;
        wake();
      },
    };
    courier.done.catch(() => {}); // Whoever waits for the entry sees the error; an entry nobody waits for is resumed later.
    this.#couriers.set(id, courier);
    return courier;
  }

  /** One sending: the entry as the answer leaves it, or undefined if the same must be sent again. */
  async #attempt(row: OutboxRow): Promise<OutboxRow | undefined> {
    const bytes = row.state === "requested" ? row.request : row.advice;
    if (bytes === null) throw new OutboxError(`Entry ${row.id} has lost its message.`);
    const answer = await this.#ask(decodeMessage(bytes));
    const code = answer?.fields[39];
    if (answer === undefined || code === undefined || isTemporary(code)) return undefined;
    const stored =
      row.state === "requested" ? await this.#noteDecision(row, answer, code) : await this.#noteEnd(row, code);
    this.#tell(stored);
    return stored;
  }

  /** The answer, or undefined when none came: then nothing is known, and the same bytes go out again. */
  async #ask(message: IsoMessage): Promise<IsoMessage | undefined> {
    try {
      return await this.#options.transport.exchange(message);
    } catch {
      return undefined;
    }
  }

  async #noteDecision(row: OutboxRow, answer: IsoMessage, code: string): Promise<OutboxRow> {
    const state: OutboxState = code === RESPONSE.approved ? "approved" : "declined";
    const changes = { state, response: encodeMessage(answer) };
    const changed = await noteResponse.run(this.#database, { id: row.id, ...changes });
    return changed === 1n ? { ...row, ...changes, request: null } : this.#known(row.id);
  }

  async #noteEnd(row: OutboxRow, code: string): Promise<OutboxRow> {
    if (code === RESPONSE.approved) {
      const state: OutboxState = row.state === "completing" ? "completed" : "reversed";
      const changed = await noteConclusion.run(this.#database, { id: row.id, from: row.state, to: state });
      return changed === 1n ? { ...row, state } : this.#known(row.id);
    }
    await this.#database
      .updateTable("outbox_entry")
      .set({ problem: problemOf(code) })
      .where("id", "=", row.id)
      .where("state", "=", row.state)
      .execute();
    return this.#known(row.id);
  }

  #tell(row: OutboxRow): void {
    this.#options.onChange?.(entryOf(row));
  }

  #row(id: string, books: Books = this.#database): Promise<OutboxRow | undefined> {
    return entryRow.first(books, { id });
  }

  async #known(id: string, books: Books = this.#database): Promise<OutboxRow> {
    const row = await this.#row(id, books);
    if (row === undefined) throw new OutboxError(`There is no entry ${id}.`);
    return row;
  }
}

function isAnswered(row: OutboxRow): boolean {
  return row.state !== "requested";
}

/** Whether a message of the entry waits for the network's answer. */
function isUnderWay(row: OutboxRow): boolean {
  return UNFINISHED.includes(row.state) && row.problem === null;
}

function problemOf(code: string): string {
  return `${code}: ${RESPONSE_TEXT[code as ResponseCode] ?? "the network refused"}`;
}

function entryOf(row: OutboxRow): OutboxEntry {
  const base = {
    id: row.id,
    state: row.state as OutboxState,
    stan: Number(row.stan),
    time_seconds: row.time_seconds,
    card: row.card,
    ...(row.problem === null ? {} : { problem: row.problem }),
  };
  if (row.response === null) return base;
  const { fields } = decodeMessage(row.response);
  return {
    ...base,
    code: fields[39] ?? "",
    ...(fields[62] === undefined ? {} : { approval: fields[62] }),
    ...(fields[61] === undefined ? {} : { chain: fields[61] }),
    ...(fields[6] === undefined || fields[51] === undefined || fields[10] === undefined
      ? {}
      : { billing: { amount: BigInt(fields[6]), currency: Number(fields[51]), rate: fields[10] } }),
  };
}
