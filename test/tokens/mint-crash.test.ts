/**
 * An issuer dies at every commit of its life, just before it and just after, is started again, and everybody repeats what was
 * not answered. In the end everybody has what it would have had, once.
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WORD_FORWARD } from "../../firmware/protocol/tokens.js";
import { toHex } from "../../host/codec/bytes.js";
import { type SqliteConnection, sqliteOf } from "../../host/services/sqlite.js";
import { verifyNotice } from "../../host/tokens/messages/closing.js";
import type { TokenRequest } from "../../host/tokens/messages/request.js";
import { DURABLE_CHANNEL } from "../../simulator/diagnostics.js";
import { type BuyersPurse, FINE_DOLLAR } from "../support/token-buyer.js";
import { ALICE_CENTS, DAY, TokenWorld } from "../support/token-world.js";

const ALICE = 100n * ALICE_CENTS;
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Cuts the books off at given commits: at the first side they are not made, at the second everything after them is lost. */
class Deaths {
  readonly #world: TokenWorld;
  readonly #moments: ReadonlySet<number>;
  count = 0;
  deaths = 0;
  #leave = () => {};
  readonly #listen = (message: unknown) => {
    this.count += 1;
    if (!this.#moments.has(this.count)) return;
    this.deaths += 1;
    const connection = sqliteOf(this.#world.database);
    if (connection === undefined) throw new Error("not SQLite");
    if ((message as { side: string }).side === "before") this.#leave = undo(connection);
    connection.prepare = () => {
      throw new Error("the process is dead");
    };
  };

  constructor(world: TokenWorld, moments: readonly number[]) {
    this.#world = world;
    this.#moments = new Set(moments);
    subscribe(DURABLE_CHANNEL, this.#listen);
  }

  end(): void {
    unsubscribe(DURABLE_CHANNEL, this.#listen);
  }

  /** Does it again, on books that were opened again, until it is answered. */
  async until<Result>(step: () => Promise<Result>): Promise<Result> {
    for (;;) {
      const before = this.deaths;
      try {
        const result = await this.#world.time.run(step());
        // Whoever answered and died at once still has to be started.
        if (this.deaths > before) await this.#restart();
        return result;
      } catch (error) {
        if (this.deaths === before) throw error;
        await this.#restart();
      }
    }
  }

  async #restart(): Promise<void> {
    for (;;) {
      const before = this.deaths;
      try {
        this.#leave();
        this.#leave = () => {};
        await this.#world.crash();
        await this.#world.start();
        return;
      } catch (error) {
        if (this.deaths === before) throw error;
      }
    }
  }
}

/**
 * What is about to be committed will not be: neither a transaction, nor a statement that is one of its own, which becomes part of
 * one that is undone by the answer of this.
 */
function undo(connection: SqliteConnection): () => void {
  const rollback = connection.prepare("rollback");
  try {
    rollback.run([]);
    return () => {};
  } catch {
    connection.prepare("begin immediate").run([]);
    return () => void rollback.run([]);
  }
}

/** Every kind of step that an issuer does, one after the other; what everybody has in the end. */
async function life(name: string, moments: readonly number[]) {
  const w = await TokenWorld.open({ location: { file: join(folder, `${name}.sqlite`) } });
  const deaths = new Deaths(w, moments);
  try {
    const asked = (parts: Partial<TokenRequest> = {}) => {
      const times = { spendBy_seconds: w.now() + DAY, time_seconds: w.now() };
      return w.alice.ask(w.keys, { seller: w.shop.id, ...times, ...parts });
    };
    const pay = (held: BuyersPurse, first: number, count: number) =>
      w.shop.paid(w.alice.pay(held, w.alice.order(held, 10n * BigInt(count)), [{ first, count }]));
    const forwarded = async (parts?: Partial<TokenRequest>) => {
      const request = asked(parts);
      const word = w.shop.word(WORD_FORWARD, request.sealed);
      const issued = await deaths.until(() => w.mint.forward(word, request.sealed));
      w.shop.take(issued.sellerPurse);
      return w.alice.install(w.keys, request, issued.share);
    };
    const first = await forwarded();
    pay(first, 0, 25);
    const redemption = w.shop.redemption(first.share.purse);
    const redeemed = await deaths.until(() => w.mint.redeem(redemption));
    expect(redeemed.refused).toEqual([]);
    expect(await deaths.until(() => w.mint.redeem(redemption))).toEqual(redeemed);
    w.shop.purses.get(toHex(first.share.purse))?.paid.clear();
    pay(first, 25, 7);
    const second = await forwarded({ flushes: first.share.purse });
    pay(second, 0, 3);
    const statement = w.alice.close(w.keys, second.share.purse, [3]);
    const refund = await deaths.until(async () => {
      for (;;) {
        const answer = await w.mint.refund(statement);
        if (answer.state === "closed") return answer;
      }
    });
    expect(verifyNotice(refund.notice, w.keys.signatureKey)).toMatchObject({ tokens: 97, amount: 970n });
    const third = asked();
    const { share } = await deaths.until(() => w.mint.request(third.sealed));
    const held = w.alice.install(w.keys, third, share);
    await deaths.until(() => w.mint.tick());
    await deaths.until(async () => {
      while (!w.shop.purses.has(toHex(held.share.purse)))
        await new Promise<void>((resolve) => w.time.after(1_000, resolve));
    });
    pay(held, 0, 11);
    const last = w.shop.redemption(held.share.purse);
    await deaths.until(() => w.mint.redeem(last));
    w.shop.withholds = true;
    const late = w.alice.close(w.keys, held.share.purse, [11]);
    await deaths.until(() => w.mint.refund(late));
    w.time.clock.advance(40 * DAY * 1000);
    await deaths.until(() => w.mint.tick());
    const end = await deaths.until(() => w.mint.refund(late));
    const notice = end.state === "closed" ? verifyNotice(end.notice, w.keys.signatureKey) : undefined;
    expect(notice).toMatchObject({ tokens: 89, amount: 890n });
    // Looking at it is no part of its life.
    deaths.end();
    const [audit] = (await w.mint.audit()).units;
    return {
      ...{ commits: deaths.count, deaths: deaths.deaths, faults: await w.faults(), audit },
      alice: await w.worth("alice", w.alice.id, FINE_DOLLAR),
      shop: await w.worth("shop", w.shop.id, FINE_DOLLAR),
      closed: w.shop.notices.length,
    };
  } finally {
    deaths.end();
    await w.crash();
  }
}

const SPENT = 460n;
const END = {
  faults: [],
  audit: { unit: FINE_DOLLAR, issued: 3000n, outstanding: 0n, redeemed: SPENT, refunded: 3000n - SPENT, credit: 100n },
  alice: ALICE - SPENT,
  shop: SPENT,
};

describe("an issuer that dies", () => {
  it("at any commit, before or after it, owes everybody the same in the end", { timeout: 300_000 }, async () => {
    const whole = await life("whole", []);
    expect(whole).toMatchObject(END);
    expect(whole.commits).toBeGreaterThan(30);
    for (let moment = 1; moment <= whole.commits; moment++) {
      const ended = await life(`at-${moment}`, [moment]);
      expect(ended, `killed at moment ${moment}`).toMatchObject({ ...END, deaths: 1 });
    }
  });

  it("twice, the second time while it recovers or soon after", { timeout: 300_000 }, async () => {
    for (let moment = 1; moment <= 60; moment += 3) {
      for (const later of [1, 2, 5]) {
        const ended = await life(`twice-${moment}-${later}`, [moment, moment + later]);
        expect(ended, `killed at moments ${moment} and ${moment + later}`).toMatchObject(END);
      }
    }
  });
});
