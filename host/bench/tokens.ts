/**
 * How fast token halves are (docs/PERFORMANCE.md, Token halves): made, checked, accepted on the disk and redeemed, beside tokens that
 * are signed one by one, as in the source, and points of a curve; and what they cost the buyer's chip. All in one run.
 */

import { availableParallelism, loadavg } from "node:os";
import { rounded } from "./measure.js";
import type { Rate } from "./rates.js";
import { type BookSizes, type BooksReport, measureBooks } from "./tokens-books.js";
import { type CardReport, measureCard } from "./tokens-card.js";
import { type MemoryReport, type MemorySizes, measureMemory, ORDER_TOKENS } from "./tokens-memory.js";

export interface TokenSizes {
  readonly memory: MemorySizes;
  readonly books: BookSizes;
  readonly purchases: number;
}

export const TOKEN_SIZES: TokenSizes = {
  memory: { rounds: 7, warmUp: 2, minted: 50_000, verified: 16_384, source: 2_000, points: 80 },
  books: { rounds: 5, tokens: 16_384, inFlight: 512 },
  purchases: 16,
};

/** What the headline says of the chip. */
type CardHeadline = Pick<CardReport, "apdusPerPurchase" | "cardBytes" | "cardOperationsPerPurchase">;

export interface TokensReport extends CardHeadline {
  /** Of one core: both purses of a request, made, split, hashed, signed and sealed. */
  readonly mintedPerSecond: number;
  /** Of one core: halves unmasked, put together and checked against their leaves, ORDER_TOKENS an order. */
  readonly verifiedPerSecond: number;
  /** By the clock: orders of one token, answered when they are on the disk. */
  readonly acceptedDurablyPerSecond: number;
  /** By the clock: tokens credited to the seller's account, on the disk. */
  readonly redeemedPerSecond: number;
  /** Of one core, as the next. */
  readonly sourceModeVerifiedPerSecond: number;
  readonly noblePointVerifiedPerSecond: number;
  readonly halfBytes: number;
  /** What makes the numbers above mean something. */
  readonly details: {
    readonly memory: Omit<MemoryReport, "halfBytes">;
    readonly orderTokens: number;
    readonly books: BooksReport;
    readonly card: Omit<CardReport, keyof CardHeadline>;
    /** Of the machine, before and after: processes that want a core. */
    readonly load: { readonly before: number; readonly after: number; readonly cores: number };
  };
}

export async function measureTokens({ books, memory, purchases }: TokenSizes): Promise<TokensReport> {
  const before = loadNow();
  const { halfBytes, ...inMemory } = await measureMemory(memory);
  const inBooks = await measureBooks(books);
  const { apdusPerPurchase, cardBytes, cardOperationsPerPurchase, ...card } = await measureCard(purchases);
  return {
    mintedPerSecond: inMemory.minted.perSecond,
    verifiedPerSecond: ofOrders(inMemory.verified, ORDER_TOKENS).perSecond,
    acceptedDurablyPerSecond: ofOrders(inBooks.accepted, 1).perSecond,
    redeemedPerSecond: inBooks.redeemed.perSecond,
    sourceModeVerifiedPerSecond: inMemory.source.perSecond,
    noblePointVerifiedPerSecond: inMemory.points.perSecond,
    halfBytes,
    cardBytes,
    apdusPerPurchase,
    cardOperationsPerPurchase,
    details: {
      memory: inMemory,
      orderTokens: ORDER_TOKENS,
      books: inBooks,
      card,
      load: { before, after: loadNow(), cores: availableParallelism() },
    },
  };
}

function loadNow(): number {
  return rounded(loadavg()[0] ?? 0);
}

function ofOrders(rates: Readonly<Record<string, Rate>>, tokens: number): Rate {
  const rate = rates[tokens];
  if (rate === undefined) throw new RangeError(`tokens: orders of ${tokens} were not measured`);
  return rate;
}

function listed(counts: Readonly<Record<string, number>>): string {
  const all = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
  return all.join(", ");
}

export function printTokens({ details, ...report }: TokensReport): void {
  const { books, card, load, memory } = details;
  const line = (what: string, { highest, lowest, perSecond }: Rate) =>
    console.log(`  ${what.padEnd(46)} ${perSecond} a second (${lowest} to ${highest})`);
  console.log("token halves, by CPU time of one core:");
  line("made, signed once a purse, sealed", memory.minted);
  for (const [tokens, rate] of Object.entries(memory.verified)) line(`checked, ${tokens} an order`, rate);
  line(`checked and read from CBOR, ${details.orderTokens} an order`, memory.verifiedWithReading);
  line("signed tokens of the source's scheme", memory.source);
  line("points of secp256k1 (NUT-00, @noble/curves)", memory.points);
  const times = `${memory.timesSource} x the source's scheme, ${memory.timesPoints} x points`;
  console.log(`  checked: ${times}; a half has ${report.halfBytes} bytes, the source's ${memory.sourceHalfBytes}`);
  console.log("token halves, by the clock, books in files:");
  for (const [tokens, rate] of Object.entries(books.accepted)) line(`accepted on the disk, ${tokens} an order`, rate);
  line("redeemed, to the seller's account", books.redeemed);
  console.log("  of these, by CPU time of one core:");
  for (const [tokens, rate] of Object.entries(books.acceptedOfOneCore)) line(`accepted, ${tokens} an order`, rate);
  const { mint, seller } = books.durability;
  console.log(`  ${books.inFlight} orders at a time, ${Object.values(books.ordersPerCommit).join(" and ")} a commit`);
  console.log(`  seller: journal ${seller.journal}, synchronous ${seller.synchronous}`);
  console.log(`  mint: journal ${mint.journal}, synchronous ${mint.synchronous}; a sync ${books.syncMicroseconds} us`);
  console.log(`a purchase of ${card.purchaseTokens} tokens in the buyer's chip:`);
  console.log(`  ${report.apdusPerPurchase} APDUs, ${card.bytesPerPurchase} bytes; ${card.purchases} measured`);
  console.log(`  ${listed(report.cardOperationsPerPurchase)}`);
  console.log(`  to be given a purse: ${listed(card.cardOperationsPerPurse)}`);
  const sizes = Object.entries(report.cardBytes).map(([tokens, bytes]) => `${bytes} for ${tokens} tokens`);
  console.log(`  bytes of its store: ${sizes.join(", ")}`);
  console.log(`load of ${load.cores} cores: ${load.before} before, ${load.after} after`);
}
