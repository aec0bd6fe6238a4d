/**
 * Looks whether every cent is where it should be. It shares no code with firmware or host: it reads the rows of the books by plain SQL, the
 * records that cards answer, and what was seen to leave the chips; and it knows docs/TOKENS.md.
 */

import { createHash } from "node:crypto";
import { decode } from "cborg";
import { type Kysely, sql } from "kysely";
import type { HalvesWatch } from "./halves.js";

export interface Audited {
  /** Books of the bank and its mint, and of the authorization service. */
  readonly issuers: readonly { readonly name: string; readonly books: Kysely<unknown>; readonly isBank: boolean }[];
  readonly seller: {
    readonly id: Uint8Array;
    readonly books: Kysely<unknown>;
    readonly account: string;
    /** What it says of itself, by unit. */
    readonly balances: readonly Balance[];
  };
  /** Cards, and what READ RECORD says of their purses. */
  readonly buyers: readonly {
    readonly id: Uint8Array;
    readonly account: string;
    readonly records: readonly unknown[];
  }[];
  readonly halves: HalvesWatch;
  /** What everybody had before, in the deposits' unit: 100 pieces of a token's unit are one of it. */
  readonly before: ReadonlyMap<string, bigint>;
  /** What was ordered, and whether the goods were given away. */
  readonly purchases: readonly {
    readonly name: string;
    readonly order: Uint8Array;
    readonly price: bigint;
    readonly isDelivered: boolean;
  }[];
  /** The seller lost what it had not redeemed when the last second for redemption was over. */
  readonly mayLose?: boolean;
}

const FACTOR = 100n;

interface Balance {
  readonly unit: { readonly currency: number };
  readonly accepted: bigint;
  readonly credited: bigint;
  readonly refused: bigint;
}

interface Account {
  readonly id: string;
  readonly kind: string;
  readonly unit: string;
  readonly balance: bigint;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const sum = (amounts: readonly bigint[]) => amounts.reduce((total, amount) => total + amount, 0n);

async function rows<Row>(books: Kysely<unknown>, statement: ReturnType<typeof sql<Row>>): Promise<Row[]> {
  return (await statement.execute(books)).rows as Row[];
}

async function accounts(books: Kysely<unknown>): Promise<Account[]> {
  return rows(
    books,
    sql<Account>`select id, kind, currency || '.' || exponent as unit, balance from ledger_account order by id`,
  );
}

/** What must hold at every moment: no piece of a cent is made or lost, and the books owe what their purses say. */
export async function conserved(audited: Pick<Audited, "issuers" | "before">): Promise<string[]> {
  const wrong: string[] = [];
  for (const { books, isBank, name } of audited.issuers) {
    const purses = await pursesOf(books);
    for (const { amount_redeemed, face, id, redeemed, state, tokens_redeemed, values } of purses) {
      if (BigInt(redeemed.length) !== tokens_redeemed)
        wrong.push(`${name}: purse ${id} says ${tokens_redeemed} redeemed tokens, and ${redeemed.length} are marked`);
      const worth = sum(redeemed.map((serial) => values[serial] ?? 0n));
      if (worth !== amount_redeemed) wrong.push(`${name}: purse ${id} paid ${amount_redeemed} for ${worth} redeemed`);
      if (amount_redeemed > face) wrong.push(`${name}: purse ${id} paid more than it is worth`);
      if (state !== "open" && state !== "recalled" && state !== "closed")
        wrong.push(`${name}: purse ${id} is ${state}`);
    }
    if (!isBank) continue;
    const all = await accounts(books);
    for (const unit of new Set(all.map((each) => each.unit))) {
      const of = (kind: string) =>
        sum(all.filter((each) => each.unit === unit && each.kind === kind).map(({ balance }) => balance));
      if (of("asset") !== of("liability")) wrong.push(`the ledger does not balance in ${unit}`);
    }
    const issued = all.filter(({ id }) => id.startsWith("tokens-issued/"));
    const out = sum(purses.filter(({ state }) => state !== "closed").map((each) => each.face - each.amount_redeemed));
    const owed = sum(issued.map(({ balance }) => balance));
    if (owed !== out) wrong.push(`the ledger owes ${owed} in tokens, the purses that are out are worth ${out}`);
    const had = sum([...audited.before.values()]) * FACTOR;
    const deposits = sum(all.filter(({ id }) => id.startsWith("deposits/")).map(({ balance }) => balance)) * FACTOR;
    const credit = sum(all.filter(({ id }) => id.startsWith("token-credit/")).map(({ balance }) => balance));
    if (deposits + credit + owed !== had)
      wrong.push(`there were ${had}, and there are ${deposits} in deposits, ${credit} in credit, ${owed} in tokens`);
  }
  return wrong;
}

interface IssuedPurse {
  readonly id: string;
  readonly state: string;
  readonly face: bigint;
  readonly kind: bigint;
  readonly tokens_redeemed: bigint;
  readonly amount_redeemed: bigint;
  /** Of each token. */
  readonly values: readonly bigint[];
  readonly redeemed: readonly number[];
}

async function pursesOf(books: Kysely<unknown>): Promise<IssuedPurse[]> {
  const found = await rows(
    books,
    sql<Omit<IssuedPurse, "values" | "redeemed"> & { denominations: Uint8Array }>`
      select id, state, face, kind, tokens_redeemed, amount_redeemed, denominations from token_purse order by id`,
  );
  const marks = await rows(
    books,
    sql<{
      purse: string;
      chunk: bigint;
      bits: Uint8Array;
    }>`select purse, chunk, bits from token_redeemed order by chunk`,
  );
  return found.map((purse) => {
    const [pairs] = decode(purse.denominations) as [[number, number][]];
    const values = pairs.flatMap(([value, count]) => Array.from({ length: count }, () => BigInt(value)));
    const redeemed = marks
      .filter((mark) => mark.purse === purse.id)
      .flatMap(({ bits, chunk }) => bitsOf(bits).map((at) => Number(chunk) * bits.length * 8 + at));
    return { ...purse, values, redeemed };
  });
}

function bitsOf(bits: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 0; at < bits.length * 8; at++) if ((((bits[at >> 3] ?? 0) >> (at & 7)) & 1) === 1) found.push(at);
  return found;
}

interface Acceptance {
  readonly order: string;
  readonly amount: bigint;
  /** Purse and serial number. */
  readonly tokens: readonly string[];
}

async function acceptances(books: Kysely<unknown>): Promise<Acceptance[]> {
  const found = await rows(
    books,
    sql<{ order_hash: Uint8Array; amount: bigint; tokens: Uint8Array }>`
      select order_hash, amount, tokens from seller_acceptance order by nr`,
  );
  return found.map(({ amount, order_hash, tokens }) => {
    const purses = decode(tokens) as [Uint8Array, [number, number][]][];
    const names = purses.flatMap(([purse, ranges]) =>
      ranges.flatMap(([first, count]) => Array.from({ length: count }, (_, at) => `${hex(purse)}/${first + at}`)),
    );
    return { order: hex(order_hash), amount, tokens: names };
  });
}

/** What must hold when everybody has settled. */
export async function settled(audited: Audited): Promise<string[]> {
  const { halves, issuers, seller } = audited;
  const wrong = await conserved(audited);
  const accepted = await acceptances(seller.books);
  const seen = new Map<string, string>();
  for (const { order, tokens } of accepted) {
    for (const token of tokens) {
      if (seen.has(token)) wrong.push(`token ${token} was accepted twice`);
      seen.set(token, order);
    }
  }
  wrong.push(...ordersWrong(audited, accepted), ...tokensWrong(halves, seen));
  const redeemed = new Set<string>();
  for (const { books, name } of issuers) {
    for (const purse of await pursesOf(books)) {
      if (purse.state !== "closed") wrong.push(`${name}: purse ${purse.id} is still ${purse.state}`);
      for (const serial of purse.redeemed) {
        redeemed.add(`${purse.id}/${serial}`);
        if (!seen.has(`${purse.id}/${serial}`)) wrong.push(`token ${purse.id}/${serial} was paid, and never accepted`);
      }
    }
    wrong.push(...(await openAt(name, books)));
  }
  if (audited.mayLose !== true)
    for (const token of seen.keys())
      if (!redeemed.has(token)) wrong.push(`token ${token} was accepted, and never paid`);
  wrong.push(...(await moneyWrong(audited, accepted)), ...(await sellerOpen(seller.books)));
  for (const { account, records } of audited.buyers)
    if (records.length > 0) wrong.push(`${account}'s card still has ${records.length} purses`);
  return wrong;
}

/** Every order is paid to the price, once, and delivered. */
function ordersWrong({ purchases }: Audited, accepted: readonly Acceptance[]): string[] {
  const wrong: string[] = [];
  const known = new Set<string>();
  for (const { isDelivered, name, order, price } of purchases) {
    const hash = createHash("sha256").update(order).digest("hex");
    known.add(hash);
    const paid = sum(accepted.filter((each) => each.order === hash).map(({ amount }) => amount));
    if (paid !== price) wrong.push(`purchase ${name} for ${price} was paid ${paid}`);
    if (!isDelivered) wrong.push(`purchase ${name} was not delivered`);
  }
  for (const { order } of accepted) if (!known.has(order)) wrong.push(`order ${order} was paid, and nobody made it`);
  return wrong;
}

/** What the seller has taken left a chip, for that order. */
function tokensWrong({ shown }: HalvesWatch, seen: ReadonlyMap<string, string>): string[] {
  const orders = new Map<string, Set<string>>();
  for (const [key, { order }] of shown) {
    const [purse, , serial] = key.split("/");
    const token = `${purse}/${serial}`;
    orders.set(token, (orders.get(token) ?? new Set()).add(order));
  }
  return [...seen].flatMap(([token, order]) =>
    orders.get(token)?.has(order) === true
      ? []
      : [`token ${token} was accepted for an order that no chip showed it for`],
  );
}

/** What an issuer has not done yet. */
async function openAt(name: string, books: Kysely<unknown>): Promise<string[]> {
  const waiting = await rows(books, sql<{ what: string; purse: string }>`select what, purse from token_waiting`);
  const asked = await rows(books, sql<{ nonce: string }>`select nonce from token_request where purse is null`);
  const secrets = await rows(
    books,
    sql<{ id: string }>`select p.id as id from token_purse p where p.state = 'closed' and (p.secret is not null
      or exists (select 1 from token_request r where r.purse = p.id and r.seed is not null))`,
  );
  return [
    ...waiting.map(({ purse, what }) => `${name}: the ${what} of ${purse} still waits for the seller`),
    ...asked.map(({ nonce }) => `${name}: request ${nonce} still waits for others`),
    ...secrets.map(({ id }) => `${name}: closed purse ${id} still has secrets`),
  ];
}

async function sellerOpen(books: Kysely<unknown>): Promise<string[]> {
  const purses = await rows(books, sql<{ id: Uint8Array; state: string }>`select id, state from seller_purse`);
  const chunks = await rows(books, sql<{ purse: Uint8Array }>`select purse from seller_chunk`);
  const unanswered = await rows(
    books,
    sql<{ request: Uint8Array }>`select request from seller_presentation where notice is null`,
  );
  return [
    ...purses.flatMap(({ id, state }) => (state === "open" ? [`the seller's purse ${hex(id)} is still open`] : [])),
    ...chunks.map(({ purse }) => `the seller still has halves of ${hex(purse)}`),
    ...unanswered.map(({ request }) => `the seller's word ${hex(request)} was never answered`),
  ];
}

/** Who has what: the seller earned what was accepted, the buyers lost that and nothing else, and it is the price of what was delivered. */
async function moneyWrong(audited: Audited, accepted: readonly Acceptance[]): Promise<string[]> {
  const { before, buyers, issuers, mayLose, purchases, seller } = audited;
  const bank = issuers.find(({ isBank }) => isBank);
  if (bank === undefined) return ["there is no bank"];
  const all = await accounts(bank.books);
  const worth = (account: string, subject: Uint8Array) => {
    const deposit = sum(all.filter(({ id }) => id === `deposits/${account}`).map(({ balance }) => balance));
    const of = `token-credit/${hex(subject)}/`;
    return deposit * FACTOR + sum(all.filter(({ id }) => id.startsWith(of)).map(({ balance }) => balance));
  };
  const had = (account: string) => (before.get(account) ?? 0n) * FACTOR;
  const earned = worth(seller.account, seller.id) - had(seller.account);
  const lost = sum(buyers.map(({ account, id }) => had(account) - worth(account, id)));
  const paid = sum(accepted.map(({ amount }) => amount));
  const delivered = sum(purchases.filter(({ isDelivered }) => isDelivered).map(({ price }) => price));
  const wrong: string[] = [];
  for (const { accepted: all, credited, refused, unit } of seller.balances) {
    if (all !== credited + refused && mayLose !== true)
      wrong.push(`the seller accepted ${all}, and knows of ${credited} credited and ${refused} refused`);
    if (unit.currency !== 0 && credited !== earned) wrong.push(`the seller earned ${earned} and says ${credited}`);
    if (refused > 0n && mayLose !== true) wrong.push(`the seller says that ${refused} were refused`);
  }
  if (earned !== lost) wrong.push(`the seller earned ${earned}, the buyers lost ${lost}`);
  if (earned !== delivered && !(mayLose === true && earned < delivered))
    wrong.push(`the seller earned ${earned} with goods for ${delivered}`);
  if (paid !== delivered) wrong.push(`${paid} was accepted for goods for ${delivered}`);
  const tokens = sum(all.filter(({ id }) => id.startsWith("tokens-issued/")).map(({ balance }) => balance));
  if (tokens !== 0n) wrong.push(`${tokens} are owed in tokens, and every purse is closed`);
  return wrong;
}
