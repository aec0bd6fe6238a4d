/** A process with books: it dies at a commit, or is stopped, and another starts on what the disk has. */

import { channel } from "node:diagnostics_channel";
import { copyFileSync } from "node:fs";
import type { Kysely } from "kysely";
import { openSqlite, type SqliteConnection, sqliteOf } from "../../host/services/sqlite.js";
import { DURABLE_CHANNEL } from "../../simulator/diagnostics.js";
import type { Fault, ServiceName } from "./faults.js";
import { LineBroken } from "./wire.js";

/** What a file keeps when power goes does not matter here, but what a commit covers: the disk need not be waited for. */
const SETTINGS = ["journal_mode = MEMORY", "synchronous = OFF", "foreign_keys = ON"];

/** So often a process that dies while it starts is started again. */
const STARTS_MAX = 4;
/** Turns of the event loop after which nothing of a dead process runs any more. */
const IDLE_TURNS = 10;

/** Of one life of the process. */
export interface Life<Program> {
  readonly program: Program;
  /** Stops whatever it does by itself. */
  close(): void;
}

interface Running<Program> {
  readonly number: number;
  readonly database: Kysely<unknown>;
  readonly life: Life<Program>;
}

export class DeadProcess extends Error {
  override readonly name = "DeadProcess";
}

/** Whose statement is run this moment: the channel does not say. */
let committing: Service<unknown> | undefined;
channel(DURABLE_CHANNEL).subscribe((message) => committing?.heard((message as { side: "before" | "after" }).side));

export class Service<Program> {
  readonly name: ServiceName;
  /** Commits since the way began, those included that its death prevented. */
  commits = 0;
  readonly #file: string;
  readonly #faults: readonly Fault[];
  readonly #open: (database: Kysely<unknown>, isAlive: () => boolean) => Promise<Life<Program>>;
  readonly #struck: (fault: Fault) => void;
  #running: Running<Program> | undefined;
  #connection: SqliteConnection | undefined;
  #number = 0;
  #isDead = true;
  #leave: () => void = () => {};
  /** Of lives that are over: what still runs of them must find them open, and can do nothing with them. */
  readonly #left: Kysely<unknown>[] = [];

  constructor(options: {
    readonly name: ServiceName;
    readonly file: string;
    readonly faults: readonly Fault[];
    readonly struck: (fault: Fault) => void;
    /** `isAlive`: whether the process that was opened so is still the one that runs. */
    readonly open: (database: Kysely<unknown>, isAlive: () => boolean) => Promise<Life<Program>>;
  }) {
    this.name = options.name;
    this.#file = options.file;
    this.#faults = options.faults;
    this.#struck = options.struck;
    this.#open = options.open;
  }

  /** Begins with the books as somebody left them. */
  begin(template: string): void {
    copyFileSync(template, this.#file);
  }

  get database(): Kysely<unknown> {
    if (this.#running === undefined) throw new DeadProcess(`${this.name} does not run`);
    return this.#running.database;
  }

  get program(): Program {
    if (this.#running === undefined || this.#isDead) throw new DeadProcess(`${this.name} does not run`);
    return this.#running.life.program;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Starts it unless it runs; one that dies while it starts is started again. */
  async ensure(): Promise<void> {
    for (let attempt = 0; this.#isDead; attempt++) {
      this.#end();
      this.#number += 1;
      const number = this.#number;
      const database = openSqlite<unknown>(this.#file, SETTINGS);
      this.#watch(database);
      this.#isDead = false;
      const isAlive = () => this.#number === number && !this.#isDead;
      try {
        const life = await this.#open(database, isAlive);
        this.#running = { number, database, life };
      } catch (error) {
        this.#left.push(database);
        if (!this.#isDead || attempt >= STARTS_MAX) throw error;
      }
      if (this.#isDead) this.#running?.life.close();
    }
  }

  /** Ends it, at once, and starts another. */
  async restart(): Promise<void> {
    this.#die();
    await this.ensure();
  }

  #end(): void {
    const running = this.#running;
    this.#running = undefined;
    running?.life.close();
    this.#leave();
    this.#leave = () => {};
    if (running !== undefined) this.#left.push(running.database);
    this.#connection = undefined;
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.#die();
    this.#end();
    for (let turn = 0; turn < IDLE_TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
    for (const database of this.#left.splice(0)) await database.destroy();
  }

  /** Asks the process for something; LineBroken when it dies over it. */
  async call<Result>(what: string, work: (program: Program) => Promise<Result>): Promise<Result> {
    await this.ensure();
    const number = this.#number;
    const broken = () => this.#number !== number || this.#isDead;
    try {
      const result = await work(this.program);
      if (broken()) throw new LineBroken(`${this.name} died over ${what}`);
      return result;
    } catch (error) {
      if (broken() && !(error instanceof LineBroken)) throw new LineBroken(`${this.name} died over ${what}`);
      throw error;
    }
  }

  #watch(database: Kysely<unknown>): void {
    const connection = sqliteOf(database);
    if (connection === undefined) throw new TypeError("not SQLite");
    const prepare = connection.prepare.bind(connection);
    connection.prepare = (text) => {
      committing = this as Service<unknown>;
      return prepare(text);
    };
    this.#connection = connection;
  }

  /** A side of a commit. */
  heard(side: "before" | "after"): void {
    // One that is not made counts too, so that the next is another.
    if (side === "before") this.commits += 1;
    const commit = this.commits - 1;
    const fault = this.#faults.find(
      (each) => each.kind === "crash" && each.who === this.name && each.commit === commit && each.side === side,
    );
    if (fault === undefined || this.#isDead) return;
    this.#struck(fault);
    if (side === "before") this.#leave = undo(this.#connection);
    this.#die(true);
  }

  #die(isUndoing = false): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#running?.life.close();
    const connection = this.#connection;
    if (connection === undefined) return;
    if (!isUndoing) rollBack(connection);
    connection.prepare = () => {
      throw new DeadProcess(`${this.name} is dead`);
    };
  }
}

/**
 * What is about to be committed will not be: neither a transaction, nor a statement that is one of its own, which becomes part of
 * one that is undone by the answer of this.
 */
function undo(connection: SqliteConnection | undefined): () => void {
  if (connection === undefined) return () => {};
  if (rollBack(connection)) return () => {};
  const rollback = connection.prepare("rollback");
  connection.prepare("begin immediate").run([]);
  return () => void rollback.run([]);
}

/** False where there was no transaction. */
function rollBack(connection: SqliteConnection): boolean {
  try {
    connection.prepare("rollback").run([]);
    return true;
  } catch {
    return false;
  }
}
