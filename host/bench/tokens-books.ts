/**
 * A real seller and a real mint, each with its books in a file: orders accepted while hundreds are under way, as a server has
 * them, and their tokens redeemed. By the clock, and each counts only when it is on the disk.
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DURABLE_CHANNEL } from "../../simulator/diagnostics.js";
import { rounded, spreadOf } from "./measure.js";
import { byTheClock, type Rate, Rounds } from "./rates.js";
import { paymentsOf } from "./tokens-parties.js";
import { type Durability, Trade } from "./tokens-trade.js";

export interface BookSizes {
  readonly rounds: number;
  /** Of one purse; each round spends one. */
  readonly tokens: number;
  /** Orders that wait for an answer at a time. */
  readonly inFlight: number;
}

export interface BooksReport {
  /** By tokens an order: tokens a second. */
  readonly accepted: Readonly<Record<string, Rate>>;
  /** The same by CPU time, without the waiting for the disk. */
  readonly acceptedOfOneCore: Readonly<Record<string, Rate>>;
  readonly redeemed: Rate;
  readonly inFlight: number;
  /** Orders that share a commit, by tokens an order. */
  readonly ordersPerCommit: Readonly<Record<string, number>>;
  readonly durability: { readonly seller: Durability; readonly mint: Durability };
  /** To write 4 KB to a file in the same folder and have it synchronised: the median. */
  readonly syncMicroseconds: number;
}

const ORDERS_OF = [1, 4] as const;
const SYNCS = 64;
const SYNC_BYTES = 4_096;

export async function measureBooks(sizes: BookSizes): Promise<BooksReport> {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-bench-"));
  try {
    const tokens = sizes.tokens * (sizes.rounds + 1) * ORDERS_OF.length;
    const trade = await Trade.open(tokens, folder);
    try {
      return await measureTrade(trade, sizes, syncOf(folder));
    } finally {
      await trade.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureTrade(trade: Trade, sizes: BookSizes, syncMicroseconds: number): Promise<BooksReport> {
  const { inFlight, rounds, tokens } = sizes;
  const measured = new Rounds<`accepted ${number}` | `of one core ${number}` | "redeemed">();
  const commits = new Map<number, number>();
  // The first round warms up.
  for (let round = -1; round < rounds; round++) {
    for (const perOrder of ORDERS_OF) {
      const purse = await trade.buy(tokens);
      const payments = paymentsOf(purse, perOrder);
      const counted = payments.length * perOrder;
      const counting = new CommitCount();
      const accepted = await byTheClock(counted, () => trade.accept(payments, perOrder, inFlight));
      const made = counting.end();
      await trade.requireOnDisk();
      const redeemed = await byTheClock(counted, () => trade.redeem(purse, counted));
      if (round < 0) continue;
      measured.add(`accepted ${perOrder}`, accepted.perSecond, counted);
      measured.add(`of one core ${perOrder}`, accepted.ofOneCore, counted);
      measured.add("redeemed", redeemed.perSecond, counted);
      commits.set(perOrder, (commits.get(perOrder) ?? 0) + made);
    }
  }
  await trade.requireBalanced();
  const orders = (perOrder: number) => Math.floor(tokens / perOrder) * rounds;
  return {
    accepted: byOrder((perOrder) => measured.rate(`accepted ${perOrder}`)),
    acceptedOfOneCore: byOrder((perOrder) => measured.rate(`of one core ${perOrder}`)),
    redeemed: measured.rate("redeemed"),
    inFlight,
    ordersPerCommit: byOrder((perOrder) => rounded(orders(perOrder) / (commits.get(perOrder) ?? 0))),
    durability: await trade.durability(),
    syncMicroseconds,
  };
}

function byOrder<Value>(of: (perOrder: number) => Value): Record<string, Value> {
  return Object.fromEntries(ORDERS_OF.map((perOrder) => [perOrder, of(perOrder)]));
}

/** Commits of books, wherever in this process. */
class CommitCount {
  #commits = 0;
  readonly #listener = (message: unknown) => {
    if ((message as { readonly side: string }).side === "after") this.#commits += 1;
  };

  constructor() {
    subscribe(DURABLE_CHANNEL, this.#listener);
  }

  end(): number {
    unsubscribe(DURABLE_CHANNEL, this.#listener);
    return this.#commits;
  }
}

function syncOf(folder: string): number {
  const file = openSync(join(folder, "sync"), "w");
  try {
    const page = new Uint8Array(SYNC_BYTES).fill(1);
    const times = Array.from({ length: SYNCS }, () => {
      const before = performance.now();
      writeSync(file, page);
      fsyncSync(file);
      return performance.now() - before;
    });
    return Math.round(1000 * spreadOf(times).median);
  } finally {
    closeSync(file);
  }
}
