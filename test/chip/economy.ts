/**
 * An economy whose owners have boards, by `tally` as people type it: devices made on blank boards, money withdrawn and bought, a payment
 * from board to board; and boards whose power goes in the middle of a payment, at either end. One owner has agent and module on one
 * chip, the other on two.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { FolderHome } from "../../host/world/home.js";
import { createWorld } from "../../host/world/init.js";
import { partsIn } from "../../host/world/wallet.js";
import type { BoardName } from "../../scripts/hardware/boards.js";
import { Difference } from "../hardware/session.js";
import { type Ended, tallyProcess } from "../support/processes.js";
import { type Runner, startRunner } from "./board-runner.js";
import { CountedLine, type Moment } from "./line.js";
import { checkUnfit } from "./unfit.js";

const EXIT_OPEN = 4;
const PAYMENT = "USD 12.34";
/** What both owners have together, in cents, from when they have bought and withdrawn. */
const ALL_CENTS = 7_000;

function demand(isSo: boolean, what: string): asserts isSo {
  if (!isSo) throw new Difference(`boards in an economy: ${what}`);
}

/** A chip that lives in a file, in QEMU, and the line to it, on which messages are counted. */
class Board {
  readonly line: CountedLine;
  readonly place: string;
  readonly #board: BoardName;
  readonly #store: string;
  /** Of `npm run board`. */
  readonly #options: readonly string[];
  #runner: Runner;

  private constructor(board: BoardName, store: string, options: readonly string[], runner: Runner, line: CountedLine) {
    this.#board = board;
    this.#store = store;
    this.#options = options;
    this.#runner = runner;
    this.line = line;
    this.place = `serial:${line.path}`;
  }

  static async start(board: BoardName, store: string, ...options: string[]): Promise<Board> {
    const runner = await startRunner(board, store, ...options);
    const line = await CountedLine.open(`${store}.line`, runner.place.replace(/^serial:/, ""));
    return new Board(board, store, options, runner, line);
  }

  /** Its power goes at that moment. */
  arm(moment: Moment): void {
    this.line.arm(moment, () => this.#runner.killEmulator());
  }

  /** Power comes again. False: it never went. */
  async powerAgain(): Promise<boolean> {
    if (this.line.isArmed) {
      this.line.disarm();
      return false;
    }
    await this.#runner.ended;
    this.#runner = await startRunner(this.#board, this.#store, ...this.#options);
    return true;
  }

  async close(): Promise<void> {
    this.#runner.child.kill("SIGTERM");
    await this.#runner.ended;
    await this.line.close();
  }
}

/** Owners with boards in a home. */
class Town {
  readonly boards: Board[] = [];
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
  }

  run(...words: string[]): Promise<Ended> {
    const places = this.boards.map(({ line }) => line.path).join(",");
    return tallyProcess(["--home", this.#home, "--json", ...words], { TALLY_SERIAL: places }).ended;
  }

  async value<Value = Record<string, unknown>>(...words: string[]): Promise<Value> {
    const { code, out, err } = await this.run(...words);
    demand(code === 0, `tally ${words.join(" ")} ends with ${code}: ${err}`);
    return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Value;
  }

  async cents(owner: string): Promise<number> {
    const { balances } = await this.value<{ balances: { currency: string; spendable: string }[] }>(
      ...["wallet", "balance", owner],
    );
    const dollars = balances.find(({ currency }) => currency === "USD")?.spendable ?? "0.00";
    return Number(dollars.replace(".", ""));
  }

  async audit(): Promise<void> {
    const { audit, missing } = await this.value<{ audit: { balanced: boolean }[]; missing: string[] }>("audit");
    demand(missing.length === 0 && audit.every(({ balanced }) => balanced), "the audit does not balance");
  }
}

/** How many messages each board of a payment gets. */
async function payment(town: Town): Promise<number[]> {
  const before = town.boards.map(({ line }) => line.messages);
  await town.value("wallet", "pay", "zoe", "yan", PAYMENT);
  return town.boards.map(({ line }, i) => line.messages - (before[i] ?? 0));
}

/** Power goes at one moment of a payment, which is then settled; whether it was paid. */
async function tornPayment(town: Town, board: Board, moment: Moment, cents: number): Promise<boolean> {
  const before = await town.cents("yan");
  board.arm(moment);
  const { code, err } = await town.run("wallet", "pay", "zoe", "yan", PAYMENT);
  const isTorn = await board.powerAgain();
  demand(isTorn, `power did not go at message ${moment.message}: ${code} ${err}`);
  const { open } = await town.value<{ open: unknown[] }>("wallet", "resume", "zoe", "yan");
  demand(open.length === 0, "something is still open when both have met");
  const [zoe, yan] = [await town.cents("zoe"), await town.cents("yan")];
  demand(zoe + yan === ALL_CENTS, `at message ${moment.message} ${zoe} and ${yan} cents are left`);
  const isPaid = yan === before + cents;
  demand(isPaid || yan === before, `${yan - before} cents were paid of ${cents}`);
  // A payer was told that it stands, that it is not known, or that it failed: never the wrong one of these.
  const wasTold = isPaid ? code === 0 || code === EXIT_OPEN : code !== 0;
  demand(wasTold, `${isPaid ? "a payment that stands" : "no payment"}, and the payer was told ${code}: ${err}`);
  return isPaid;
}

/** A sentence about what was done. `moments`: at how many moments power goes, at each end. */
export async function checkEconomy(board: BoardName, folder: string, moments: number): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const home = join(folder, "home");
  await (await createWorld(partsIn(new FolderHome(home)))).close();
  const town = new Town(home);
  try {
    const zoe = await Board.start(board, join(folder, "zoe"));
    town.boards.push(zoe);
    const agent = await Board.start(board, join(folder, "yan-agent"), "--applets", "trusted-agent");
    town.boards.push(agent);
    const module = await Board.start(board, join(folder, "yan-module"), "--applets", "money-module");
    town.boards.push(module);
    const order = ["--card", "USD 300.00", "--deposit", "USD 100.00"];
    await checkUnfit(board, folder, (...words) => town.run(...words));
    await town.value("device", "provision", "zoe", ...order, "--device", zoe.place);
    const two = ["--device", agent.place, "--device", module.place];
    await town.value("device", "provision", "yan", ...order, ...two);
    await town.value("wallet", "withdraw", "zoe", "USD 50.00", "--device", zoe.place);
    await town.value("wallet", "buy", "yan", "USD 20.00", "--yes", ...two);
    const [first, , third] = await payment(town);
    demand(first !== undefined && third !== undefined && first > 10 && third > 10, "a payment has no messages");
    const cents = Number(PAYMENT.replace(/\D/g, ""));
    demand((await town.cents("yan")) === 2_000 + cents, "what was paid has not come");
    await town.value("wallet", "pay", "yan", "zoe", PAYMENT);
    let paid = 0;
    for (let i = 0; i < 2 * moments; i++) {
      const [victim, messages] = i % 2 === 0 ? [zoe, first] : [module, third];
      const message = Math.max(1, Math.round((messages * (Math.floor(i / 2) + 1)) / (moments + 1)));
      const when = i % 4 < 2 ? "after" : "before";
      if (!(await tornPayment(town, victim, { message, when }, cents))) continue;
      paid += 1;
      await town.value("wallet", "pay", "yan", "zoe", PAYMENT);
    }
    await town.value("wallet", "sell", "yan", "USD 5.00", "--yes");
    await town.audit();
    return `an economy with ${town.boards.length} boards: ${2 * moments} payments in which power went, ${paid} of which stand; the audit balances`;
  } finally {
    for (const each of town.boards) await each.close();
  }
}
