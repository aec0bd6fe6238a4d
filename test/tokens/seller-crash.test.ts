/**
 * A seller dies before or after any of its commits, and starts again from its file. What it had promised still holds, whoever was
 * not answered repeats, and in the end the issuer has credited what was paid, once.
 */

import { channel } from "node:diagnostics_channel";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { TokenError } from "../../host/tokens/errors.js";
import { DURABLE_CHANNEL } from "../../simulator/diagnostics.js";
import { range, SellerWorld } from "../support/seller-world.js";
import type { BuyersPurse, TokenBuyer } from "../support/token-buyer.js";

/** As the disk was at a moment: the file, and what is not in it yet. */
function image(folder: string): string {
  const copy = mkdtempSync(join(tmpdir(), "tallystick-image-"));
  for (const name of ["seller.db", "seller.db-wal"]) {
    if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(copy, name));
  }
  return copy;
}

class DeadError extends Error {}

/** What everybody but the seller has, who does not die. */
interface Story {
  readonly world: SellerWorld;
  readonly buyer: TokenBuyer;
  /** By order, what the buyer was told that counts. */
  readonly promised: Map<string, bigint>;
  /** What the issuer was given back. */
  returned: Uint8Array | undefined;
  isDead: boolean;
}

function alive<Result>(story: Story, result: Result): Result {
  if (story.isDead) throw new DeadError();
  return result;
}

async function pay(story: Story, purse: BuyersPurse, name: string, price: bigint, first: number, count: number) {
  const { buyer, promised, world } = story;
  const order = world.order(buyer, purse, price, { nonce: new Uint8Array(16).fill(name.charCodeAt(0)) });
  const payment = buyer.pay(purse, order, range(first, count));
  const { paid } = alive(story, await world.seller.accept(payment, world.expected(price)));
  promised.set(name, paid);
}

/** A purse, five orders, one of them paid in two parts, a redemption; then the issuer wants the purse back. */
async function tell(story: Story): Promise<void> {
  const { buyer, world } = story;
  const purse = await world.purse(buyer, { nonce: new Uint8Array(16).fill(1), seed: new Uint8Array(32).fill(2) });
  alive(story, undefined);
  await orders(story, purse);
  await giveBack(story);
}

async function orders(story: Story, purse: BuyersPurse): Promise<void> {
  await Promise.all([
    pay(story, purse, "a", 30n, 0, 3),
    pay(story, purse, "b", 10n, 3, 1),
    pay(story, purse, "c", 20n, 4, 2),
  ]);
  await pay(story, purse, "d", 30n, 6, 2);
  await pay(story, purse, "d", 30n, 6, 3);
  expect(alive(story, await story.world.seller.redeem()).failed).toEqual([]);
  await pay(story, purse, "e", 10n, 20, 1);
}

async function giveBack(story: Story): Promise<void> {
  const { issuer, seller } = story.world;
  const [issued] = issuer.purses;
  if (issued === undefined) throw new Error("no purse");
  const sealed = alive(story, await seller.recall(issuer.recall(issued.id)));
  if (story.returned !== undefined) expect(sealed).toEqual(story.returned);
  story.returned = sealed;
}

/**
 * Runs the story until its `moment`-th event: a side of a commit, or an answer of the issuer that does not arrive any more. Undefined
 * when there are not so many. What is answered is the disk as it was then.
 */
async function dieAt(moment: number): Promise<{ story: Story; disk: string } | undefined> {
  const world = await SellerWorld.open("crash", { onDisk: true });
  const story: Story = { world, buyer: world.buyer(), promised: new Map(), returned: undefined, isDead: false };
  let events = 0;
  let disk: string | undefined;
  const happened = () => {
    if (events++ !== moment || world.folder === undefined) return;
    disk = image(world.folder);
    story.isDead = true;
  };
  world.line = new Proxy(world.issuer, {
    get: (issuer, name) => {
      const method: unknown = Reflect.get(issuer, name);
      if (typeof method !== "function") return method;
      return (...given: unknown[]) => {
        alive(story, undefined);
        const answer: unknown = method.apply(issuer, given);
        happened();
        return alive(story, answer);
      };
    },
  });
  const durable = channel(DURABLE_CHANNEL);
  durable.subscribe(happened);
  try {
    await tell(story);
  } catch (error) {
    if (!story.isDead) throw error;
  } finally {
    durable.unsubscribe(happened);
  }
  await world.close();
  return disk === undefined ? undefined : { story, disk };
}

/** The same story again, from what the disk had. Where the purse had gone back there is no purse to come any more. */
async function heal(story: Story, disk: string): Promise<void> {
  const { promised, world } = story;
  story.isDead = false;
  world.line = world.issuer;
  world.folder = disk;
  await world.start();
  expect(await world.seller.audit()).toEqual([]);
  const before = new Map(promised);
  try {
    await tell(story);
  } catch (error) {
    if (!(error instanceof TokenError) || error.code !== "purse-recalled") throw error;
    const [issued] = world.issuer.purses;
    const [request] = issued?.requests ?? [];
    if (issued === undefined || request === undefined) throw new Error("no purse");
    const share = { ...request, purse: issued.id, index: 0, holders: 1, redeemBy_seconds: request.spendBy_seconds };
    await orders(story, { share, seed: request.seed });
    await giveBack(story);
  }
  for (const [name, paid] of before) expect(promised.get(name), name).toBeGreaterThanOrEqual(paid);
  expect(Object.fromEntries(promised)).toEqual({ a: 30n, b: 10n, c: 20n, d: 30n, e: 10n });
}

it("dies at any of its commits, and nothing is lost or paid twice", async () => {
  let moment = 0;
  for (; ; moment++) {
    const death = await dieAt(moment);
    if (death === undefined) break;
    const { disk, story } = death;
    const { world } = story;
    await heal(story, disk);
    expect((await world.seller.redeem()).failed, `moment ${moment}`).toEqual([]);
    expect(await world.seller.audit(), `moment ${moment}`).toEqual([]);
    expect(world.seller.balance()[0], `moment ${moment}`).toMatchObject({ accepted: 100n, credited: 100n });
    expect(world.issuer.purses.map(({ redeemed }) => redeemed.size)).toEqual([10]);
    await world.close();
    rmSync(disk, { recursive: true, force: true });
  }
  expect(moment).toBeGreaterThan(10);
}, 60_000);
