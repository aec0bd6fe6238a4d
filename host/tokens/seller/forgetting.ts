/**
 * Old acceptances are forgotten. A row of `seller_acceptance` says that its halves are gone, proves them to their issuer, and answers
 * who repeats the order. None of these is needed any more where
 *
 *   - its purse takes no half again: it went back, or its last second for redemption is over;
 *   - its issuer has answered for all that was taken, as far as it ever will;
 *   - the order is older than anybody is answered for; and
 *   - the same is so for all other purses that paid for the order, so that no order is half known.
 *
 * Of the purse its head and what was taken from it, in numbers, stay: it cannot come a second time, and the balance is what it was.
 */

import { toHex } from "../../codec/bytes.js";
import type { SellerBooks } from "./books.js";
import type { PurseBook } from "./purse-book.js";
import { forgetPurse, readTokens } from "./store.js";

interface OldOrder {
  readonly hash: Uint8Array;
  /** Of its acceptances. */
  readonly numbers: Set<number>;
  readonly purses: Set<string>;
  /** Something of it is needed still. */
  isLive: boolean;
}

/** What is left out from now on, and may come back if it could not be written. */
export interface Forgotten {
  readonly purses: readonly PurseBook[];
  /** Hashes in hex. */
  readonly orders: ReadonlySet<string>;
}

/** Forgets orders that were paid before `before_seconds`. `drop` is told which, at the moment from which nobody is answered for them. */
export async function forgetOld(
  books: SellerBooks,
  before_seconds: bigint,
  drop: (orders: ReadonlySet<string>) => void,
): Promise<Forgotten> {
  const end = books.nextNumber;
  await books.log.commit(); // All acceptances below `end` are on the disk now.
  const over = await pursesOver(books);
  const orders = over.size === 0 ? new Map<string, OldOrder>() : await ordersOf(books, over, before_seconds);
  // From here to `drop` nothing is waited for: an order that somebody paid more for meanwhile is live.
  for (const order of orders.values()) order.isLive ||= books.orders.find(order.hash).some((nr) => nr >= end);
  const live = stillLive(orders);
  const purses = [...over.values()].filter(({ key }) => !live.has(key));
  const gone = new Map([...orders].filter(([, { isLive }]) => !isLive));
  const forgotten = { purses, orders: new Set(gone.keys()) };
  if (purses.length === 0) return forgotten;
  const numbers = [...gone.values()].flatMap((order) => [...order.numbers]);
  books.orders.remove(new Set(numbers));
  drop(forgotten.orders);
  const { now_seconds } = books;
  try {
    await books.log.commit((transaction) => forgetPurses(transaction, purses, numbers, now_seconds));
  } catch (error) {
    for (const order of gone.values()) for (const nr of order.numbers) books.orders.add(order.hash, nr);
    drop(forgotten.orders);
    throw error;
  }
  for (const book of purses) book.forget();
  return forgotten;
}

type Transaction = Parameters<typeof forgetPurse>[0];

async function forgetPurses(
  transaction: Transaction,
  purses: readonly PurseBook[],
  numbers: readonly number[],
  now_seconds: number,
): Promise<void> {
  for (const book of purses) {
    // An issuer may ask for a purse that went back again, as long as it is there: it has the same answer.
    const isAskedFor = now_seconds <= book.head.redeemBy_seconds;
    await forgetPurse(transaction, book.head.purse, book.counts(), isAskedFor);
  }
  for (const nr of numbers) await transaction.deleteFrom("seller_acceptance").where("nr", "=", BigInt(nr)).execute();
}

/** Purses of which nothing is taken or redeemed any more, by id in hex. */
async function pursesOver({ now_seconds, purses, store }: SellerBooks): Promise<Map<string, PurseBook>> {
  const waiting = new Set((await store.unansweredPurses()).map((purse) => toHex(purse)));
  const over = new Map<string, PurseBook>();
  for (const [key, book] of purses) {
    if (book === null || book.isForgotten || waiting.has(key)) continue;
    const isPast = now_seconds > book.head.redeemBy_seconds && book.state === "open" && book.unsettled(1).length === 0;
    if (isPast || book.state === "returned") over.set(key, book);
  }
  return over;
}

/** All orders that one of these purses paid anything for. */
async function ordersOf(
  books: SellerBooks,
  over: ReadonlyMap<string, PurseBook>,
  before_seconds: bigint,
): Promise<Map<string, OldOrder>> {
  const orders = new Map<string, OldOrder>();
  for await (const { nr, order_hash: hash, time_seconds, tokens } of books.store.acceptances()) {
    const purses = readTokens(tokens).map(({ purse }) => toHex(purse));
    if (!purses.some((purse) => over.has(purse))) continue;
    const key = toHex(hash);
    const order = orders.get(key) ?? { hash, numbers: new Set(), purses: new Set(), isLive: false };
    orders.set(key, order);
    order.numbers.add(Number(nr));
    for (const purse of purses) order.purses.add(purse);
    order.isLive ||= time_seconds >= before_seconds || purses.some((purse) => !over.has(purse));
  }
  for (const order of orders.values()) {
    // Rows of the same order that only other purses paid.
    const others = books.orders.find(order.hash).filter((nr) => !order.numbers.has(nr));
    if (others.length > 0 && (await books.store.acceptancesOf(order.hash, others)).length > 0) order.isLive = true;
  }
  return orders;
}

/** Purses that paid for a live order, and those that paid for an order together with one of these. */
function stillLive(orders: ReadonlyMap<string, OldOrder>): Set<string> {
  const live = new Set<string>();
  for (let before = -1; before < live.size; ) {
    before = live.size;
    for (const order of orders.values()) {
      order.isLive ||= [...order.purses].some((purse) => live.has(purse));
      if (order.isLive) for (const purse of order.purses) live.add(purse);
    }
  }
  return live;
}
